"""The transport says precisely whether bytes may have left: every way in which a call can fail, one by one."""

import asyncio
import socket
from typing import Any

import pytest
from aiohttp.helpers import calculate_timeout_when

from adapters.kit.testing import Babbles, Bench, HangsUp, NeverAnswers, Resets, Says, Step, refusing
from adapters.kit.transport import ANSWER_BYTES_MAX, Answered, Exchange, MayHaveLeft, NothingLeft, Transport


async def post(url: str, *, call_seconds: float = 0.3, **limits: Any) -> Exchange:
    transport = Transport(call_seconds=call_seconds, **limits)
    try:
        return await transport.exchange("POST", url, headers={"X-Canary": "canary"}, body=b"Body=canary")
    finally:
        await transport.close()


async def test_an_answer_comes_back_whole():
    async with Bench() as bench:
        bench.script(Says(status=418, body=b"tea", headers={"Retry-After": "3"}))
        answered = await post(f"{bench.base_url}/pot?x=%2B1&y=a+b")
        assert isinstance(answered, Answered)
        assert (answered.status, answered.body, answered.headers["retry-after"]) == (418, b"tea", "3")
        (seen,) = bench.seen
        assert (seen.method, seen.target, seen.body) == ("POST", "/pot?x=%2B1&y=a+b", b"Body=canary")


@pytest.mark.parametrize("step", [NeverAnswers(), HangsUp(), Resets(), Babbles()], ids=lambda step: type(step).__name__)
async def test_after_the_request_was_written_bytes_may_have_left(step: Step):
    async with Bench() as bench:
        bench.script(step)
        assert isinstance(await post(bench.base_url), MayHaveLeft)
        assert len(bench.seen) == 1


async def test_a_refused_connection_lets_nothing_leave():
    with refusing() as nobody:
        assert isinstance(await post(nobody), NothingLeft)


async def test_a_name_that_does_not_resolve_lets_nothing_leave(monkeypatch: pytest.MonkeyPatch):
    async def nobody(*_: object, **__: object) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", nobody)
    assert await post("https://nobody.invalid/") == NothingLeft(reason="ClientConnectorDNSError")


async def test_tls_that_fails_lets_nothing_leave():
    """The other side gets our hello and never the request."""
    got = bytearray()

    async def speaks_no_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.extend(await reader.read(65536))
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(speaks_no_tls, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    assert isinstance(await post(f"https://127.0.0.1:{port}/"), NothingLeft)
    server.close()
    assert got
    assert b"canary" not in got


async def test_a_tls_handshake_that_hangs_lets_nothing_leave():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        assert isinstance(await post(f"https://127.0.0.1:{port}/", connect_seconds=0.2), NothingLeft)


async def test_the_wait_for_a_free_connection_lets_nothing_leave():
    async with Bench() as bench:
        bench.script(Says(status=200, after_seconds=0.5))
        transport = Transport(call_seconds=2, connect_seconds=0.1, connections_max=1)
        first = asyncio.create_task(transport.exchange("POST", bench.base_url, headers={}, body=b"1"))
        while not bench.seen:
            await asyncio.sleep(0.01)
        assert isinstance(await transport.exchange("POST", bench.base_url, headers={}, body=b"2"), NothingLeft)
        assert isinstance(await first, Answered)
        assert [seen.body for seen in bench.seen] == [b"1"]
        await transport.close()


async def test_a_connection_that_ends_before_the_request_is_read_may_still_have_taken_it():
    """Nobody can tell from here whether the other side read what was written: so it counts."""

    async def leaves(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(leaves, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    assert isinstance(await post(f"http://127.0.0.1:{port}/"), MayHaveLeft)
    server.close()


def test_the_limit_of_a_call_is_not_rounded_up():
    """aiohttp rounds time-outs above five seconds up to a whole second of its clock, unless told otherwise."""
    limit = Transport(call_seconds=20.0)._timeout
    assert limit.total is not None
    assert calculate_timeout_when(1000.25, limit.total, limit.ceil_threshold) == 1020.25


BROKEN = {
    "broken off": Says(status=201, body=b"{}", promised_bytes=20),
    "never ended": Says(status=201, body=b"{", promised_bytes=20, then_silent=True),
    "too long": Says(status=201, body=b" " * (ANSWER_BYTES_MAX + 1)),
    "compressed": Says(status=201, body=b"\x1f\x8b", headers={"Content-Encoding": "gzip"}),
}


@pytest.mark.parametrize("flaw", list(BROKEN))
async def test_a_body_that_is_no_use_does_not_hide_the_status(flaw: str):
    async with Bench() as bench:
        bench.script(BROKEN[flaw])
        answered = await post(bench.base_url)
        assert isinstance(answered, Answered)
        assert (answered.status, answered.body) == (201, None)


async def test_it_goes_nowhere_else(monkeypatch: pytest.MonkeyPatch):
    """No redirect is followed, no proxy of the environment is asked, and no cookie is kept."""
    async with Bench() as bench:
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        bench.script(
            Says(status=307, headers={"Location": f"{bench.base_url}/elsewhere", "Set-Cookie": "a=b"}), Says(status=200)
        )
        transport = Transport(call_seconds=1)
        for status in (307, 200):
            answered = await transport.exchange("POST", f"{bench.base_url}/here", headers={}, body=b"x")
            assert isinstance(answered, Answered)
            assert answered.status == status
        assert [seen.target for seen in bench.seen] == ["/here", "/here"]
        assert "cookie" not in bench.seen[1].headers
        assert bench.seen[1].headers["accept-encoding"] == "identity"
        await transport.close()


async def test_connections_are_kept():
    async with Bench() as bench:
        bench.script(*[Says(status=200)] * 3)
        transport = Transport(call_seconds=1)
        for _ in range(3):
            await transport.exchange("POST", bench.base_url, headers={}, body=b"x")
        # The bench has one task a connection.
        assert len(bench._connections) == 1
        await transport.close()


@pytest.mark.parametrize("method", ["GET", "PUT", "POST"])
@pytest.mark.parametrize("step", [HangsUp(), Resets()], ids=lambda step: type(step).__name__)
@pytest.mark.parametrize("kept", [False, True])
async def test_what_is_made_once_is_made_once_by_any_method(method: str, step: Step, kept: bool):
    transport = Transport(call_seconds=2)
    async with Bench() as bench:
        if kept:
            bench.script(Says(status=200))
            assert isinstance(await transport.exchange(method, bench.base_url, headers={}, once=True), Answered)
        bench.script(step)
        assert isinstance(await transport.exchange(method, bench.base_url, headers={}, once=True), MayHaveLeft)
        await asyncio.sleep(0.05)
        assert len(bench.seen) == 1 + kept
    await transport.close()


async def test_what_is_made_once_and_never_leaves_lets_nothing_leave():
    with refusing() as nobody:
        transport = Transport(call_seconds=2)
        assert isinstance(await transport.exchange("GET", nobody, headers={}, once=True), NothingLeft)
        await transport.close()
