"""Her page over HTTP: what it shows, what it does not, and that whatever she says stands before the answer."""

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from gateway.compose import Pace
from tests.conftest import NewDatabase
from tests.gateway.test_spine import export
from tests.gateway.town import Town, message, number, person, town
from tracelog.export import Holds, verify
from vocabulary.ids import parsed

PACE = Pace(sweep_seconds=1)
TEXT = "Hola, su cuota está lista. Su página: {{link}} Responda BAJA para no recibir más."
#: What a browser sends with a tap on a button of the page.
TAP = {
    "Sec-Fetch-Site": "same-origin",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-User": "?1",
    "Sec-Fetch-Dest": "document",
}


@pytest.fixture(scope="module")
async def page_town(
    new_database: NewDatabase, template_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Town]:
    """One town for all of them; whoever a test is about is nobody else's."""
    folder = tmp_path_factory.mktemp("page")
    async with town(await new_database(like=template_url), redis_url, folder, pace=PACE) as found:
        found.start_worker()
        yield found


class Me:
    """The person of the test that runs."""

    n = 0
    id = ""
    number = ""


@pytest.fixture(autouse=True)
def _somebody_new() -> None:
    Me.n += 1
    Me.id, Me.number = f"ana-{Me.n}", number(Me.n)


def me(**more: Any) -> dict[str, Any]:
    return person(Me.id, Me.number, **more)


def other() -> tuple[dict[str, Any], str]:
    theirs = number(Me.n, area=301)
    return person(f"beto-{Me.n}", theirs), theirs


def with_link(contact: Any = None, **more: Any) -> dict[str, Any]:
    return message(contact or me(), **{"content": {"text": TEXT}, **more})


async def link_of(found: Town, to: str | None = None) -> str:
    """The link in the last message that arrived there."""
    arrived = await found.arrived(to or Me.number)
    match = re.search(r"https?://\S+/p/([A-Za-z0-9_-]{22})", arrived[-1]["text"])
    assert match, arrived
    return match[0]


async def sent_link(found: Town, contact: Any = None, to: str | None = None, **more: Any) -> str:
    answered = await found.send(with_link(contact, **more))
    await found.until(answered["id"], "sent", "delivered")
    return await link_of(found, to)


async def get(found: Town, url: str, **headers: str) -> tuple[int, str, dict[str, str]]:
    async with found.session.get(url, headers=headers) as answer:
        return answer.status, await answer.text(), dict(answer.headers)


def form_of(html: str) -> str:
    match = re.search(r'name="form" value="([^"]+)"', html)
    assert match, html[:500]
    return match[1]


async def post(found: Town, url: str, fields: dict[str, str], **headers: str) -> tuple[int, str, dict[str, str]]:
    async with found.session.post(f"{url}/do", data=fields, headers=headers, allow_redirects=False) as answer:
        return answer.status, await answer.text(), dict(answer.headers)


async def say(found: Town, url: str, do: str, **fields: str) -> tuple[int, str, dict[str, str]]:
    """Open the page and tap."""
    _, html, _ = await get(found, url)
    return await post(found, url, {"form": form_of(html), "do": do, **fields}, **TAP)


async def happened(found: Town, kind: str, contact: str = "") -> list[dict[str, Any]]:
    rows = await found.rows(
        "SELECT type, channel, endpoint, detail::text AS detail, words, evidence::text AS evidence, debts, external_id "
        "FROM contact_event WHERE contact = $1 AND type = $2 ORDER BY at, id",
        contact or Me.id,
        kind,
    )
    return [dict(row) for row in rows]


async def said_by_page(found: Town) -> int:
    (row,) = await found.rows(
        "SELECT count(*) AS n FROM contact_event WHERE external_id LIKE 'page/%' AND contact = $1", Me.id
    )
    return int(row["n"])


async def test_the_link_is_short_and_names_nobody_and_is_counted_before_it_leaves(page_town: Town) -> None:
    debt = f"loan-of-{Me.id}"  # longer than what stands in a link by chance
    answered = await page_town.send(with_link(debts=[{"id": debt, "creditor": "C1"}]))
    await page_town.until(answered["id"], "delivered")
    url = await link_of(page_town)
    assert re.fullmatch(r"/p/[A-Za-z0-9_-]{22}", urlsplit(url).path)
    for private in (Me.id, Me.number[1:], debt):
        assert private not in urlsplit(url).path
    arrived = (await page_town.arrived(Me.number))[-1]["text"]
    assert arrived == TEXT.replace("{{link}}", url)
    # A receipt may be faster than the answer to the call, which is what counts the segments.
    counted = None
    while counted is None:
        (row,) = await page_town.rows("SELECT segments FROM attempt WHERE contact = $1", Me.id)
        counted = row["segments"]
    assert answered["cost"]["segments"] == counted


async def test_the_page_shows_her_message_who_writes_why_and_her_rights(page_town: Town) -> None:
    status, html, headers = await get(page_town, await sent_link(page_town))
    assert status == 200
    assert "Hola, su cuota está lista" in html
    assert "(esta página)" in html
    assert "C1" in html
    assert "Ley 2300 de 2023, art. 3" in html
    assert Me.number not in html
    assert Me.number[-4:] not in html
    assert "…77" in html
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "noindex" in headers["X-Robots-Tag"]
    assert "Set-Cookie" not in headers
    # Nothing inline, nothing from elsewhere.
    assert not re.search(r"<script(?! src=\"/p/-/)", html)
    assert not re.search(r"\son\w+=|style=|<style", html)
    assert not re.findall(r"(?:src|href|action)=\"(?!/p/|\?lang=|#)[^\"]*", html)


@pytest.mark.parametrize(
    ("language", "says"), [("es", "¿Qué quiere hacer?"), ("en", "What would you like"), ("pt", "O que você quer")]
)
async def test_she_reads_it_in_her_language_or_the_one_she_asks_for(page_town: Town, language: str, says: str) -> None:
    contact = me(locale=f"{language}-CO")
    url = await sent_link(page_town, contact)
    assert says in (await get(page_town, url))[1]
    assert f'<html lang="{language}">' in (await get(page_town, url))[1]
    assert '<html lang="en">' in (await get(page_town, f"{url}?lang=en"))[1]
    assert f'<html lang="{language}">' in (await get(page_town, f"{url}?lang=xx"))[1]


async def test_opening_it_changes_nothing_whoever_opens_it(page_town: Town) -> None:
    url = await sent_link(page_town)
    await asyncio.sleep(0.3)

    async def all_of_it() -> list[Any]:
        tables = ("contact_event", "message", "attempt", "trace", "crm_event", "link_closed", "hook_seen")
        return [await page_town.rows(f"SELECT count(*), max(xmin::text::bigint) FROM {table}") for table in tables]

    before = await all_of_it()
    for _ in range(3):
        assert (await get(page_town, url))[0] == 200
        assert (await get(page_town, f"{url}?do=stop_all&sure=yes&form=x"))[0] == 200
        async with page_town.session.head(url) as answer:
            assert answer.status == 200
    # A scanner that tries every address in the page by GET.
    html = (await get(page_town, url))[1]
    root = page_town.url
    for place in set(re.findall(r'(?:action|href|src)="([^"#]+)"', html)):
        await get(page_town, root + place if place.startswith("/") else f"{url}{place}")
    assert await all_of_it() == before


STATEMENTS = [
    ("stop_here", {}, "consent", {"state": "withdrawn", "instrument": "link"}),
    ("stop_all", {}, "consent", {"state": "withdrawn", "all": True, "instrument": "link"}),
    ("dispute", {"dispute_words": "No es mía"}, "status", {"is": "dispute"}),
    ("hardship", {"hardship_words": "Perdí el trabajo"}, "status", {"is": "hardship"}),
    ("call", {"when": "morning"}, "call_requested", {}),
    ("promise", {"on": "2026-12-01", "amount": "150.000"}, "promise", {"pays_on": "2026-12-01", "amount": "150000"}),
    ("hours", {"not_evening": "yes", "not_weekend": "yes"}, "inconvenient", {"from": "18:00:00"}),
    ("language", {"speaks": "pt"}, "language_preferred", {"locale": "pt"}),
]


@pytest.mark.parametrize(("do", "fields", "kind", "says"), STATEMENTS, ids=[row[0] for row in STATEMENTS])
async def test_each_tap_is_one_statement_with_its_evidence(
    page_town: Town, do: str, fields: dict[str, str], kind: str, says: dict[str, Any]
) -> None:
    url = await sent_link(page_town)
    before = await said_by_page(page_town)
    assert before == 0
    status, html, headers = await say(page_town, url, do, **fields)
    assert (status, headers.get("Location")) == (303, f"{urlsplit(url).path}?done={do}"), html
    found = [
        row for row in await happened(page_town, kind) if row["external_id"] and row["external_id"].startswith("page/")
    ]
    assert found
    assert any(says.items() <= json.loads(row["detail"] or "{}").items() for row in found)
    evidence = json.loads(found[0]["evidence"])
    assert evidence["instrument"] == "link"
    assert re.fullmatch(r"[0-9a-f]{16}", evidence["page"])
    assert found[0]["words"] == next(iter(v for k, v in fields.items() if k.endswith("_words")), None)
    shown = (await get(page_town, page_town.url + headers["Location"]))[1]
    assert 'class="done"' in shown


async def test_a_stop_here_blocks_what_waits_for_that_address_and_nothing_else(page_town: Town) -> None:
    url = await sent_link(page_town)
    waits = await page_town.send(message(Me.id, send_at="2026-11-24T15:00:00-05:00", debts=["d1"]))
    assert waits["status"] == "deferred"
    assert (await say(page_town, url, "stop_here"))[0] == 303
    blocked = await page_town.until(waits["id"], "blocked", seconds=1.0)
    assert "CO-CHAN-2" in [reason["rule"] for reason in blocked["decision"]["reasons"]]
    assert (await page_town.send(message(Me.id, debts=["d1"])))["status"] == "blocked"


async def test_whoever_shares_the_address_is_stopped_too(page_town: Town) -> None:
    waits = await page_town.send(message(person(f"beto-{Me.n}", Me.number), send_at="2026-11-26T15:00:00-05:00"))
    carla, _ = other()
    apart = await page_town.send(message({**carla, "id": f"carla-{Me.n}"}, send_at="2026-11-26T15:00:00-05:00"))
    url = await sent_link(page_town)
    await say(page_town, url, "stop_all")
    # No dispatcher comes by before Thursday: the commit of her word is the one that blocked it.
    commits = await page_town.rows(
        "SELECT DISTINCT xmin::text AS xid FROM message WHERE id = $1 AND status = 'blocked' "
        "UNION ALL SELECT DISTINCT xmin::text FROM contact_event WHERE contact = $2 AND detail ->> 'state' = 'withdrawn'",
        parsed("msg", waits["id"]),
        Me.id,
    )
    assert len(commits) == 2
    assert commits[0] == commits[1]
    assert (await page_town.get(apart["id"]))["status"] == "deferred"
    assert (await page_town.send(message(f"beto-{Me.n}", debts=["d1"])))["status"] == "blocked"


async def test_not_me_closes_every_link_that_went_there_and_shows_nothing_more(page_town: Town) -> None:
    url = await sent_link(page_town)
    status, html, _ = await say(page_town, url, "not_me")
    assert status == 200
    assert "su cuota" not in html
    assert "C1" not in html
    gone = await get(page_town, url)
    unknown = await get(page_town, f"{page_town.url}/p/{'A' * 22}")
    assert gone[0] == unknown[0] == 404
    assert gone[1] == unknown[1]
    assert [row["detail"] for row in await happened(page_town, "status")] == ['{"is": "wrong_party", "ended": false}']
    answered = await page_town.send(message(Me.id, debts=["d1"]))
    assert answered["status"] == "blocked"
    assert await events_told(page_town, "contact.flagged") == ["wrong_person"]


async def events_told(found: Town, kind: str) -> list[str]:
    rows = await found.rows(
        "SELECT body::text AS body FROM crm_event WHERE type = $1 AND contact = $2 ORDER BY seq", kind, Me.id
    )
    return [json.loads(row["body"]).get("reason") for row in rows]


async def test_links_that_do_not_open_look_all_the_same(page_town: Town) -> None:
    url = await sent_link(page_town)
    token = url[-22:]
    twin = token[:-1] + ("A" if token[-1] != "A" else "Q")
    pages = {
        name: await get(page_town, f"{page_town.url}/p/{t}")
        for name, t in {
            "unknown": "B" * 22,
            "a bit off": token[:3] + ("x" if token[3] != "x" else "y") + token[4:],
            "twin": twin,
            "short": "abc",
            "long": "a" * 500,
            "odd": "%00%ff%27%22",
        }.items()
    }
    await page_town.rows("UPDATE attempt SET begun_at = begun_at - interval '31 days' WHERE contact = $1", Me.id)
    pages["expired"] = await get(page_town, url)
    assert {answer[0] for answer in pages.values()} == {404}
    assert len({answer[1] for answer in pages.values()}) == 1
    assert (await say_blind(page_town, url, "stop_all"))[0] == 404
    assert await said_by_page(page_town) == 0


async def say_blind(found: Town, url: str, do: str) -> tuple[int, str, dict[str, str]]:
    return await post(found, url, {"form": "x", "do": do}, **TAP)


async def test_a_program_that_submits_forms_is_asked_and_says_nothing(page_town: Town) -> None:
    url = await sent_link(page_town)
    html = (await get(page_town, url))[1]
    for do in ("stop_all", "not_me", "dispute"):
        status, asked, _ = await post(page_town, url, {"form": form_of(html), "do": do})
        assert status == 200
        assert 'name="sure" value="yes"' in asked
    # Submitted again without a button, as programs do.
    fields = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', asked))
    assert (await post(page_town, url, fields))[0] == 200
    assert (await post(page_town, url, {**fields, "sure": "no"}))[0] == 303
    assert await said_by_page(page_town) == 0
    # A browser that says nothing about taps: the button of the second page is the person's word.
    assert (await post(page_town, url, {**fields, "sure": "yes"}))[0] == 303
    assert [row["detail"] for row in await happened(page_town, "status")] == ['{"is": "dispute", "ended": false}']


async def test_the_same_tap_twice_is_one_statement(page_town: Town) -> None:
    url = await sent_link(page_town)
    fields = {"form": form_of((await get(page_town, url))[1]), "do": "stop_here"}
    answers = await asyncio.gather(*(post(page_town, url, fields, **TAP) for _ in range(8)))
    assert {answer[0] for answer in answers} == {303}
    assert await said_by_page(page_town) == 1
    assert (
        len(await page_town.rows("SELECT 1 FROM crm_event WHERE type = 'consent.changed' AND contact = $1", Me.id)) == 1
    )


BAD = [
    ({"do": "promise", "on": "2020-01-01"}, "on"),
    ({"do": "promise", "on": "mañana"}, "on"),
    ({"do": "promise", "on": "2026-12-01", "amount": "-3"}, "amount"),
    ({"do": "promise", "on": "2026-12-01", "amount": "1e400"}, "amount"),
    ({"do": "promise", "on": "9999-12-31"}, "on"),
    ({"do": "call", "when": "night"}, "when"),
    ({"do": "channel", "way": "somebody-elses"}, "way"),
    ({"do": "hours"}, "hours"),
    ({"do": "language", "speaks": "de"}, "speaks"),
    ({"do": "answer", "text": "   "}, "text"),
    ({"do": "answer", "text": "x" * 2001}, "text"),
    ({"do": "dispute", "dispute_words": "x" * 2001}, "dispute_words"),
    ({"do": "grant_everything"}, "do"),
    ({}, "do"),
]


async def test_what_is_wrong_in_a_form_is_named_beside_its_field(page_town: Town) -> None:
    url = await sent_link(page_town)
    form = form_of((await get(page_town, url))[1])
    for fields, name in BAD:
        status, html, _ = await post(page_town, url, {"form": form, **fields}, **TAP)
        assert status == 422, (fields, status)
        assert 'role="alert"' in html, fields
        if name in ("on", "amount", "text", "dispute_words"):
            assert f'href="#{name}"' in html, fields
            assert f'id="flaw-{name}"' in html, fields
    assert await said_by_page(page_town) == 0


async def test_a_form_of_another_link_or_of_nobody_is_not_taken(page_town: Town) -> None:
    url = await sent_link(page_town)
    another = await sent_link(page_town, *other())
    theirs = form_of((await get(page_town, another))[1])
    ours = form_of((await get(page_town, url))[1])
    for form in (theirs, "", "x", ours[:-2] + ("yy" if ours.endswith("zz") else "zz"), ours + "A", "é" * 20):
        status, html, _ = await post(page_town, url, {"form": form, "do": "stop_all"}, **TAP)
        assert status == 422, form
        assert "alert" in html
    assert await said_by_page(page_town) == 0


async def test_bodies_that_are_no_forms_are_refused(page_town: Town) -> None:
    url = await sent_link(page_town)
    form = form_of((await get(page_town, url))[1])
    bodies: list[tuple[Any, dict[str, str]]] = [
        (b"{}", {"Content-Type": "application/json"}),
        (f"form={form}&do=stop_all&do=stop_here".encode(), {"Content-Type": "application/x-www-form-urlencoded"}),
        (b"form=%ff&do=stop_all", {"Content-Type": "application/x-www-form-urlencoded"}),
        (b"&".join(b"a%d=1" % n for n in range(300)), {"Content-Type": "application/x-www-form-urlencoded"}),
        (b"text=" + b"x" * 70_000, {"Content-Type": "application/x-www-form-urlencoded"}),
    ]
    for body, headers in bodies:
        async with page_town.session.post(f"{url}/do", data=body, headers={**headers, **TAP}) as answer:
            assert answer.status == 422, body[:40]
    assert await said_by_page(page_town) == 0


async def test_an_answer_is_a_reply_of_hers_and_of_nobody_else(page_town: Town) -> None:
    url = await sent_link(page_town)
    assert (await say(page_town, url, "answer", text="¿Puedo pagar en dos partes?"))[0] == 303
    (reply,) = await happened(page_town, "reply")
    assert (reply["words"], reply["channel"]) == ("¿Puedo pagar en dos partes?", "web")
    (told,) = await page_town.rows(
        "SELECT body::text AS body FROM crm_event WHERE type = 'reply.received' AND contact = $1", Me.id
    )
    assert '"channel":"web"' in told["body"]


async def test_a_stop_in_the_answer_box_stops_where_the_link_came_from(page_town: Town) -> None:
    url = await sent_link(page_town)
    assert (await say(page_town, url, "answer", text="BAJA"))[0] == 303
    assert (await page_town.send(message(Me.id, debts=["d1"])))["status"] == "blocked"


async def test_nothing_is_allowed_again_by_a_link_alone(page_town: Town) -> None:
    url = await sent_link(page_town)
    await say(page_town, url, "stop_here")
    await say(page_town, url, "answer", text="START")
    await say(page_town, url, "answer", text="ALTA, quiero recibir mensajes")
    states = [row["detail"] for row in await happened(page_town, "consent")]
    assert sum('"granted"' in state for state in states) == 1  # the CRM's own, from before
    assert (await page_town.send(message(Me.id, debts=["d1"])))["status"] == "blocked"


async def test_a_shared_address_is_shown_its_message_and_no_more(page_town: Town) -> None:
    contact = me()
    contact["addresses"][0]["kind"] = "shared"
    status, html, _ = await get(page_town, await sent_link(page_town, contact))
    assert status == 200
    assert "Para proteger su privacidad" in html
    assert 'id="h-inbox"' not in html
    assert "page.js" not in html


async def test_hostile_words_stay_words(page_town: Town) -> None:
    text = 'Pague <script>alert(1)</script><img src=x onerror=alert(2)> "\u202egnp.exe {{7*7}} {% raise %} {{link}} &amp; BAJA'
    answered = await page_town.send(message(me(), content={"text": text}))
    await page_town.until(answered["id"], "sent", "delivered")
    html = (await get(page_town, await link_of(page_town)))[1]
    assert "<script>alert" not in html
    assert "<img" not in html
    assert "\u202e" not in html
    assert "{{7*7}} {% raise %}" in html
    assert "&amp;amp; BAJA" in html


async def _opened(page_town: Town, url: str) -> int:
    return (await get(page_town, url))[0]


async def test_one_link_is_opened_and_answered_only_so_often(page_town: Town) -> None:
    url = await sent_link(page_town)
    # On a slow machine the minute goes by meanwhile, and what it allows comes back: asked until it says no.
    answers = [(await get(page_town, url))[0]]
    while answers[-1] == 200 and len(answers) < 1_000:
        answers += await asyncio.gather(*(_opened(page_town, url) for _ in range(20)))
    assert answers[0] == 200
    assert len(answers) > 60
    assert answers[-1] == 429
    another = await sent_link(page_town, *other())
    assert (await get(page_town, another))[0] == 200


async def test_no_token_stands_in_any_log(
    page_town: Town, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    url = await sent_link(page_town)
    await say(page_town, url, "promise", on="x")
    await say(page_town, url, "stop_all")
    token = url[-22:]
    out, err = capfd.readouterr()
    assert token not in caplog.text + out + err
    status, metrics, _ = await get(page_town, f"{page_town.url}/metrics")
    assert status == 200
    assert token not in metrics
    assert "/p/{token}" in metrics


async def test_the_contacts_there_were_stand_on_it(page_town: Town) -> None:
    url = await sent_link(page_town)
    event = {"type": "contact", "at": "2026-11-23T10:00:00-05:00", "channel": "call_live", "outcome": "conversation"}
    status, answered, _ = await page_town.call("POST", f"/v1/contacts/{Me.id}/events", event)
    assert status == 200, answered
    html = (await get(page_town, url))[1]
    assert "Llamada · teléfono · hablaron" in html
    assert "Mensaje · SMS" in html


async def test_the_trace_holds_after_all_of_it(page_town: Town) -> None:
    assert isinstance(verify(await export(page_town)), Holds)
