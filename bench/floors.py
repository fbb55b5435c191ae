"""The two floors: what an HTTP request and a durable row cost here before the gateway does anything at all.

``python -m bench.floors PORT`` parses the same body and answers 202; with the address of a database as second word it first
keeps the message there, in a row that shares its commit with whatever else arrived meanwhile.
"""

import asyncio
import gc
import signal
import sys
from typing import Any, Final

import asyncpg
import msgspec
import uvloop
from aiohttp import web

from gateway.api.app import SERVER

ROWS_MAX: Final = 500
TABLE: Final = """
CREATE TABLE IF NOT EXISTS kept (
  key text PRIMARY KEY, contact text NOT NULL, body text NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp())
"""
INSERT: Final = "INSERT INTO kept (key, contact, body) SELECT * FROM unnest($1::text[], $2::text[], $3::text[])"


class Rows:
    """Group commit: the next batch is whatever arrived while the last one was written."""

    def __init__(self, connection: "asyncpg.Connection[Any]") -> None:
        self._connection = connection
        self._waiting: list[tuple[tuple[str, str, str], asyncio.Future[None]]] = []
        self._bell = asyncio.Event()

    async def keep(self, row: tuple[str, str, str]) -> None:
        """Returns after the commit."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((row, future))
        self._bell.set()
        await future

    async def write(self) -> None:
        """Until cancelled."""
        while True:
            await self._bell.wait()
            await asyncio.sleep(0)
            batch, self._waiting = self._waiting[:ROWS_MAX], self._waiting[ROWS_MAX:]
            if not self._waiting:
                self._bell.clear()
            columns = zip(*(row for row, _ in batch), strict=True)
            await self._connection.execute(INSERT, *[list(column) for column in columns])
            for _, future in batch:
                future.set_result(None)


def application(rows: Rows | None) -> web.Application:
    """The floor's one route."""

    async def take(request: web.Request) -> web.Response:
        raw = await request.read()
        asked = msgspec.json.decode(raw)
        if rows is not None:
            await rows.keep((request.headers["Idempotency-Key"], asked["contact"], raw.decode()))
        return web.Response(status=202, body=b'{"status":"queued"}', content_type="application/json")

    app = web.Application()
    app.router.add_post("/v1/messages", take)
    return app


async def main() -> None:
    """Until SIGTERM."""
    port, *database = sys.argv[1:]
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    rows, writing = None, None
    if database:
        connection = await asyncpg.connect(database[0])
        await connection.execute(TABLE)
        rows = Rows(connection)
        writing = asyncio.create_task(rows.write())
    runner = web.AppRunner(application(rows), **SERVER)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(port), backlog=1024).start()
    # As the gateway's own processes do.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)
    print('{"ready": true}', flush=True)
    await stop.wait()
    if writing is not None:
        writing.cancel()
    await runner.cleanup()


if __name__ == "__main__":
    uvloop.run(main())
