"""Shares one commit among many callers: whatever arrived while the last flush ran is the next batch.

A lone item waits for nothing. Where batches follow each other, the next one may be given a moment to gather, so that a quick database
does not make small ones, each of which costs its statements.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

from storage.database import DatabaseAway

Item = TypeVar("Item")
Result = TypeVar("Result")

BATCH_MAX: Final = 200


class Committer(Generic[Item, Result]):
    """Collects items, hands them to ``flush`` in batches, and gives each caller its own result or exception.

    ``flush`` answers one result per item, in order; a result that is an exception is raised at its caller. When a whole
    flush fails for another cause than an absent database, the batch is halved until the item that spoils it stands alone.
    """

    def __init__(
        self,
        flush: Callable[[Sequence[Item]], Awaitable[Sequence[Result | Exception]]],
        *,
        lanes: int = 1,
        batch_max: int = BATCH_MAX,
        gather_seconds: float = 0.0,
    ) -> None:
        self._flush = flush
        self._batch_max = batch_max
        self._gather_seconds = gather_seconds
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._bell = asyncio.Event()
        self._lanes = [asyncio.create_task(self._lane()) for _ in range(lanes)]
        self._closed = False

    async def submit(self, item: Item) -> Result:
        """The item's own result, once the transaction that holds it has committed."""
        return await self.put(item)

    def put(self, item: Item) -> asyncio.Future[Result]:
        """Stand in line; the future is the item's own result, once the transaction that holds it has committed."""
        if self._closed:
            raise DatabaseAway("this process is stopping")
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        self._bell.set()
        return future

    async def close(self) -> None:
        """Flush what waits, then stop."""
        self._closed = True
        self._bell.set()
        await asyncio.gather(*self._lanes, return_exceptions=True)

    async def _lane(self) -> None:
        busy = False
        while True:
            await self._bell.wait()
            # Whoever became ready in this turn of the loop travels along; while there is company, whoever comes a moment later.
            await asyncio.sleep(self._gather_seconds if busy and not self._closed else 0)
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._batch_max))]
            busy = len(batch) > 1
            if not self._waiting:
                if self._closed and not batch:
                    return
                if not self._closed:
                    self._bell.clear()
            if batch:
                await self._run(batch)

    async def _run(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        try:
            results = await self._flush([item for item, _ in batch])
        except DatabaseAway as error:
            _fail(batch, error)
            return
        except Exception as error:
            if len(batch) == 1:
                _fail(batch, error)
                return
            middle = len(batch) // 2
            await self._run(batch[:middle])
            await self._run(batch[middle:])
            return
        assert len(results) == len(batch)
        for (_, future), result in zip(batch, results, strict=True):
            if future.done():
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)


def _fail(batch: list[tuple[Item, asyncio.Future[Result]]], error: Exception) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(error)
