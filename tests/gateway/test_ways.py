"""Which way a message takes: shares by weight, failover on what provably did not leave, and a state that all workers share."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
import redis.asyncio

from gateway.ways.choosing import ranked
from gateway.ways.circuits import FRESH_SECONDS, Circuits
from throttling.circuit import BAD_MIN, OPEN_SECONDS, Use
from vocabulary.outcome import About, NotSent, Rejected, Sent, Unknown

BAD = NotSent(reason="connection refused")
GOOD = Sent(provider_id="SM1")


class _Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def cache(redis_url: str) -> AsyncIterator[redis.asyncio.Redis]:
    made = redis.asyncio.Redis.from_url(redis_url)
    await made.flushall()
    yield made
    await made.aclose()


def first(weights: dict[str, int], names: tuple[str, ...] = ("a", "b", "c"), messages: int = 6000) -> Counter[str]:
    """How often each way is preferred."""
    found: Counter[str] = Counter()
    for number in range(messages):
        ranks = ranked(names, weights, UUID(int=number))
        found[min(ranks, key=ranks.__getitem__)] += 1
    return found


@pytest.mark.parametrize(
    ("weights", "shares"),
    [
        ({}, {"a": 1.0}),
        ({"a": 1, "b": 1}, {"a": 0.5, "b": 0.5}),
        ({"a": 3, "b": 1}, {"a": 0.75, "b": 0.25}),
        ({"b": 1}, {"b": 1.0}),
        ({"a": 98, "b": 1, "c": 1}, {"a": 0.98, "b": 0.01, "c": 0.01}),
    ],
)
def test_weights_share_the_first_place(weights: dict[str, int], shares: dict[str, float]) -> None:
    found = first(weights)
    assert set(found) == set(shares)
    for name, share in shares.items():
        assert found[name] / 6000 == pytest.approx(share, abs=0.02)


def test_a_message_prefers_the_same_way_every_time_and_those_without_weight_stand_by_in_order() -> None:
    assert ranked(["a", "b", "c"], {"c": 1}, UUID(int=1)) == {"c": 0, "a": 1, "b": 2}
    assert ranked(["a", "b"], {"a": 1, "b": 1}, UUID(int=7)) == ranked(["b", "a"], {"a": 1, "b": 1}, UUID(int=7))


async def test_what_one_worker_learns_all_of_them_know(cache: redis.asyncio.Redis) -> None:
    clock = _Clock()
    one, two = Circuits(cache, wall=clock), Circuits(cache, wall=clock)
    assert await two.room("way", 50) == (50, 0.0)
    for _ in range(int(BAD_MIN)):
        one.note("way", BAD)
    assert await one.room("way", 50) == (0, OPEN_SECONDS)
    clock.now += FRESH_SECONDS
    assert (await two.room("way", 50))[0] == 0
    clock.now += OPEN_SECONDS
    grants = [await each.room("way", 50) for each in (one, two, one)]
    assert [count for count, _ in grants] == [1, 0, 0], "one probe for all"
    one.note("way", GOOD)
    assert await one.room("way", 50) == (50, 0.0)
    clock.now += 60
    assert await two.room("way", 50) == (50, 0.0)


async def test_a_probe_that_was_not_used_is_free_again(cache: redis.asyncio.Redis) -> None:
    clock = _Clock()
    circuits = Circuits(cache, wall=clock)
    for _ in range(int(BAD_MIN)):
        circuits.note("way", Unknown(reason="nobody answered"))
    assert (await circuits.room("way", 9))[0] == 0
    clock.now += OPEN_SECONDS
    assert (await circuits.room("way", 9))[0] == 1
    await circuits.unprobed("way")
    assert (await circuits.room("way", 9))[0] == 1


async def test_of_many_that_would_probe_at_the_same_instant_one_does(cache: redis.asyncio.Redis) -> None:
    clock = _Clock()
    workers = [Circuits(cache, wall=clock) for _ in range(8)]
    for _ in range(int(BAD_MIN)):
        workers[0].note("way", BAD)
    for worker in workers:
        await worker.room("way", 9)
    clock.now += OPEN_SECONDS
    grants = await asyncio.gather(*(worker.room("way", 9) for worker in workers))
    assert sorted(count for count, _ in grants) == [0] * 7 + [1]


async def test_endings_of_many_at_once_are_all_counted(cache: redis.asyncio.Redis) -> None:
    clock = _Clock()
    workers = [Circuits(cache, wall=clock) for _ in range(6)]
    for worker in workers:
        worker.note("way", BAD)
    await asyncio.gather(*(worker.room("way", 1) for worker in workers))
    for worker in workers:  # what lost every race is told at the next turn
        await worker.room("way", 1)
    found = (await Circuits(cache, wall=clock).all(["way"]))["way"]
    assert found.bad == pytest.approx(6)
    assert found.use(clock.now) is Use.OPEN


async def test_alone_without_redis_it_goes_by_what_it_sees_itself() -> None:
    nowhere = redis.asyncio.Redis(unix_socket_path="/nowhere/valkey.sock")
    clock = _Clock()
    circuits = Circuits(nowhere, wall=clock)
    for _ in range(int(BAD_MIN)):
        circuits.note("way", BAD)
    assert (await circuits.room("way", 5))[0] == 0
    clock.now += OPEN_SECONDS
    assert (await circuits.room("way", 5))[0] == 1
    circuits.note("way", GOOD)
    assert (await circuits.room("way", 5))[0] == 5
    await nowhere.aclose()


@pytest.mark.parametrize(
    ("outcome", "use"),
    [
        (GOOD, Use.CLOSED),
        (Rejected(code="21211", reason="no"), Use.CLOSED),
        (NotSent(reason="greylisted", retry_after_seconds=300, about=About.MESSAGE), Use.CLOSED),
        (NotSent(reason="throttled", retry_after_seconds=30, about=About.PACE), Use.RESTING),
        (NotSent(reason="credentials refused", about=About.ACCOUNT), Use.OPEN),
    ],
)
async def test_what_one_ending_says_of_its_way(
    cache: redis.asyncio.Redis, outcome: Sent | NotSent | Rejected, use: Use
) -> None:
    clock = _Clock()
    circuits = Circuits(cache, wall=clock)
    circuits.note("way", outcome)
    assert (await circuits.all(["way"]))["way"].use(clock.now) is use


async def test_rubbish_in_redis_is_nothing_known(cache: redis.asyncio.Redis) -> None:
    await cache.set("tregua:way:way", b"{rubbish")
    assert await Circuits(cache).room("way", 3) == (3, 0.0)
