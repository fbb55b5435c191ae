"""A way's pace over a real Valkey: never faster than its provider wants, together or alone."""

import asyncio
import time

import pytest
import redis.asyncio

from throttling.pacing import Pace, Pacer


@pytest.fixture
async def cache(redis_url: str):  # type: ignore[no-untyped-def]
    made = redis.asyncio.Redis.from_url(redis_url)
    await made.flushall()
    yield made
    await made.aclose()


async def test_a_burst_goes_at_once_and_then_the_pace_rules(cache: redis.asyncio.Redis) -> None:
    pacer = Pacer(cache, {"slow": Pace(per_second=50, burst=10)})
    first = await pacer.take("slow", 200)
    assert first.count == 10
    assert 0 < first.wait_seconds <= 0.02
    assert (await pacer.take("slow", 200)).count <= 1
    started = time.monotonic()
    got = 0
    while time.monotonic() - started < 0.5:
        got += (await pacer.take("slow", 200)).count
        await asyncio.sleep(0.01)
    assert 15 <= got <= 26


async def test_workers_share_one_pace(cache: redis.asyncio.Redis) -> None:
    pace = {"way": Pace(per_second=1, burst=20)}
    grants = await asyncio.gather(*(Pacer(cache, pace).take("way", 5) for _ in range(16)))
    assert sum(grant.count for grant in grants) in (20, 21)


async def test_what_is_not_used_is_given_back(cache: redis.asyncio.Redis) -> None:
    pacer = Pacer(cache, {"way": Pace(per_second=1, burst=10)})
    assert (await pacer.take("way", 10)).count == 10
    await pacer.give("way", 7)
    assert (await pacer.take("way", 10)).count == 7


async def test_without_redis_each_goes_slower_alone() -> None:
    nowhere = redis.asyncio.Redis(unix_socket_path="/nowhere/valkey.sock")
    pacer = Pacer(nowhere, {"way": Pace(per_second=100, burst=40)})
    assert (await pacer.take("way", 200)).count == 10
    started = time.monotonic()
    got = 0
    while time.monotonic() - started < 0.4:
        got += (await pacer.take("way", 200)).count
        await asyncio.sleep(0.01)
    assert 6 <= got <= 12
    await nowhere.aclose()


async def test_a_flush_breaks_nothing(cache: redis.asyncio.Redis) -> None:
    pacer = Pacer(cache, {"way": Pace(per_second=1, burst=3)})
    assert (await pacer.take("way", 3)).count == 3
    await cache.flushall()
    assert (await pacer.take("way", 3)).count == 3
    assert (await Pacer(cache, {}).take("free", 1000)).count == 1000
