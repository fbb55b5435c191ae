"""Providers' hooks over real HTTP: what is answered, when, and what is kept."""

import asyncio
import gzip
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from aiohttp import ClientSession, web
from twilio.request_validator import RequestValidator

from adapters.kit.port import Hook
from adapters.kit.signing import inbound_url, status_url
from adapters.sms_http import SPEC as HTTP
from adapters.sms_twilio import SPEC
from tests.adapters import sms_http_demands as described
from tests.adapters.sms_twilio_demands import SID, hook, inbound_form, status_form, table
from vocabulary.outcome import Receipt, Reply
from webhooks import intake
from webhooks.intake import BODY_BYTES_MAX, routes
from webhooks.port import Ending, InboxAwayError

SECRET = b"secret that marks attempts"
ATTEMPT = UUID(int=9)
PUBLIC = "https://tregua.example/base"


@dataclass
class Remembering:
    """An inbox that keeps what it is given, and can be slow or away."""

    put_in: list[tuple[str, tuple[Receipt | Reply, ...], bytes]] = field(default_factory=list)
    unreadable: list[tuple[str, str, bytes]] = field(default_factory=list)
    away: bool = False
    broken: bool = False
    gate: asyncio.Event | None = None

    async def put(self, provider: str, received: Sequence[Receipt | Reply], raw: bytes, /) -> None:
        if self.away:
            raise InboxAwayError
        if self.broken:
            raise RuntimeError("a bug of ours")
        if self.gate is not None:
            await self.gate.wait()
        self.put_in.append((provider, tuple(received), raw))

    async def keep_unreadable(self, provider: str, kind: str, raw: bytes, /) -> None:
        if self.away:
            raise InboxAwayError
        self.unreadable.append((provider, kind, raw))


@dataclass
class Counting:
    counted: list[tuple[str, Ending]] = field(default_factory=list)

    def count(self, provider: str, ending: Ending, /) -> None:
        self.counted.append((provider, ending))


@dataclass
class House:
    inbox: Remembering
    counter: Counting
    client: ClientSession
    port: int

    @property
    def empty(self) -> bool:
        return not self.inbox.put_in and not self.inbox.unreadable

    async def call(self, hook: Hook, **more: str) -> tuple[int, str, str]:
        """Call as the provider does, but at the loopback port behind which the public address stands."""
        parts = urlsplit(hook.url)
        target = f"http://127.0.0.1:{self.port}{parts.path}" + (f"?{parts.query}" if parts.query else "")
        async with self.client.post(target, data=hook.body, headers={**hook.headers, **more}) as answer:
            return answer.status, await answer.text(), answer.content_type

    async def raw(self, text: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(text)
        await writer.drain()
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        return answer


@pytest.fixture
async def house() -> AsyncIterator[House]:
    adapter = SPEC.build("twilio-main", table("http://127.0.0.1:1"), SECRET)
    inbox, counter = Remembering(), Counting()
    app = web.Application()
    # Behind a proxy that takes the path of the public address away, as this test does not: so it is mounted there.
    inner = web.Application()
    inner.add_routes(routes({"twilio-main": adapter}, inbox, "https://tregua.example", counter))
    app.add_subapp("/base", inner)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    async with ClientSession() as client:
        yield House(inbox, counter, client, port)
    await runner.cleanup()
    await adapter.close()


def status_hook(word: str = "delivered") -> Hook:
    return hook("status", status_url(PUBLIC, "twilio-main", SECRET, ATTEMPT), status_form(word))


def inbound_hook(text: str = "BAJA") -> Hook:
    return hook("inbound", inbound_url(PUBLIC, "twilio-main"), inbound_form(text))


async def test_a_receipt_is_put_in_and_answered(house: House):
    genuine = status_hook()
    assert await house.call(genuine) == (200, '<?xml version="1.0" encoding="UTF-8"?><Response/>', "text/xml")
    ((provider, received, raw),) = house.inbox.put_in
    assert (provider, raw) == ("twilio-main", genuine.body)
    assert [(one.key, one.attempt) for one in received] == [(f"{SID}:delivered", ATTEMPT)]
    assert house.counter.counted == [("twilio-main", Ending.KEPT)]


async def test_a_reply_is_put_in_and_answered_with_nothing_to_say(house: House):
    assert (await house.call(inbound_hook("no más 😀")))[:2] == (200, intake.NOTHING_TO_SAY.decode())
    ((_, (reply,), _),) = house.inbox.put_in
    assert reply.text == "no más 😀"


async def test_no_answer_before_the_commit(house: House):
    house.inbox.gate = asyncio.Event()
    calling = asyncio.create_task(house.call(inbound_hook()))
    await asyncio.sleep(0.1)
    assert not calling.done()
    house.inbox.gate.set()
    assert (await calling)[0] == 200


async def test_a_provider_that_leaves_early_does_not_undo_what_it_told(house: House):
    house.inbox.gate = asyncio.Event()
    calling = asyncio.create_task(house.call(inbound_hook()))
    await asyncio.sleep(0.1)
    calling.cancel()
    await asyncio.gather(calling, return_exceptions=True)
    house.inbox.gate.set()
    await asyncio.sleep(0.05)
    assert len(house.inbox.put_in) == 1


@pytest.mark.parametrize("flaw", ["body", "query", "signature", "no signature", "token", "path"])
async def test_forged_is_refused_and_nothing_is_kept(house: House, flaw: str):
    genuine = status_hook()
    headers = dict(genuine.headers)
    url, body = genuine.url, genuine.body
    match flaw:
        case "body":
            body = body.replace(b"delivered", b"read")
        case "query":
            url = url.replace("a=0", "a=1")
        case "signature":
            was = headers["X-Twilio-Signature"]
            headers["X-Twilio-Signature"] = ("B" if was.startswith("A") else "A") + was[1:]
        case "no signature":
            del headers["X-Twilio-Signature"]
        case "token":
            headers["X-Twilio-Signature"] = RequestValidator("x").compute_signature(url, status_form("delivered"))
        case "path":
            url = url.replace("/status", "/inbound")
    assert (await house.call(Hook(method="POST", url=url, kind="status", headers=headers, body=body)))[0] == 403
    assert house.empty
    assert house.counter.counted == [("twilio-main", Ending.FORGED)]


async def test_neither_host_nor_forwarded_headers_choose_what_was_signed(house: House):
    """Genuine whatever they say; and what was signed for another host stays forged, whatever they say."""
    others = {
        "Host": "evil.example",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "http",
        "Forwarded": "host=evil.example;proto=http",
    }
    assert (await house.call(inbound_hook(), **others))[0] == 200
    elsewhere = hook("inbound", "https://evil.example/base/hooks/twilio-main/inbound", inbound_form("BAJA"))
    assert (await house.call(elsewhere, **others))[0] == 403
    assert len(house.inbox.put_in) == 1


async def test_a_whole_address_in_the_request_line_chooses_nothing(house: House):
    genuine = inbound_hook()
    lines = [f"POST {genuine.url} HTTP/1.1", "Host: x", "Connection: close", f"Content-Length: {len(genuine.body)}"]
    lines += [f"{name}: {value}" for name, value in genuine.headers.items()]
    answer = await house.raw("\r\n".join([*lines, "", ""]).encode() + genuine.body)
    assert answer.split(b" ", 2)[1] in (b"400", b"404")
    assert house.empty


async def test_genuine_but_unreadable_is_kept_raw_and_answered(house: House):
    odd = hook("status", status_url(PUBLIC, "twilio-main", SECRET, ATTEMPT), status_form("sent", MessageSid="x"))
    assert (await house.call(odd))[0] == 200
    assert house.inbox.unreadable == [("twilio-main", "status", odd.body)]
    assert house.counter.counted == [("twilio-main", Ending.UNREADABLE)]


@pytest.mark.parametrize("readable", [True, False])
async def test_when_nothing_can_be_kept_the_provider_is_asked_to_call_again(house: House, readable: bool):
    house.inbox.away = True
    form = status_form("sent") if readable else status_form("sent", MessageSid="x")
    genuine = hook("status", status_url(PUBLIC, "twilio-main", SECRET, ATTEMPT), form)
    async with house.client.post(
        f"http://127.0.0.1:{house.port}{urlsplit(genuine.url).path}?{urlsplit(genuine.url).query}",
        data=genuine.body,
        headers=genuine.headers,
    ) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    assert house.counter.counted == [("twilio-main", Ending.AWAY)]
    house.inbox.away = False
    assert (await house.call(genuine))[0] == 200


async def test_a_bug_of_ours_is_no_200(house: House, caplog: pytest.LogCaptureFixture):
    house.inbox.broken = True
    with caplog.at_level(logging.CRITICAL, "aiohttp.server"):
        assert (await house.call(inbound_hook()))[0] == 500


async def test_who_is_not_configured_is_not_found(house: House):
    genuine = inbound_hook()
    for path in (
        "/base/hooks/other/inbound",
        "/base/hooks/twilio-main/other",
        "/base/hooks/twilio-main",
        "/base/hooks/",
    ):
        async with house.client.post(f"http://127.0.0.1:{house.port}{path}", data=genuine.body) as answer:
            assert answer.status in (404, 405)
    assert house.empty
    assert house.counter.counted == []


async def test_only_post(house: House):
    async with house.client.get(f"http://127.0.0.1:{house.port}/base/hooks/twilio-main/inbound") as answer:
        assert answer.status == 405


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "gzip, gzip", "x"])
async def test_a_compressed_body_is_refused_unread(house: House, encoding: str):
    bomb = gzip.compress(b"\0" * 10_000_000)
    head = f"POST /base/hooks/twilio-main/inbound HTTP/1.1\r\nHost: x\r\nContent-Encoding: {encoding}\r\n"
    answer = await house.raw(f"{head}Content-Length: {len(bomb)}\r\n\r\n".encode() + bomb)
    assert answer.split(b" ", 2)[1] in (b"415", b"400")
    assert house.empty


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_too_large_is_refused(house: House, chunked: bool):
    async def body() -> AsyncIterator[bytes]:
        for _ in range(BODY_BYTES_MAX // 4096 + 2):
            yield b"x" * 4096

    data = body() if chunked else b"x" * (BODY_BYTES_MAX + 1)
    async with house.client.post(f"http://127.0.0.1:{house.port}/base/hooks/twilio-main/inbound", data=data) as answer:
        assert answer.status == 413
    assert house.empty
    assert house.counter.counted == [("twilio-main", Ending.REFUSED)]


async def test_a_body_as_large_as_allowed_is_read(house: House):
    async with house.client.post(
        f"http://127.0.0.1:{house.port}/base/hooks/twilio-main/inbound", data=b"x" * BODY_BYTES_MAX
    ) as answer:
        assert answer.status == 403


async def test_a_body_that_never_ends_is_not_waited_for(house: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(intake, "BODY_SECONDS_MAX", 0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    writer.write(b"POST /base/hooks/twilio-main/inbound HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nBody=")
    assert (await asyncio.wait_for(reader.readline(), 3)).split(b" ")[1] == b"408"
    writer.close()
    assert house.empty


@pytest.mark.parametrize(
    "public", ["tregua.example", "ftp://x.example", "https://", "https://x.example/?a=1", "https://x.example/#a", ""]
)
def test_a_public_address_that_is_none_is_refused_at_start(public: str):
    with pytest.raises(ValueError, match="public address"):
        routes({}, Remembering(), public, Counting())


async def test_a_thousand_hooks_at_once_are_each_kept_once(house: House):
    words = ["queued", "sent", "delivered", "read"] * 250
    answers = await asyncio.gather(*(house.call(status_hook(word)) for word in words))
    assert {status for status, _, _ in answers} == {200}
    assert len(house.inbox.put_in) == 1000
    assert len({received[0].key for _, received, _ in house.inbox.put_in}) == 4


BROKEN = {
    "cut off": b"Content-Length: 100\r\n\r\nBody=",
    "cut off in chunks": b"Transfer-Encoding: chunked\r\n\r\n5\r\nBody=\r\n",
    "with a chunk that is none": b"Transfer-Encoding: chunked\r\n\r\nzz\r\nBody=\r\n",
    "with two lengths": b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "with a length that is none": b"Content-Length: -1\r\n\r\n",
}


@pytest.mark.parametrize("how", list(BROKEN))
async def test_a_broken_request_leaves_nothing(house: House, caplog: pytest.LogCaptureFixture, how: str):
    """And whoever hangs up in the middle is no error of ours to be woken for; what is not HTTP, the server notes itself."""
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    writer.write(b"POST /base/hooks/twilio-main/inbound HTTP/1.1\r\nHost: x\r\n" + BROKEN[how])
    await writer.drain()
    writer.write_eof()
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    await asyncio.sleep(0.05)
    assert answer == b"" or answer.split(b" ", 2)[1] == b"400"
    assert house.empty
    if how.startswith("cut off"):
        assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == []


# One address for both kinds, and where a call came from


@pytest.fixture
async def plain() -> AsyncIterator[House]:
    """Beside Twilio, one way that is authenticated by a signature and one by a secret and its address."""
    signed, shared = described.table("http://127.0.0.1:1"), described.table("http://127.0.0.1:1")
    where = {"secret_header": "X-Key", "networks": ["127.0.0.0/30"]}
    shared["hooks"] = {**shared["hooks"], **where}
    del shared["hooks"]["signature_header"], shared["hooks"]["prefix"]
    elsewhere = {**shared, "hooks": {**shared["hooks"], "networks": ["203.0.113.0/24"]}}
    ways = {
        "twilio-main": SPEC.build("twilio-main", table("http://127.0.0.1:1"), SECRET),
        "signed": HTTP.build("signed", signed, SECRET),
        "shared": HTTP.build("shared", shared, SECRET),
        "elsewhere": HTTP.build("elsewhere", elsewhere, SECRET),
    }
    inbox, counter = Remembering(), Counting()
    app = web.Application()
    kinds = {name: SPEC.hooks if name == "twilio-main" else HTTP.hooks for name in ways}
    inner = web.Application()
    inner.add_routes(routes(ways, inbox, "https://tregua.example", counter, kinds))
    app.add_subapp("/base", inner)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with ClientSession() as client:
        yield House(inbox, counter, client, runner.addresses[0][1])
    await runner.cleanup()
    for way in ways.values():
        await way.close()


def to(name: str, body: bytes, place: str = "", **headers: str) -> Hook:
    genuine = described.signed("any", f"{PUBLIC}/hooks/{name}{place}", body)
    return Hook(method="POST", url=genuine.url, kind="any", headers={**genuine.headers, **headers}, body=body)


@pytest.mark.parametrize(
    ("place", "body", "kind"),
    [
        ("", described.status_body("delivered"), Receipt),
        ("", described.inbound_body("BAJA"), Reply),
        ("/status", described.status_body("delivered"), Receipt),
        ("/inbound", described.inbound_body("BAJA"), Reply),
    ],
)
async def test_one_address_takes_both_kinds_and_each_has_its_own(plain: House, place: str, body: bytes, kind: type):
    """And answers with nothing: some gateways send the body of a 200 on to the person."""
    assert (await plain.call(to("signed", body, place)))[:2] == (200, "")
    ((provider, (received,), raw),) = plain.inbox.put_in
    assert (provider, raw) == ("signed", body)
    assert isinstance(received, kind)
    assert plain.counter.counted == [("signed", Ending.KEPT)]


async def test_at_one_address_too_forged_is_refused_and_unreadable_is_kept(plain: House):
    body = described.inbound_body("BAJA")
    assert (await plain.call(to("signed", body, **{"X-Signature": "sha256=" + "0" * 64})))[0] == 403
    assert plain.empty
    odd = b'{"event": "invoice"}'
    assert (await plain.call(to("signed", odd)))[0] == 200
    assert plain.inbox.unreadable == [("signed", "any", odd)]
    assert plain.counter.counted == [("signed", Ending.FORGED), ("signed", Ending.UNREADABLE)]


async def test_who_has_two_addresses_is_not_found_at_the_one(plain: House):
    assert (await plain.call(to("twilio-main", b"x")))[0] == 404
    async with plain.client.get(f"http://127.0.0.1:{plain.port}/base/hooks/signed") as answer:
        assert answer.status == 405
    assert plain.empty
    assert plain.counter.counted == []


CLAIMS = {"X-Forwarded-For": "203.0.113.7", "Forwarded": "for=203.0.113.7", "X-Real-IP": "203.0.113.7"}


async def test_where_a_call_came_from_is_the_sockets_other_end(plain: House):
    body, key = described.inbound_body("BAJA"), {"X-Key": described.HOOK_KEY}
    assert (await plain.call(to("shared", body, **key)))[0] == 200
    assert len(plain.inbox.put_in) == 1


async def test_what_a_header_says_of_where_it_came_from_lets_nobody_in_and_keeps_nobody_out(plain: House):
    body, key = described.inbound_body("BAJA"), {"X-Key": described.HOOK_KEY}
    assert (await plain.call(to("elsewhere", body, **key, **CLAIMS)))[0] == 403
    assert plain.empty
    assert (await plain.call(to("shared", body, **key, **CLAIMS)))[0] == 200
    assert plain.counter.counted == [("elsewhere", Ending.FORGED), ("shared", Ending.KEPT)]


async def test_the_right_place_without_the_secret_is_forged(plain: House):
    assert (await plain.call(to("shared", described.inbound_body("BAJA"))))[0] == 403
    assert plain.empty
