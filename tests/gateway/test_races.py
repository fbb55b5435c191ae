"""Many at once for one person: limits, stops and cancels hold, whoever comes first, with Redis flushed meanwhile."""

import asyncio
import contextlib
from uuid import uuid4

import pytest
import redis.asyncio

from gateway.compose import dispatcher
from gateway.dispatch import Dispatcher
from storage.database import DatabaseAway
from tests.campaigns.tally import counted
from tests.gateway.town import Town, message, number, person
from tests.sizes import RACES, hangs_after

#: As many as eight workers with eight tasks each.
TASKS = 64
#: For the one that may leave to leave, on a machine that does much else.
PATIENCE_SECONDS = 120.0


async def _queue(town: Town, contact: dict[str, object], count: int) -> list[str]:
    """So many messages for one person, all accepted before anything left."""
    first = await town.send(message(contact), key=uuid4().hex)
    rest = await asyncio.gather(
        *(town.send(message(contact["id"], debts=["d1"]), key=uuid4().hex) for _ in range(count - 1))
    )
    answered = [first, *rest]
    assert {one["status"] for one in answered} == {"queued"}
    return [one["id"] for one in answered]


async def _round(sender: Dispatcher, limit: int) -> None:
    """As a worker does: when the database has no place for it, it comes again."""
    with contextlib.suppress(DatabaseAway):
        await sender.round(limit=limit)


async def _race(town: Town, round_: int) -> None:
    address = number(round_, 301)
    ids = await _queue(town, person(f"r{round_}", address), 8)
    senders = [dispatcher(town.house) for _ in range(8)]
    await asyncio.gather(*(_round(senders[task % 8], 1 + task % 3) for task in range(TASKS)))
    for sender in senders:
        await sender.drain()
    # What a busy machine reserved and gave back unused is decided again: none may not be the end, and more than one never is.
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await town.arrived(address):
            await _round(senders[0], 8)
            await senders[0].drain()
            await asyncio.sleep(0.05)
    statuses = [(await town.get(identity))["status"] for identity in ids]
    left = [status for status in statuses if status in ("sent", "delivered")]
    assert len(left) == 1, statuses
    assert len(await town.arrived(address)) == 1


@pytest.mark.campaign
@pytest.mark.timeout(hangs_after(14_400))
async def test_of_many_for_one_person_exactly_one_leaves(quiet: Town) -> None:
    with counted("C3", "64 tasks of 8 workers want one person at once, limit one") as tally:
        for round_ in range(RACES):
            await _race(quiet, round_)
            tally.trials += 1


async def test_the_same_while_redis_is_flushed(quiet: Town) -> None:
    quiet.start_worker()
    cache = redis.asyncio.Redis.from_url(quiet.house.settings.redis_url)

    async def flush() -> None:
        while True:
            await cache.flushall()
            await asyncio.sleep(0.2)

    flushing = asyncio.create_task(flush())
    try:
        for round_ in range(max(4, RACES // 10)):
            address = number(round_, 302)
            first = await quiet.send(message(person(f"f{round_}", address)))
            rest = [await quiet.send(message(f"f{round_}", debts=["d1"])) for _ in range(7)]
            await quiet.until(first["id"], "delivered")
            for one in rest:
                await quiet.until(one["id"], "deferred", "delivered")
            assert len(await quiet.arrived(address)) == 1
    finally:
        flushing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await flushing
        await cache.aclose()


async def test_a_cancel_and_a_dispatch_never_both_win(quiet: Town) -> None:
    outcomes = set()
    for trial in range(20):
        address = number(trial, 305)
        answered = await quiet.send(message(person(f"c{trial}", address)))
        sender = dispatcher(quiet.house)
        (status, _, _), _ = await asyncio.gather(
            quiet.call("POST", f"/v1/messages/{answered['id']}/cancel"), sender.round()
        )
        await sender.drain()
        arrived = len(await quiet.arrived(address))
        assert (status, arrived) in ((200, 0), (409, 1))
        outcomes.add(status)
    assert outcomes <= {200, 409}


async def test_two_people_with_one_number_share_its_stop(quiet: Town) -> None:
    shared = number(1)
    one = await quiet.send(message(person("mother", shared)))
    two = await quiet.send(message(person("son", shared)))
    await quiet.reply("STOP", shared)
    quiet.start_worker()
    assert (await quiet.until(one["id"], "blocked"))["status"] == "blocked"
    assert (await quiet.until(two["id"], "blocked"))["status"] == "blocked"
    assert await quiet.arrived(shared) == []


async def test_a_stop_from_a_number_that_nobody_has_is_kept_for_whoever_names_it(quiet: Town) -> None:
    stranger = number(9, 301)
    await quiet.reply("STOP", stranger)
    answered = await quiet.send(message(person("later", stranger)))
    assert answered["status"] == "blocked"
    # Named again it is the same word, not a new one; and a later permission of hers counts.
    allowed = person("later", stranger)
    allowed["addresses"][0]["authorised"] = {"at": "2026-11-24T10:30:00-05:00", "instrument": "separate"}
    await quiet.set_clock("2026-11-24T11:00:00-05:00")
    assert (await quiet.send(message(allowed)))["status"] == "queued"
