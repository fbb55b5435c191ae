"""The reference prototype: what micro-batching alone buys. No law but a counter, no retries, no recovery, no proof, no CRM.

Accepts over HTTP, decides by a Lua script in micro-batches, commits in groups, sends after the commit, and answers the
carrier's receipts after theirs. ``python -m bench.peers.batched PORT DATABASE_URL REDIS_URL CARRIER_URL``.
"""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from importlib import resources
from typing import Any, Final
from zoneinfo import ZoneInfo

import aiohttp
import asyncpg
import msgspec
import redis.asyncio
import uvloop
from aiohttp import web

from bench.outside import ACCOUNT, NUMBER, PATH, TOKEN

BATCH_MAX: Final = 500
DISPATCHERS: Final = 32
CAP: Final = 1_000_000
#: The gateway's own keys stand in database 0.
REDIS_DATABASE: Final = 2

LUA: Final = """
local o = {}
for i = 1, #KEYS do
  local c = redis.call('incr', KEYS[i])
  if c == 1 then redis.call('expire', KEYS[i], 604800) end
  o[i] = c
end
return o
"""
STORE: Final = """
WITH m AS (
  INSERT INTO message (id, contact, channel, body, status)
  SELECT *, 'queued' FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[])
)
INSERT INTO message_event (message_id, kind) SELECT x, 'accepted' FROM unnest($1::bigint[]) x
"""
EVENTS: Final = """
INSERT INTO message_event (message_id, kind, detail)
SELECT i, k, jsonb_build_object('sid', s) FROM unnest($1::bigint[], $2::text[], $3::text[]) t(i, k, s)
"""


class Batch:
    """Collects (item, future); one flush in flight per lane; the next batch is whatever arrived meanwhile."""

    def __init__(self, flush: Callable[[Sequence[Any]], Awaitable[Any]], lanes: int = 1) -> None:
        self._waiting: list[tuple[Any, asyncio.Future[Any]]] = []
        self._flush = flush
        self._bell = asyncio.Event()
        self._lanes = [asyncio.create_task(self._lane()) for _ in range(lanes)]

    def add(self, item: Any) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        self._bell.set()
        return future

    async def _lane(self) -> None:
        while True:
            await self._bell.wait()
            await asyncio.sleep(0)
            batch, self._waiting = self._waiting[:BATCH_MAX], self._waiting[BATCH_MAX:]
            if not self._waiting:
                self._bell.clear()
            if not batch:
                continue
            results = await self._flush([item for item, _ in batch])
            for index, (_, future) in enumerate(batch):
                if not future.done():
                    future.set_result(results[index] if results else None)


class Prototype:
    """All of it in one process."""

    def __init__(self, port: int, pool: Any, cache: Any, script: str, carrier_url: str) -> None:
        self._port = port
        self._pool = pool
        self._cache = cache
        self._script = script
        self._provider = carrier_url + PATH
        self._contacts: dict[str, tuple[bool, ZoneInfo]] = {}
        self._decisions = Batch(self._decide)
        self._messages = Batch(self._store, lanes=2)
        self._events = Batch(self._keep, lanes=2)
        self._due: asyncio.Queue[Any] = asyncio.Queue()
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64))
        self._tasks = [asyncio.create_task(self._dispatch()) for _ in range(DISPATCHERS)]

    async def load(self) -> None:
        zones: dict[str, ZoneInfo] = {}
        async with self._pool.acquire() as connection:
            for address, consent, zone in await connection.fetch("SELECT address, consent, tz FROM contact"):
                self._contacts[address] = (consent, zones.setdefault(zone, ZoneInfo(zone)))

    async def _decide(self, items: Sequence[Any]) -> Any:
        return await self._cache.evalsha(self._script, len(items), *("fq:" + m["contact"] for m in items))

    async def _store(self, items: Sequence[Any]) -> None:
        columns = [[m[name] for m in items] for name in ("id", "contact", "channel", "body")]
        async with self._pool.acquire() as connection:
            await connection.execute(STORE, *columns)

    async def _keep(self, items: Sequence[Any]) -> None:
        async with self._pool.acquire() as connection:
            await connection.execute(EVENTS, *[list(column) for column in zip(*items, strict=True)])

    async def send(self, request: web.Request) -> web.Response:
        message = msgspec.json.decode(await request.read())
        consent, zone = self._contacts.get(message["contact"], (False, None))
        if not consent:
            return web.json_response({"reason": "no consent"}, status=422)
        _ = datetime.now(UTC).astimezone(zone).hour
        if await self._decisions.add(message) > CAP:
            return web.json_response({"reason": "frequency cap"}, status=422)
        await self._messages.add(message)
        self._due.put_nowait(message)
        body = b'{"id":%d,"status":"queued"}' % message["id"]
        return web.Response(status=202, body=body, content_type="application/json")

    async def receipt(self, request: web.Request) -> web.Response:
        form = await request.post()
        await self._events.add((int(request.query["id"]), form["MessageStatus"], form["MessageSid"]))
        return web.Response(body=b"{}", content_type="application/json")

    async def _dispatch(self) -> None:
        headers = {"Authorization": aiohttp.encode_basic_auth(ACCOUNT, TOKEN)}
        while True:
            message = await self._due.get()
            form = {
                "To": message["contact"],
                "From": NUMBER,
                "Body": message["body"],
                "StatusCallback": f"http://127.0.0.1:{self._port}/webhook?id={message['id']}",
            }
            async with self._session.post(self._provider, data=form, headers=headers) as answer:
                sid = msgspec.json.decode(await answer.read())["sid"]
            self._events.add((message["id"], "sent", sid))


async def main() -> None:
    """Until SIGTERM."""
    port, database_url, redis_url, carrier_url = sys.argv[1:]
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    pool = await asyncpg.create_pool(database_url, min_size=4, max_size=4)
    cache = redis.asyncio.Redis.from_url(redis_url, db=REDIS_DATABASE)
    await cache.flushdb()
    prototype = Prototype(int(port), pool, cache, await cache.script_load(LUA), carrier_url)
    await prototype.load()
    app = web.Application()
    app.router.add_post("/send", prototype.send)
    app.router.add_post("/webhook", prototype.receipt)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(port)).start()
    print('{"ready": true}', flush=True)
    await stop.wait()


def schema() -> str:
    """The tables it needs, empty."""
    return resources.files("bench.peers").joinpath("schema.sql").read_text("utf-8")


if __name__ == "__main__":
    uvloop.run(main())
