"""Loops end when they are told to, also when a library under them loses the word."""

import asyncio

import pytest

from gateway import ending
from gateway.ending import end


async def forever(deaf: int) -> None:
    """Goes on although it was told to end, so many times."""
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            deaf -= 1
            if deaf < 0:
                raise


@pytest.mark.parametrize("deaf", [0, 1, 3])
async def test_a_loop_is_told_until_it_has_ended(deaf: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending, "CANCEL_SECONDS", 0.01)
    loops = [asyncio.create_task(forever(deaf)), asyncio.create_task(forever(0))]
    await asyncio.sleep(0)
    await asyncio.wait_for(end(*loops), 5)
    assert [loop.cancelled() for loop in loops] == [True, True]


async def test_what_a_loop_failed_with_stays_its_own() -> None:
    async def fails() -> None:
        raise ValueError("of its own")

    loop = asyncio.create_task(fails())
    await asyncio.sleep(0)
    await end(loop)
    assert isinstance(loop.exception(), ValueError)


async def test_whoever_ends_others_can_be_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending, "CANCEL_SECONDS", 60.0)
    loop = asyncio.create_task(forever(1))
    await asyncio.sleep(0)
    ours = asyncio.create_task(end(loop))
    await asyncio.sleep(0.01)
    ours.cancel()
    await asyncio.wait([ours], timeout=5)
    assert ours.cancelled()
    loop.cancel()
    await asyncio.wait([loop], timeout=5)
