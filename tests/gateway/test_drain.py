"""A worker that is told to stop claims nothing more, and what is in the air lands and is settled before it ends."""

import asyncio
from typing import Any

import pytest

from gateway.compose import worker
from tests.gateway.town import TUESDAY, Town, message, number, person
from vocabulary.channel import Channel


async def test_flights_land_and_nothing_more_is_claimed(quiet: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    await quiet.set_clock(TUESDAY)
    way = quiet.house.ways[Channel.SMS][0]
    aloft, land = asyncio.Event(), asyncio.Event()
    send = type(way).send

    async def slow(self: Any, *parcel: Any) -> Any:
        aloft.set()
        await land.wait()
        return await send(self, *parcel)

    monkeypatch.setattr(type(way), "send", slow)
    first = await quiet.send(message(person("ana", number(1))))
    working = worker(quiet.house)
    running = asyncio.create_task(working.run())
    await asyncio.wait_for(aloft.wait(), 10)
    working.stop()
    later = await quiet.send(message(person("bea", number(2))))
    await asyncio.sleep(0.5)
    assert not running.done(), "it ended over a message in the air"
    land.set()
    await asyncio.wait_for(running, 10)
    assert (await quiet.get(first["id"]))["status"] in ("sent", "delivered")
    assert (await quiet.get(later["id"]))["status"] == "queued"
    assert await quiet.rows("SELECT FROM heartbeat WHERE kind = 'worker'") == []
