"""What one call to a provider or a CRM costs of our own processor time, beside aiohttp's client session: ``python -m bench.call``.

The other side is a process of its own that answers every request with the same bytes.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from ipaddress import ip_network
from typing import Final

import aiohttp
import uvloop

from adapters.kit.transport import Answered, Transport
from bench.wire import Serving, answer
from gateway.egress import Egress

CALLS: Final = 4_000
AT_ONCE: Final = 32
ROUNDS: Final = 5
ANSWER_BYTES_MAX: Final = 64 * 1024
BODY: Final = (
    b"To=%2B573001234567&From=%2B15005550006&Body=" + b"x" * 160 + b"&StatusCallback=http%3A%2F%2F127.0.0.1%3A8080"
)
HEADERS: Final = {
    "Content-Type": "application/x-www-form-urlencoded",
    "Authorization": "Basic Og==",
    "Accept": "application/json",
}
SAID: Final = answer(
    "201 Created", b'{"sid":"SM00000000000000000000000000000001","status":"queued","num_segments":"1"}'
)


async def serve() -> None:
    """The other side, until it is killed; says its port."""

    def take(connection: Serving, _head: bytes, _body: bytes) -> None:
        connection.say(SAID)

    server = await asyncio.get_running_loop().create_server(lambda: Serving(take), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def _least(call: Callable[[], Awaitable[object]]) -> float:
    """Microseconds of this process's time that a call takes, in the round that took the least."""

    async def some(count: int) -> None:
        for _ in range(count):
            await call()

    best = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        await asyncio.gather(*(some(CALLS // AT_ONCE) for _ in range(AT_ONCE)))
        best = min(best, time.process_time() - began)
    return best / CALLS * 1e6


async def _measure(port: int) -> None:
    url = f"http://127.0.0.1:{port}/2010-04-01/Accounts/AC0/Messages.json"
    transport, egress = Transport(), Egress([ip_network("127.0.0.0/8")])
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:

        async def by_session() -> None:
            async with session.post(url, data=BODY, headers=HEADERS) as response:
                assert response.status == 201
                await response.read()

        async def to_provider() -> None:
            assert isinstance(await transport.exchange("POST", url, headers=HEADERS, body=BODY, once=True), Answered)

        async def to_crm() -> None:
            assert await egress.post(url, BODY, HEADERS, ANSWER_BYTES_MAX) == 201

        for name, call in (("a session of aiohttp", by_session), ("to a provider", to_provider), ("to a CRM", to_crm)):
            print(f"{name}: {await _least(call):.0f} µs a call", flush=True)
    await transport.close()
    await egress.close()


def main() -> int:
    """0: measured."""
    if sys.argv[1:] == ["serve"]:
        uvloop.run(serve())
        return 0
    with subprocess.Popen([sys.executable, "-m", "bench.call", "serve"], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            uvloop.run(_measure(int(server.stdout.readline())))
        finally:
            server.kill()
    return 0


if __name__ == "__main__":
    sys.exit(main())
