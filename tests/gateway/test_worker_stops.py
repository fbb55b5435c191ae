"""A worker that is told to stop leaves nothing open, wherever it stood."""

import asyncio
import gc
import warnings
from pathlib import Path

import pytest
from arq.connections import ArqRedis
from arq.worker import Worker as ArqWorker
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from gateway.compose import worker
from tests.gateway.town import Town, town


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
    gc.collect()  # what earlier tests left is not what is looked for here
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        working = worker(quiet.house)
        running = asyncio.create_task(working.run())
        await asyncio.wait_for(met.wait(), 5)
        working.stop()
        await asyncio.wait_for(running, 10)
        gc.collect()
    assert [str(one.message) for one in caught if issubclass(one.category, ResourceWarning)] == []


async def test_stopped_while_arq_lets_go_of_a_redis_that_went_away_it_ends(
    quiet: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the process waits for ever for a loop that took the word to end for something of arq's, and begins again."""
    letting_go = asyncio.Event()

    async def answers(_: ArqRedis) -> bool:
        if letting_go.is_set():
            raise RedisConnectionError("gone")
        return True

    async def falls(_: ArqWorker) -> None:
        raise RedisConnectionError("gone")

    async def close(_: ArqWorker) -> None:
        letting_go.set()
        await asyncio.sleep(60)

    monkeypatch.setattr(ArqRedis, "ping", answers)
    monkeypatch.setattr(ArqWorker, "async_run", falls)
    monkeypatch.setattr(ArqWorker, "close", close)
    working = worker(quiet.house)
    running = asyncio.create_task(working.run())
    await asyncio.wait_for(letting_go.wait(), 5)
    working.stop()
    ended, _ = await asyncio.wait([running], timeout=10)
    running.cancel()
    assert ended


async def test_a_redis_that_is_too_slow_to_hear_goodbye_is_no_error_of_ours(
    own_url: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As redis-py has it when a connection is not closed in time (``AbstractConnection.disconnect``)."""
    said: list[str] = []
    real = AbstractConnection.disconnect

    async def slow(connection: AbstractConnection, nowait: bool = False) -> None:
        await real(connection, nowait)
        said.append("goodbye")
        raise RedisTimeoutError("Timed out closing connection after 1.0")

    async with town(own_url, redis_url, tmp_path) as found:
        await found.house.redis.ping()
        monkeypatch.setattr(AbstractConnection, "disconnect", slow)
    monkeypatch.undo()
    assert said
