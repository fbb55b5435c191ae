"""A worker that is told to stop leaves nothing open, wherever it stood."""

import asyncio
import gc
import warnings

import pytest
from redis.asyncio.connection import AbstractConnection

from gateway.compose import worker
from tests.gateway.town import Town


async def test_stopped_while_it_greets_redis_it_leaves_no_connection(
    quiet: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    met = asyncio.Event()
    asked = AbstractConnection.can_read_destructive

    async def never(connection: AbstractConnection) -> bool:
        task = asyncio.current_task()
        if task is None or task.get_name() != "arq":
            return bool(await asked(connection))
        met.set()
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    # The last thing that the client asks of a new connection before it is used.
    monkeypatch.setattr(AbstractConnection, "can_read_destructive", never)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        working = worker(quiet.house)
        running = asyncio.create_task(working.run())
        await asyncio.wait_for(met.wait(), 5)
        working.stop()
        await asyncio.wait_for(running, 10)
        gc.collect()
    assert [str(one.message) for one in caught if issubclass(one.category, ResourceWarning)] == []
