"""The channel web: a message lies in her inbox, is told as it is shown and read, and is answered where it stands."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.conftest import NewDatabase
from tests.gateway.test_person_page import PACE, form_of, get, say
from tests.gateway.town import AUTHORISED, WEB_PROVIDER, Town, message, number, person, town


@pytest.fixture(scope="module")
async def inbox(
    new_database: NewDatabase, template_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Town]:
    folder = tmp_path_factory.mktemp("inbox")
    async with town(await new_database(like=template_url), redis_url, folder, pace=PACE, inbox=True) as found:
        found.start_worker()
        yield found


def on_web(identity: str, **more: Any) -> dict[str, Any]:
    contact = person(identity, number(1, area=302))
    contact["addresses"] = [
        {"channel": "web", "address": identity, "kind": "personal", "source": "supplied", "authorised": AUTHORISED}
    ]
    return message(contact, channel="web", **more)


async def shown(found: Town, contact: str) -> list[dict[str, Any]]:
    async with found.session.get(
        f"{found.carrier_url}/sandbox/messages", params={"to": contact, "channel": "web"}
    ) as answer:
        told = await answer.json()
        assert isinstance(told, list)
        return told


async def page_of(found: Town, contact: str) -> str:
    (row,) = await found.rows(
        "SELECT id FROM attempt WHERE contact = $1 AND channel = 'web' ORDER BY begun_at LIMIT 1", contact
    )
    return found.house.links.url(row["id"])


async def test_it_is_sent_by_lying_there_and_delivered_when_a_browser_has_it(inbox: Town) -> None:
    answered = await inbox.send(on_web("cli-1001"))
    found = await inbox.until(answered["id"], "delivered")
    assert found["attempts"][0]["provider"] == WEB_PROVIDER
    (arrived,) = await shown(inbox, "cli-1001")
    assert set(arrived) == {"channel", "provider", "to", "from", "text", "audio_url", "at"}
    assert (arrived["channel"], arrived["text"]) == ("web", message()["content"]["text"])
    html = (await get(inbox, await page_of(inbox, "cli-1001")))[1]
    assert 'data-read="no"' in html


async def test_read_is_told_once_she_has_read_it(inbox: Town) -> None:
    answered = await inbox.send(on_web("cli-0001"))
    await inbox.until(answered["id"], "read")
    html = (await get(inbox, await page_of(inbox, "cli-0001")))[1]
    assert 'data-read="yes"' in html
    assert "Ya los leí" not in html


async def test_opening_the_page_is_no_receipt_but_her_word_is(inbox: Town) -> None:
    async with inbox.session.post(
        f"{inbox.carrier_url}/sandbox/faults", json={"provider": WEB_PROVIDER, "fault": "drop_receipt", "count": 1}
    ) as answer:
        assert answer.status == 200
    answered = await inbox.send(on_web("cli-2"))
    await inbox.until(answered["id"], "sent")
    url = await page_of(inbox, "cli-2")
    for _ in range(20):
        html = (await get(inbox, url))[1]
        if "data-note" in html:
            break
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.3)
    assert (await inbox.get(answered["id"]))["status"] == "sent"
    fields = {"form": form_of(html), "read": re.findall(r'data-note="([0-9a-f]{32})"', html)[0]}
    async with inbox.session.post(f"{url}/seen", data=fields, allow_redirects=False) as answer:
        assert answer.status == 303
    assert (await inbox.get(answered["id"]))["status"] == "read"


async def test_nobody_reads_in_somebody_elses_name(inbox: Town) -> None:
    first, second = await inbox.send(on_web("cli-3")), await inbox.send(on_web("cli-4"))
    await inbox.until(first["id"], "delivered")
    await inbox.until(second["id"], "delivered")
    url = await page_of(inbox, "cli-3")
    html = (await get(inbox, url))[1]
    (theirs,) = await inbox.rows("SELECT id FROM attempt WHERE contact = 'cli-4'")
    for fields in ({"form": form_of(html), "read": theirs["id"].hex}, {"form": "x", "read": theirs["id"].hex}):
        async with inbox.session.post(f"{url}/seen", data=fields, allow_redirects=False) as answer:
            assert answer.status in (303, 422)
    assert (await inbox.get(second["id"]))["status"] == "delivered"


async def test_the_telephone_answers_in_the_pages_box(inbox: Town) -> None:
    answered = await inbox.send(on_web("cli-5"))
    await inbox.until(answered["id"], "delivered")
    body = {"channel": "web", "from": "cli-5", "text": "¿Puedo pagar mañana?"}
    async with inbox.session.post(f"{inbox.carrier_url}/sandbox/reply", json=body) as answer:
        told = await answer.json()
    assert told["hook"] == {"status": 303, "taken": True}
    status, timeline, _ = await inbox.call("GET", "/v1/contacts/cli-5/timeline")
    assert status == 200
    replies = [item for item in timeline["items"] if item["type"] == "reply"]
    assert [(item["channel"], item["data"]["text"]) for item in replies] == [("web", "¿Puedo pagar mañana?")]


async def test_a_stop_in_the_box_stops_the_inbox(inbox: Town) -> None:
    answered = await inbox.send(on_web("cli-6"))
    await inbox.until(answered["id"], "delivered")
    body = {"channel": "web", "from": "cli-6", "text": "BAJA"}
    async with inbox.session.post(f"{inbox.carrier_url}/sandbox/reply", json=body) as answer:
        assert answer.status == 200
    assert (await inbox.send(on_web("cli-6")))["status"] == "blocked"


async def test_two_tenants_with_one_name_for_two_people_stay_two(inbox: Town) -> None:
    """The address on the channel web is the CRM's id, and ids of two CRMs may be equal."""
    answered = await inbox.send(on_web("cli-7"))
    await inbox.until(answered["id"], "delivered")
    await inbox.rows("INSERT INTO tenant (id, name, created_at) VALUES ('t2', 'Other', now()); ")
    await inbox.rows(
        "INSERT INTO contact (tenant, id, subject, role, jurisdictions, zones, created_at, updated_at) "
        "VALUES ('t2', 'cli-7', gen_random_uuid(), 'debtor', '{CO}', '{}', now(), now())"
    )
    await inbox.rows("INSERT INTO endpoint (tenant, digest) VALUES ('t2', 'e7')")
    await inbox.rows(
        "INSERT INTO address (tenant, contact, channel, address, endpoint, kind, source, position) "
        "VALUES ('t2', 'cli-7', 'web', 'cli-7', 'e7', 'personal', 'supplied', 0)"
    )
    await say(inbox, await page_of(inbox, "cli-7"), "answer", text="No me escriban más")
    rows = await inbox.rows("SELECT tenant FROM contact_event WHERE contact = 'cli-7' AND type IN ('reply', 'consent')")
    assert {row["tenant"] for row in rows} == {"t1"}


async def test_an_open_page_hears_of_what_comes(inbox: Town) -> None:
    answered = await inbox.send(on_web("cli-8"))
    await inbox.until(answered["id"], "delivered")
    url = await page_of(inbox, "cli-8")
    timeout = aiohttp.ClientTimeout(total=10)
    async with inbox.session.get(f"{url}/live", timeout=timeout, headers={"Accept": "text/event-stream"}) as stream:
        assert stream.status == 200
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        assert stream.headers["Cache-Control"] == "no-store"
        second = await inbox.send(on_web("cli-8", purpose="requested_info", debts=["d1"]))
        assert second["status"] in ("queued", "deferred", "blocked")
        # Whatever the law says of a second message: a receipt of the first is news as well.
        html = (await get(inbox, url))[1]
        note = re.findall(r'data-note="([0-9a-f]{32})"', html)[0]
        async with inbox.session.post(f"{url}/seen", data={"form": form_of(html), "read": note}, allow_redirects=False):
            pass
        line = b""
        while b"news" not in line:
            line = await stream.content.readline()
            assert line
    # Nothing of hers stands in the stream.
    assert line.strip() == b"event: news"


async def test_a_link_that_opens_nothing_has_no_stream(inbox: Town) -> None:
    async with inbox.session.get(f"{inbox.url}/p/{'A' * 22}/live") as answer:
        assert answer.status == 404


async def test_a_voice_note_is_heard_on_the_page(inbox: Town) -> None:
    answered = await inbox.send(
        on_web("cli-9", form="voice_note", content={"audio": {"speech": "Hola, le saluda C1."}})
    )
    await inbox.until(answered["id"], "delivered", seconds=30)
    html = (await get(inbox, await page_of(inbox, "cli-9")))[1]
    match = re.search(r'<audio controls preload="none" src="([^"]+)" aria-label="Escuchar el mensaje de voz">', html)
    assert match, html
    async with inbox.session.get(match[1]) as answer:
        assert answer.status == 200
        assert (await answer.read())[:4] == b"OggS"
    assert "Hola, le saluda C1." in html
    (arrived,) = await shown(inbox, "cli-9")
    assert arrived["audio_url"] is not None
