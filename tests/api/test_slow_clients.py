"""Callers who do not finish: what they hold is bounded in time, and the others do not notice."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from gateway.api import reading
from gateway.api.app import SERVER
from gateway.compose import api
from tests.api.conftest import Surface

KEEPALIVE_SECONDS = 0.4


@pytest.fixture
async def address(surface: Surface) -> AsyncIterator[tuple[str, int]]:
    """The same application, served with a shorter patience."""
    assert SERVER["keepalive_timeout"] == 30.0
    runner = web.AppRunner(api(surface.town.house), **{**SERVER, "keepalive_timeout": KEEPALIVE_SECONDS})
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield runner.addresses[0][0], runner.addresses[0][1]
    await runner.cleanup()


async def until_closed(reader: asyncio.StreamReader, seconds: float) -> tuple[bytes, float]:
    """What came until the other side hung up, and how long that took."""
    started = time.monotonic()
    got = await asyncio.wait_for(reader.read(-1), seconds)
    return got, time.monotonic() - started


def head(key: str, more: str, line: str = "POST /v1/messages") -> bytes:
    return (
        f"{line} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
        f"Idempotency-Key: slow\r\n{more}\r\n"
    ).encode()


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET /healthz HT", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ", b"POST /v1/messages HTTP/1.1\r\n"],
    ids=["nothing", "half a line", "half a header", "half a head"],
)
async def test_who_never_ends_the_head_is_let_go(address: tuple[str, int], sent: bytes) -> None:
    reader, writer = await asyncio.open_connection(*address)
    writer.write(sent)
    await writer.drain()
    _, seconds = await until_closed(reader, 5)
    assert KEEPALIVE_SECONDS * 0.5 < seconds < 3
    writer.close()


async def test_a_head_that_drips_is_let_go_too(address: tuple[str, int]) -> None:
    reader, writer = await asyncio.open_connection(*address)

    async def drip() -> None:
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
        for n in range(100):
            writer.write(f"X-{n}: y\r\n".encode())
            await asyncio.sleep(0.05)

    dripping = asyncio.create_task(drip())
    _, seconds = await until_closed(reader, 5)
    assert seconds < 3
    dripping.cancel()
    writer.close()


@pytest.mark.parametrize("chunked", [False, True], ids=["with a length", "in chunks"])
async def test_a_body_that_does_not_come_is_refused_and_the_connection_ends(
    surface: Surface, address: tuple[str, int], monkeypatch: pytest.MonkeyPatch, chunked: bool
) -> None:
    assert reading.BODY_SECONDS_MAX <= 10
    monkeypatch.setattr(reading, "BODY_SECONDS_MAX", 0.3)
    reader, writer = await asyncio.open_connection(*address)
    more = "Transfer-Encoding: chunked\r\n" if chunked else "Content-Length: 100\r\n"
    writer.write(head(surface.keys["admin"], more) + (b'5\r\n{"con\r\n' if chunked else b'{"con'))
    await writer.drain()
    got, seconds = await until_closed(reader, 8)
    assert got.startswith(b"HTTP/1.1 408 ")
    assert b"/problems/body-too-slow" in got
    assert b"connection: close" in got.lower()
    assert seconds < 6
    writer.close()


async def test_a_body_that_drips_gets_no_more_time(
    surface: Surface, address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BODY_SECONDS_MAX", 0.3)
    reader, writer = await asyncio.open_connection(*address)
    writer.write(head(surface.keys["admin"], "Content-Length: 1000\r\n"))

    async def drip() -> None:
        for _ in range(200):
            writer.write(b" ")
            await asyncio.sleep(0.02)

    dripping = asyncio.create_task(drip())
    answered = await asyncio.wait_for(reader.readuntil(b"\r\n"), 3)
    assert answered.startswith(b"HTTP/1.1 408 ")
    dripping.cancel()
    writer.close()


async def test_a_large_body_is_refused_before_it_comes(surface: Surface, address: tuple[str, int]) -> None:
    reader, writer = await asyncio.open_connection(*address)
    writer.write(head(surface.keys["admin"], "Content-Length: 104857600\r\n"))
    await writer.drain()
    answered = await asyncio.wait_for(reader.readuntil(b"\r\n"), 3)
    assert answered.startswith(b"HTTP/1.1 413 ")
    writer.close()


async def test_a_bomb_is_not_inflated(surface: Surface, address: tuple[str, int]) -> None:
    """200 MiB of zeros in 200 KiB; inflating them alone would take a second of everybody's time."""
    import zlib

    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(200)) + packer.flush()
    reader, writer = await asyncio.open_connection(*address)
    started = time.process_time()
    writer.write(head(surface.keys["admin"], f"Content-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n") + bomb)
    answered = await asyncio.wait_for(reader.readuntil(b"\r\n"), 5)
    assert answered.startswith(b"HTTP/1.1 415 ")
    assert time.process_time() - started < 0.2
    writer.close()


async def test_many_headers_and_long_ones_are_refused(address: tuple[str, int]) -> None:
    for hostile in (
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(200)) + b"\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: " + b"y" * 20_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    ):
        reader, writer = await asyncio.open_connection(*address)
        writer.write(hostile)
        answered = await asyncio.wait_for(reader.readuntil(b"\r\n"), 3)
        # The framework answers what it cannot parse itself, in the oldest version that everybody understands.
        assert answered.split()[1] == b"400"
        writer.close()


async def test_who_waits_for_leave_to_send_gets_it(surface: Surface, address: tuple[str, int]) -> None:
    reader, writer = await asyncio.open_connection(*address)
    writer.write(head(surface.keys["admin"], "Content-Length: 2\r\nExpect: 100-continue\r\n"))
    assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 3)).startswith(b"HTTP/1.1 100 ")
    writer.write(b"{}")
    assert (await asyncio.wait_for(reader.readuntil(b"\r\n"), 3)).startswith(b"HTTP/1.1 422 ")
    writer.close()


async def test_who_leaves_in_the_middle_is_no_error_of_ours(surface: Surface, address: tuple[str, int]) -> None:
    import structlog

    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            _, writer = await asyncio.open_connection(*address)
            writer.write(head(surface.keys["admin"], "Content-Length: 100\r\n") + b'{"con')
            await writer.drain()
            await asyncio.sleep(0.05)
            writer.transport.abort()
        await asyncio.sleep(0.1)
    assert [log for log in logs if log["log_level"] in ("error", "critical")] == []
    assert (await surface.ask("GET", "/v1/messages")).status == 200
