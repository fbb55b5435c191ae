"""Four hundred addresses that a tenant might name to reach what only we can, and names that change their mind: 0 connections."""

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from aiohttp.abc import ResolveResult
from yarl import URL

from gateway import egress
from gateway.api.destinations import flaw_of
from gateway.egress import Egress, Refused


@dataclass
class Honeypot:
    """A server inside, which nobody may reach."""

    port: int
    connections: int = 0


@pytest.fixture
async def honeypot(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Honeypot]:
    found = Honeypot(0)

    async def meet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found.connections += 1
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(meet, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    # The port is no obstacle: what is tried here is the address.
    monkeypatch.setattr(egress, "PORTS", frozenset({80, 443, 8080, 8443, found.port}))
    yield found
    server.close()
    await server.wait_closed()


def _spelt(address: str) -> Iterator[str]:
    """An IPv4 address in every spelling that some resolver takes for it, alone and wrapped in IPv6."""
    a, b, c, d = (int(part) for part in address.split("."))
    whole = (a << 24) | (b << 16) | (c << 8) | d
    yield address
    yield f"{address}."
    yield str(whole)
    yield hex(whole)
    yield f"0x{whole:08X}"
    yield f"0{whole:o}"
    yield f"{a}.{(b << 16) | (c << 8) | d}"
    yield f"{a}.{b}.{(c << 8) | d}"
    yield ".".join(f"0{part:o}" for part in (a, b, c, d))
    yield ".".join(f"0{part:03o}" for part in (a, b, c, d))
    yield ".".join(hex(part) for part in (a, b, c, d))
    yield f"{hex(a)}.{b}.0{c:o}.{d}"
    high, low = whole >> 16, whole & 0xFFFF
    yield f"[::ffff:{address}]"
    yield f"[::ffff:{high:x}:{low:x}]"
    yield f"[::{address}]"
    yield f"[64:ff9b::{address}]"
    yield f"[64:ff9b:1::{address}]"
    yield f"[2002:{high:x}:{low:x}::1]"
    yield f"[2001:0:4136:e378:8000:63bf:{high ^ 0xFFFF:x}:{low ^ 0xFFFF:x}]"
    yield f"[fe80::{high:x}:{low:x}]"
    yield f"{a}.{b}.{c}.{d}.nip.io@{address}"
    yield f"public.example@{address}"


INSIDE = (
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "169.254.169.254", "100.64.0.1", "100.127.255.254", "192.0.0.1", "192.0.2.1", "198.18.0.1", "198.51.100.7",
    "203.0.113.9", "192.88.99.1", "224.0.0.1", "255.255.255.255",
)  # fmt: skip
NAMES = (
    "localhost", "LOCALHOST", "localhost.", "localhost.localdomain", "ip6-localhost", "[::1]", "[::]", "[fc00::1]", "[fd00::1]",
    "[fec0::1]", "[ff02::1]", "[fe80::1%25lo]", "[2001:db8::1]", "[3fff::1]", "[100::1]", "[5f00::1]", "[::ffff:0:127.0.0.1]",
    "metadata.google.internal", "postgres.internal", "redis.local", "127.0.0.1%2f.example.com", "127.1", "0", "127.0.0.1%00.example.com",
    "①②⑦.⓪.⓪.①", "１２７.０.０.１", "127。0。0。1", "lo\u200bcalhost", "[0:0:0:0:0:0:0:1]", "[::127.0.0.1]",
)  # fmt: skip
#: Each inside address in each spelling, each name, and shapes that only parsers take for something else.
HOSTILE = [
    *(host for address in INSIDE for host in _spelt(address)),
    *NAMES,
]


async def _attempt(through: Egress, url: str) -> str:
    try:
        status = await through.post(url, b"{}", {"content-type": "application/json"}, 1024)
    except (Refused, ValueError, OSError, aiohttp.ClientError, TimeoutError, UnicodeError) as error:
        return type(error).__name__
    return f"answered {status}"


async def test_no_hostile_address_is_connected_to(honeypot: Honeypot) -> None:
    urls = [f"https://{host}:{honeypot.port}/hook" for host in HOSTILE]
    assert len(set(urls)) >= 400
    through = Egress()
    try:
        async with asyncio.timeout(60):
            endings = await asyncio.gather(*(_attempt(through, url) for url in urls))
    finally:
        await through.close()
    assert [url for url, ending in zip(urls, endings, strict=True) if ending.startswith("answered")] == []
    assert honeypot.connections == 0


async def test_none_of_them_is_taken_as_an_endpoint_either(honeypot: Honeypot) -> None:
    taken = [host for host in HOSTILE if flaw_of(f"https://{host}:{honeypot.port}/hook", ()) is None]
    assert taken == []


SHAPES = (
    "http://{public}/hook", "ftp://{public}/hook", "file:///etc/passwd", "gopher://{inside}/_x", "unix:///run/postgresql",
    "//{inside}/hook", "https:/{inside}/hook", "https:{inside}/hook", "https://{public}:22/hook", "https://{public}:6379/hook",
    "https://user:secret@{public}/hook", "https://{public}@{inside}/hook", "https://{inside}#@{public}/hook",
    "https://{inside}\\@{public}/hook", "https://{public}:99999/hook", "javascript:alert(1)", "data:text/plain,x", "",
    "https://", "https:///hook", "https://{public} /hook", "https://{public}\r\nHost: {inside}/hook", "ws://{inside}/hook",
)  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
async def test_no_other_shape_leads_inside(honeypot: Honeypot, shape: str) -> None:
    url = shape.format(public="93.184.215.14", inside=f"127.0.0.1:{honeypot.port}")
    assert flaw_of(url, ()) is not None
    through = Egress()
    try:
        ending = await asyncio.wait_for(_attempt(through, url), 20)
    finally:
        await through.close()
    assert not ending.startswith("answered")
    assert honeypot.connections == 0


class Rebinding:
    """A resolver that answers by turns: an address outside, and then one inside, as a hostile name server does."""

    def __init__(self, port: int, turns: list[list[str]]) -> None:
        self._turns = itertools.cycle(turns)
        self._port = port
        self.asked = 0

    async def resolve(self, host: str, port: int, family: Any) -> list[ResolveResult]:
        self.asked += 1
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in next(self._turns)
        ]

    async def close(self) -> None:
        """Nothing is held."""


OUTSIDE = "192.0.2.200"
TURNS = {
    "inside at once": [["127.0.0.1"]],
    "inside after a look from outside": [["127.0.0.1"], ["127.0.0.1"]],
    "inside beside outside": [["93.184.215.14", "127.0.0.1"]],
    "wrapped as IPv4 in IPv6": [["::ffff:127.0.0.1"]],
    "by NAT64": [["64:ff9b::7f00:1"]],
    "by 6to4": [["2002:7f00:1::"]],
    "link-local": [["169.254.169.254"], ["fe80::1"]],
    "nobody's own": [["100.64.0.1"], ["0.0.0.0"], ["::"]],
}


@pytest.mark.parametrize("turns", TURNS.values(), ids=TURNS.keys())
async def test_a_name_that_changes_its_mind_gains_nothing(
    honeypot: Honeypot, turns: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    resolver = Rebinding(honeypot.port, turns)
    monkeypatch.setattr(egress, "ThreadedResolver", lambda: resolver)
    through = Egress()
    # What was said of the name at the door was fine: it is the connection that counts.
    assert flaw_of(f"https://crm.example.com:{honeypot.port}/hook", ()) is None
    try:
        for _ in range(6):
            ending = await _attempt(through, f"https://crm.example.com:{honeypot.port}/hook")
            assert not ending.startswith("answered")
    finally:
        await through.close()
    assert resolver.asked >= 6, "every connection asks anew"
    assert honeypot.connections == 0


async def test_a_redirect_is_not_followed_and_no_more_is_read_than_may_be() -> None:
    from ipaddress import ip_network

    from aiohttp import web

    reached = 0
    read = 0

    async def inside(_: web.Request) -> web.Response:
        nonlocal reached
        reached += 1
        return web.Response()

    async def away(request: web.Request) -> web.Response:
        raise web.HTTPTemporaryRedirect(f"http://127.0.0.1:{request.url.port}/inside")

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal read
        answer = web.StreamResponse()
        await answer.prepare(request)
        try:
            for _ in range(4096):
                await answer.write(b"x" * 65536)
                read += 65536
        except (ConnectionError, aiohttp.ClientConnectionResetError):
            pass
        return answer

    app = web.Application()
    app.router.add_post("/away", away)
    app.router.add_post("/endless", endless)
    app.router.add_post("/inside", inside)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    through = Egress([ip_network("127.0.0.0/8")])
    try:
        assert await through.post(f"http://127.0.0.1:{port}/away", b"{}", {}, 65536) == 307
        assert await through.post(f"http://127.0.0.1:{port}/endless", b"{}", {}, 65536) == 200
    finally:
        await through.close()
        await runner.cleanup()
    assert reached == 0
    assert read < 64 * 1024 * 1024, "it is not drunk to the end"


def test_public_addresses_are_public() -> None:
    for text in ("https://93.184.215.14/x", "https://[2606:4700:4700::1111]/x", "https://[64:ff9b::5db8:d70e]/x"):
        Egress().check(URL(text))
