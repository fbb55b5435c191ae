"""What providers and networks do to a send: four endings, each with what it means for the person's limits and the next try."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.compose import Pace
from tests.gateway.town import ANA, Town, message, town

QUICK = Pace(
    abandoned_after=timedelta(seconds=3),
    lookups=tuple(timedelta(seconds=s) for s in (0.2, 0.5, 1.5, 1.5)),
    absent_apart=timedelta(seconds=1),
    sweep_seconds=1,
)


@pytest.fixture
async def quick(own_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Town]:
    async with town(own_url, redis_url, tmp_path, pace=QUICK) as found:
        found.start_worker()
        yield found


async def counted(town: Town) -> list[str]:
    return [
        row["outcome"]
        for row in await town.rows("SELECT outcome FROM contact_event WHERE type = 'contact' ORDER BY id")
    ]


async def test_a_time_out_though_the_carrier_has_it_is_found_and_never_sent_again(quick: Town) -> None:
    await quick.fault("hang_up", count=1)
    answered = await quick.send(message())
    found = await quick.until(answered["id"], "delivered", "sent")
    assert len(found["attempts"]) == 1
    assert len(await quick.arrived(ANA)) == 1


async def test_what_nobody_can_tell_stays_unknown_and_counts(quick: Town) -> None:
    await quick.fault("server_error", count=1)
    answered = await quick.send(message())
    await quick.until(answered["id"], "unknown")
    for _ in range(200):
        found = await quick.get(answered["id"])
        if found.get("resolution"):
            break
        await asyncio.sleep(0.05)
    assert (found["status"], found["resolution"]) == ("unknown", "undetermined")
    assert len(found["attempts"]) == 1
    assert await counted(quick) == ["attempted"]
    again = await quick.send(message("ana", debts=["d1"]))
    assert again["status"] == "deferred", "an unknown one counts"


async def test_a_refused_connection_is_tried_again_and_counts_once(quick: Town) -> None:
    await quick.fault("refuse_connection", seconds=60)
    answered = await quick.send(message())
    async with asyncio.timeout(30):
        while not (await quick.get(answered["id"]))["attempts"]:
            await asyncio.sleep(0.02)
        while (await quick.get(answered["id"]))["attempts"][0]["outcome"] != "not_sent":
            await asyncio.sleep(0.02)
    await quick.no_faults()
    found = await quick.until(answered["id"], "delivered", seconds=20)
    assert [attempt["outcome"] for attempt in found["attempts"]][-1] == "delivered"
    assert {attempt["outcome"] for attempt in found["attempts"][:-1]} <= {"not_sent"}
    assert len(found["attempts"]) > 1
    assert len(await quick.arrived(ANA)) == 1
    assert (await counted(quick)).count("failed") == len(found["attempts"]) - 1


async def test_a_throttled_one_waits_and_goes(quick: Town) -> None:
    await quick.fault("throttle", count=1)
    answered = await quick.send(message())
    found = await quick.until(answered["id"], "delivered", seconds=20)
    assert [attempt["outcome"] for attempt in found["attempts"]] == ["not_sent", "delivered"]


async def test_a_rejected_one_gives_the_day_back(quick: Town) -> None:
    await quick.fault("reject", count=1)
    answered = await quick.send(message())
    await quick.until(answered["id"], "failed")
    again = await quick.send(message("ana", debts=["d1"]))
    await quick.until(again["id"], "delivered")


@pytest.mark.parametrize("fault", ["duplicate_receipt", "reorder_receipts", "early_receipt", "forged_receipt"])
async def test_receipts_in_any_order_and_number_end_in_one_status(quick: Town, fault: str) -> None:
    await quick.fault(fault, count=1)
    answered = await quick.send(message())
    found = await quick.until(answered["id"], "delivered")
    assert [attempt["outcome"] for attempt in found["attempts"]] == ["delivered"]
    assert found["attempts"][0]["provider_id"] is not None
    assert len(await quick.arrived(ANA)) == 1


async def test_a_lost_receipt_leaves_it_sent(quick: Town) -> None:
    await quick.fault("drop_receipt", count=1)
    answered = await quick.send(message())
    found = await quick.until(answered["id"], "sent")
    assert found["attempts"][0]["outcome"] == "sent"
