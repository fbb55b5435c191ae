"""What people send along: fetched from the provider alone, after the hook, sniffed, kept for one tenant, and never shown by us."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from aiohttp import encode_basic_auth, web
from twilio.request_validator import RequestValidator

from adapters.kit.signing import inbound_url
from adapters.kit.transport import Transport
from adapters.sms_twilio import TwilioSms, settings
from gateway.listening import free_port
from gateway.media.replies import ReplyMedia
from tests.gateway.town import ANA, NUMBER, PROVIDER, Town, message, town

ACCOUNT, TOKEN = "AC" + "0" * 32, "token-of-the-test-account"
PHOTO = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 40


class Kept:
    """Twilio's storage of media, and who asked for what."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.fails = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        self.asked.append(name)
        if request.headers.get("Authorization") != encode_basic_auth(ACCOUNT, TOKEN):
            return web.Response(status=401)
        if self.fails:
            self.fails -= 1
            return web.Response(status=503)
        match name:
            case "photo":
                # Says that it is a page; what it is, is read off its bytes.
                return web.Response(body=PHOTO, content_type="text/html")
            case "page":
                return web.Response(body=b"<script>alert(1)</script>", content_type="image/jpeg")
            case "moved":
                return web.Response(status=307, headers={"Location": str(request.url.with_name("photo"))})
            case "elsewhere":
                return web.Response(
                    status=307, headers={"Location": f"http://127.0.0.1:{request.query['port']}/secret"}
                )
            case "circle":
                return web.Response(status=302, headers={"Location": "circle"})
            case "endless":
                response = web.StreamResponse()
                await response.prepare(request)
                for _ in range(400):
                    await response.write(bytes(64 * 1024))
                return response
            case _:
                return web.Response(status=404)


@pytest.fixture
async def kept() -> AsyncIterator[tuple[Kept, str]]:
    found = Kept()
    app = web.Application()
    app.router.add_get("/2010-04-01/Media/{name}", found.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port := free_port()).start()
    yield found, f"http://127.0.0.1:{port}"
    await runner.cleanup()


@pytest.fixture
async def mms(own_url: str, redis_url: str, tmp_path: Path, kept: tuple[Kept, str]) -> AsyncIterator[Town]:
    """A town whose Twilio keeps media, and whose debtor has been written to."""
    async with town(own_url, redis_url, tmp_path) as found:
        table = {"account_sid": ACCOUNT, "auth_token": TOKEN, "from": NUMBER, "base_url": kept[1]}
        adapter = TwilioSms(PROVIDER, settings(PROVIDER, table), found.house.mark_secret, Transport())
        found.house.adapters[PROVIDER] = adapter  # type: ignore[index]
        await found.send(message())
        yield found
        await adapter.close()


async def written(found: Town, number: int, *media: str) -> None:
    """She sends a message with something in it; the hook is Twilio's, signed."""
    url = inbound_url(found.url, PROVIDER)
    form = {"AccountSid": ACCOUNT, "Body": "mire", "From": ANA, "To": NUMBER, "MessageSid": f"MM{number:032x}"}
    form |= {"NumMedia": str(len(media))} | {f"MediaUrl{index}": address for index, address in enumerate(media)}
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Twilio-Signature": RequestValidator(TOKEN).compute_signature(url, form),
    }
    async with found.session.post(url, data=urlencode(form), headers=headers) as answer:
        assert answer.status == 200


def fetcher(found: Town) -> ReplyMedia:
    return ReplyMedia(database=found.house.database, clock=found.house.clock, adapters=found.house.adapters)


async def states(found: Town) -> list[tuple[str, str | None]]:
    rows = await found.rows("SELECT state, type FROM media ORDER BY source NULLS FIRST, id")
    return [(row["state"], row["type"]) for row in rows]


async def test_a_photograph_is_kept_named_and_handed_out_to_be_saved(mms: Town, kept: tuple[Kept, str]) -> None:
    await written(mms, 1, f"{kept[1]}/2010-04-01/Media/photo")
    assert kept[0].asked == []
    (event,) = await mms.rows("SELECT body FROM crm_event WHERE type = 'reply.received'")
    assert await fetcher(mms).fetch_due() == 1
    assert await fetcher(mms).fetch_due() == 0
    assert (await states(mms), kept[0].asked) == ([("kept", "image/jpeg")], ["photo"])
    (row,) = await mms.rows("SELECT id, source FROM media")
    assert row["source"] is None
    name = f"med_{row['id'].hex}"
    assert name in event["body"]
    _, told, _ = await mms.call("GET", "/v1/contacts/ana/timeline")
    (reply,) = [item for item in told["items"] if item["type"] == "reply"]
    assert reply["data"]["media"] == [name]
    async with mms.session.get(f"{mms.url}/v1/media/{name}", headers={"Authorization": f"Bearer {mms.key}"}) as answer:
        assert (await answer.read(), answer.content_type) == (PHOTO, "image/jpeg")
        assert answer.headers["Content-Disposition"].startswith("attachment")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in answer.headers["Content-Security-Policy"]


async def test_a_page_that_says_it_is_a_picture_is_kept_as_bytes(mms: Town, kept: tuple[Kept, str]) -> None:
    await written(mms, 1, f"{kept[1]}/2010-04-01/Media/page")
    await fetcher(mms).fetch_due()
    assert await states(mms) == [("kept", "application/octet-stream")]


async def test_a_repeated_hook_and_two_workers_fetch_once(mms: Town, kept: tuple[Kept, str]) -> None:
    for _ in range(2):
        await written(mms, 1, f"{kept[1]}/2010-04-01/Media/moved")
    await asyncio.gather(*(fetcher(mms).fetch_due() for _ in range(4)))
    assert (await states(mms), kept[0].asked) == ([("kept", "image/jpeg")], ["moved", "photo"])


async def test_nothing_but_the_provider_is_asked_and_no_more_than_is_wanted(mms: Town, kept: tuple[Kept, str]) -> None:
    asked: list[str] = []

    async def secret(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        return web.Response(body=PHOTO)

    inside = web.Application()
    inside.router.add_get("/{name}", secret)
    runner = web.AppRunner(inside, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port := free_port()).start()
    base = f"{kept[1]}/2010-04-01/Media"
    wrong = [
        f"http://127.0.0.1:{port}/secret",
        f"http://localhost:{port}/secret",
        f"{base}/elsewhere?port={port}",
        f"{base}/endless",
        f"{base}/circle",
        "http://169.254.169.254/latest/meta-data/",
        f"http://api.twilio.com@127.0.0.1:{port}/secret",
        "file:///etc/passwd",
        "nothing",
    ]
    await written(mms, 1, *wrong)
    await fetcher(mms).fetch_due()
    assert asked == []
    assert {state for state, _ in await states(mms)} == {"wanted"}
    for _ in range(4):
        await mms.rows("UPDATE media SET next_at = clock_timestamp() - interval '1 second' WHERE state = 'wanted'")
        await fetcher(mms).fetch_due()
    assert {state for state, _ in await states(mms)} == {"gone"}
    assert asked == []
    await runner.cleanup()


async def test_a_provider_that_is_away_is_asked_again_later(mms: Town, kept: tuple[Kept, str]) -> None:
    kept[0].fails = 1
    await written(mms, 1, f"{kept[1]}/2010-04-01/Media/photo")
    await fetcher(mms).fetch_due()
    assert await fetcher(mms).fetch_due() == 0
    await mms.rows("UPDATE media SET next_at = clock_timestamp() WHERE state = 'wanted'")
    await fetcher(mms).fetch_due()
    assert await states(mms) == [("kept", "image/jpeg")]


async def test_another_tenant_finds_nothing(mms: Town, kept: tuple[Kept, str]) -> None:
    await written(mms, 1, f"{kept[1]}/2010-04-01/Media/photo")
    await fetcher(mms).fetch_due()
    (row,) = await mms.rows("SELECT id, clock_timestamp() AS real FROM media")
    await mms.rows("UPDATE media SET tenant = 'another'")
    status, _, _ = await mms.call("GET", f"/v1/media/med_{row['id'].hex}")
    assert status == 404
    # No link opens what a person sent, signed or not.
    async with mms.session.get(mms.house.media_links.url(row["id"], row["real"])) as answer:
        assert answer.status == 404
