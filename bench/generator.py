"""The load, in a process of its own: a closed loop over kept connections, each with one request in flight.

``python -m bench.generator`` reads one order from standard input, makes every request, says ``{"ready": true}``, begins at
the next line, and prints what it saw.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import uvloop

from bench.sizes import CONNECTIONS
from bench.wire import Calling
from bench.workload import Dialect, people, requests

ANSWERS_SHOWN_MAX = 3


class Generator:
    """Sends each request once; the next one of a connection leaves when the last was answered."""

    def __init__(self, first: int, made: list[bytes]) -> None:
        self._first = first
        self._made = made
        self._next: Iterator[int] = iter(range(len(made)))
        self._flying: dict[Calling, tuple[int, float]] = {}
        self._over = asyncio.get_running_loop().create_future()
        self.accepted: dict[int, tuple[float, float]] = {}
        self.refused: Counter[int] = Counter()
        self.shown: list[str] = []

    async def run(self, port: int) -> None:
        """Until every request has its answer."""
        loop = asyncio.get_running_loop()
        made = [
            await loop.create_connection(lambda: Calling(self._told), "127.0.0.1", port) for _ in range(CONNECTIONS)
        ]
        for _, connection in made:
            self._send(connection)
        await self._over
        for transport, _ in made:
            transport.close()

    def _send(self, connection: Calling) -> None:
        index = next(self._next, None)
        assert not connection.lost, "the system under load closed a connection that it had promised to keep"
        if index is not None:
            self._flying[connection] = (index, time.perf_counter())
            connection.call(self._made[index])
        elif not self._flying and not self._over.done():
            self._over.set_result(None)

    def _told(self, connection: Calling, status: int, body: bytes) -> None:
        now = time.perf_counter()
        index, since = self._flying.pop(connection)
        if 200 <= status < 300:
            self.accepted[self._first + index] = (since, now)
        else:
            self.refused[status] += 1
            if len(self.shown) < ANSWERS_SHOWN_MAX:
                self.shown.append(body.decode(errors="replace")[:500])
        self._send(connection)


async def main() -> None:
    """One order."""
    order: dict[str, Any] = json.loads(sys.stdin.readline())
    first, count = order["first"], order["count"]
    made = requests(
        Dialect(order["dialect"]), order["port"], order["key"], people(order["contacts"], first + count), first, count
    )
    generator = Generator(first, made)
    print(json.dumps({"ready": True}), flush=True)
    sys.stdin.readline()
    await generator.run(order["port"])
    told = {"accepted": generator.accepted, "refused": generator.refused, "answers": generator.shown}
    print(json.dumps(told), flush=True)
    # What this process cost is read while it lives.
    sys.stdin.readline()


if __name__ == "__main__":
    uvloop.run(main())
