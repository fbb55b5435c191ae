"""The transport says precisely whether bytes may have left: every way in which a call can fail, one by one."""

import asyncio
import contextlib
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


async def speaking(*answers: bytes) -> tuple[str, list[bytes], asyncio.Server]:
    """Somebody who says just these bytes to whoever asks, one after the other on one connection, and then hangs up."""
    heard: list[bytes] = []

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(asyncio.IncompleteReadError):
            for answer in answers:
                heard.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(answer)

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/way", heard, server


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 200, b"{}"),
        (b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\nx", 201, b"x"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", 200, b"until the end"),
        (b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\nHTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n", 201, b""),
    ],
    ids=["chunked", "hints first", "no content", "until the end", "two answers to one question"],
)
async def test_answers_are_read_as_they_are_framed(answer: bytes, status: int, body: bytes | None):
    url, _, server = await speaking(answer)
    answered = await post(url)
    assert isinstance(answered, Answered)
    assert (answered.status, answered.body) == (status, body)
    server.close()


async def test_an_answer_that_nobody_asked_for_is_not_taken_for_the_next_one():
    first = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\nHTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n"
    url, _, server = await speaking(first, b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
    transport = Transport(call_seconds=2)
    told = [await transport.exchange("POST", url, headers={}, body=b"") for _ in range(2)]
    assert [each.status for each in told if isinstance(each, Answered)] == [201, 201]
    await transport.close()
    server.close()


@pytest.mark.parametrize("headers", [{"X": "a\r\nB: c"}, {"X\n": "a"}, {"X": "a\rb"}, {"X": "a\x00"}], ids=repr)
async def test_a_header_brings_no_line_of_its_own(headers: dict[str, str]):
    async with Bench() as bench:
        transport = Transport(call_seconds=1)
        with pytest.raises(ValueError, match="with an end in it"):
            await transport.exchange("POST", bench.base_url, headers=headers, body=b"x")
        with pytest.raises(ValueError, match="with an end in it"):
            await transport.exchange("POST", f"{bench.base_url}/a\r\nB: c", headers={}, body=b"x")
        await transport.close()
        assert not bench.seen


async def test_a_connection_that_was_closed_meanwhile_lets_nothing_leave_on_it(monkeypatch: pytest.MonkeyPatch):
    url, heard, server = await speaking(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    transport = Transport(call_seconds=1)
    assert isinstance(await transport.exchange("POST", url, headers={}, body=b"x"), Answered)
    # It ends between being given out and the first byte.
    monkeypatch.setattr("aiohttp.client_proto.ResponseHandler.is_connected", lambda _: True)
    await asyncio.sleep(0.05)
    told = await transport.exchange("POST", url, headers={}, body=b"x")
    assert told == NothingLeft(reason="ClientConnectionResetError")
    assert len(heard) == 1
    await transport.close()
    server.close()


@pytest.mark.parametrize(("method", "again"), [("GET", True), ("PUT", True), ("POST", False)])
async def test_what_only_asks_is_asked_again_where_the_other_side_hung_up(method: str, *, again: bool):
    async with Bench() as bench:
        bench.script(HangsUp(), *[Says(status=200)] * again)
        transport = Transport(call_seconds=2)
        assert isinstance(await transport.exchange(method, bench.base_url, headers={}), Answered) is again
        await transport.close()
        assert len(bench.seen) == 1 + again
