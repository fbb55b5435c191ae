"""Many due at once leave at the pace of their way; nothing is reserved that has to wait for it."""

import asyncio
import dataclasses
import itertools
import time
from pathlib import Path

from gateway.compose import dispatcher
from tests.gateway.town import PROVIDER, message, number, person, town
from throttling.pace import Pace


async def test_a_crowd_leaves_at_the_pace_of_its_way(own_url: str, redis_url: str, tmp_path: Path) -> None:
    async with town(own_url, redis_url, tmp_path) as found:
        paced = dataclasses.replace(found.house.settings, paces={PROVIDER: Pace(per_second=20, burst=5)})
        found.house = dataclasses.replace(found.house, settings=paced)
        await found.house.redis.flushall()
        await asyncio.gather(*(found.send(message(person(f"p{n}", number(n)))) for n in range(25)))
        started = time.monotonic()
        found.start_worker()
        seen = []
        for _ in range(200):
            rows = await found.rows("SELECT count(*) AS n FROM attempt")
            seen.append((time.monotonic() - started, rows[0]["n"]))
            if rows[0]["n"] == 25:
                break
            await asyncio.sleep(0.02)
        took, sent = seen[-1]
        assert sent == 25
        # Five at once and twenty more at twenty a second: one second, never less.
        assert 0.9 <= took < 4
        for at, count in seen:
            assert count <= 5 + 20 * at + 2, (at, count)


async def test_two_workers_share_the_pace(own_url: str, redis_url: str, tmp_path: Path) -> None:
    async with town(own_url, redis_url, tmp_path) as found:
        paced = dataclasses.replace(found.house.settings, paces={PROVIDER: Pace(per_second=0.01, burst=3)})
        found.house = dataclasses.replace(found.house, settings=paced)
        await found.house.redis.flushall()
        ids = [(await found.send(message(person(f"p{n}", number(n)))))["id"] for n in range(8)]
        senders = [dispatcher(found.house) for _ in range(2)]
        for _ in range(3):
            await asyncio.gather(*(sender.round() for sender in senders))
        for sender in senders:
            await sender.drain()
        statuses = [(await found.get(identity))["status"] for identity in ids]
        assert statuses.count("queued") == 5, statuses
        assert senders[0].resting() == ["sms"]


async def test_a_tenant_s_own_pace_holds_and_nothing_is_reserved_that_waits_for_it(
    own_url: str, redis_url: str, tmp_path: Path
) -> None:
    async with town(own_url, redis_url, tmp_path) as found:
        lanes = Pace(per_second=1000, burst=100, tenant=4)
        paced = dataclasses.replace(found.house.settings, paces={PROVIDER: lanes})
        found.house = dataclasses.replace(found.house, settings=paced)
        await found.house.redis.flushall()
        ids = [(await found.send(message(person(f"p{n}", number(n)))))["id"] for n in range(8)]
        started = time.monotonic()
        found.start_worker()
        for identity in ids:
            await found.until(identity, "delivered", seconds=20)
        assert time.monotonic() - started >= 7 / 4 - 0.1
        rows = await found.rows("SELECT reserved_at FROM attempt ORDER BY reserved_at")
        assert len(rows) == 8, "none was reserved before its turn"
        apart = [(b["reserved_at"] - a["reserved_at"]).total_seconds() for a, b in itertools.pairwise(rows)]
        # On a busy machine one comes late and the next in its time: none comes with another.
        assert min(apart) > 0.03, apart
