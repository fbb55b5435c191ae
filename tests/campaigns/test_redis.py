"""C5: Redis flushed, filled with nonsense, of other types, without scripts and away: nothing lost, nothing twice, no limit passed."""

import asyncio
import contextlib
import random
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis.asyncio

from tests.campaigns import load, truth
from tests.campaigns.cuts import Between, between
from tests.campaigns.tally import Tally, counted
from tests.conftest import NewDatabase
from tests.gateway.town import town
from tests.gateway.zygote import PACE
from tests.sizes import REDIS_PEOPLE, hangs_after, seed

SEED = seed(20261105)
PARTS = 3


async def hostile(cache: "redis.asyncio.Redis", link: Between, tally: Tally, chance: random.Random) -> None:
    """One fault after another, until cancelled."""
    deeds = (
        "flushed",
        "scripts forgotten",
        "nonsense in our keys",
        "keys of another type",
        "connections cut",
        "absent",
    )
    turn = 0
    while True:
        deed = deeds[turn % len(deeds)]
        turn += 1
        keys = [key async for key in cache.scan_iter(count=100)]
        match deed:
            case "flushed":
                await cache.flushall()
            case "scripts forgotten":
                await cache.script_flush()
            case "nonsense in our keys":
                for key in keys:
                    with contextlib.suppress(redis.asyncio.RedisError):
                        await cache.set(key, chance.randbytes(chance.randrange(1, 64)))
            case "keys of another type":
                for key in keys:
                    # The house may have written it again in between.
                    with contextlib.suppress(redis.asyncio.RedisError):
                        await cache.delete(key)
                        await (cache.lpush(key, b"x") if chance.random() < 0.5 else cache.hset(key, "x", "y"))
            case "connections cut":
                link.cut_all()
            case "absent":
                link.absent = True
                link.cut_all()
                await asyncio.sleep(0.3)
                link.absent = False
        # What acts on keys shows something only where there are keys.
        if keys or deed in ("scripts forgotten", "connections cut", "absent"):
            tally.faults[deed] += 1
        await asyncio.sleep(chance.uniform(0.02, 0.1))


@pytest.mark.campaign
@pytest.mark.timeout(hangs_after(3600))
async def test_whatever_becomes_of_redis(
    new_database: NewDatabase, template_url: str, redis_url: str, tmp_path: Path, near: Path
) -> None:
    chance = random.Random(SEED)
    planned = ("flushed", "scripts forgotten", "connections cut", "absent")
    url = await new_database(like=template_url)
    with counted("C5", "Redis broken in six ways while messages go out", seed=SEED, planned=planned) as tally:
        async with between(Path(urlsplit(redis_url).path), near / "cache.sock") as link:
            cache = redis.asyncio.Redis.from_url(redis_url)
            async with town(url, f"unix://{near}/cache.sock", tmp_path, pace=PACE) as found:
                found.start_worker()
                breaking = asyncio.create_task(hostile(cache, link, tally, chance))
                accepted: dict[str, str] = {}
                try:
                    for first in range(0, REDIS_PEOPLE, 8):
                        people = range(first, min(first + 8, REDIS_PEOPLE))
                        for part in range(PARTS):
                            accepted |= dict(
                                await asyncio.gather(*(load.send(found, p, part, area=310) for p in people))
                            )
                            assert not breaking.done(), breaking.exception()
                    await load.calm(found, 120)
                finally:
                    breaking.cancel()
                    await asyncio.gather(breaking, return_exceptions=True)
                    await cache.aclose()
                tally.trials = len(accepted)
                arrived = await truth.arrivals(found)
                await truth.hold(tally, found, accepted, arrived)
                tally.hold(sum(arrived.values()) == REDIS_PEOPLE, f"{sum(arrived.values())} of {REDIS_PEOPLE} arrived")
