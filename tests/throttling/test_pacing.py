"""A way's pace over a real Valkey: never faster than its provider wants, together or alone."""

import asyncio
import time

import pytest
import redis.asyncio

from throttling.pace import Pace
from throttling.pacing import Pacer


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


async def test_ways_of_one_account_share_its_pace(cache: redis.asyncio.Redis) -> None:
    pace = Pace(per_second=1, burst=6, account="acme")
    pacer = Pacer(cache, {"sms": pace, "calls": pace, "other": Pace(per_second=1, burst=6)})
    assert (await pacer.take("sms", 4)).count == 4
    assert (await pacer.take("calls", 4)).count == 2
    assert (await pacer.take("other", 4)).count == 4
    await pacer.give("calls", 2)
    assert (await pacer.take("sms", 4)).count == 2


LANED = {"way": Pace(per_second=100, burst=100, sender=2, chat=1, tenant=10)}


async def test_each_sender_person_and_tenant_has_its_own_turns(cache: redis.asyncio.Redis) -> None:
    pacer = Pacer(cache, LANED)
    ana = pacer.lanes("way", tenant="t1", chat="+57300", sender="+57315")
    assert [lane.interval for lane in ana] == [100_000, 500_000, 1_000_000]
    assert pacer.reserve(ana) == 0
    assert 0.9 < pacer.reserve(ana) <= 1.0, "the longest of them"
    eva = pacer.lanes("way", tenant="t2", chat="+57301", sender="+57316")
    assert pacer.reserve(eva) == 0
    same_number = pacer.lanes("way", tenant="t3", chat="+57302", sender="+57315")
    assert 0.4 < pacer.reserve(same_number) <= 0.5
    assert pacer.lanes("free", tenant="t", chat="c", sender="s") == []


async def test_workers_share_the_turns_and_one_that_is_refused_takes_none(cache: redis.asyncio.Redis) -> None:
    one, two = Pacer(cache, LANED), Pacer(cache, LANED)
    ana = one.lanes("way", tenant="t1", chat="+57300", sender="+57315")
    assert await one.enter(ana) == 0
    same_person = two.lanes("way", tenant="t2", chat="+57300", sender="+57316")
    assert two.reserve(same_person) == 0, "it does not know yet"
    assert 0.5 < await two.enter(same_person) <= 1.0
    others = one.lanes("way", tenant="t2", chat="+57309", sender="+57316")
    assert await one.enter(others) == 0, "the refused one's other turns were given back"
    assert two.reserve(same_person) > 0.5, "now it knows"


async def test_no_number_stands_in_redis(cache: redis.asyncio.Redis) -> None:
    pacer = Pacer(cache, LANED)
    await pacer.enter(pacer.lanes("way", tenant="t1", chat="+573001234567", sender="+573150000000"))
    keys = [key.decode() for key in await cache.keys("*")]
    assert len(keys) == 3
    assert not any("57300" in key or "57315" in key for key in keys)
