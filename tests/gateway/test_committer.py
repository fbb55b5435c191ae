"""Commits are shared by whoever has company; one alone waits for nobody."""

import asyncio
from collections.abc import Sequence

from gateway.committer import Committer

#: Nobody would wait so long.
HOUR = 3600.0
SECONDS_MAX = 30.0


async def test_one_alone_waits_for_no_company() -> None:
    batches: list[list[int]] = []

    async def flush(items: Sequence[int]) -> Sequence[int]:
        batches.append(list(items))
        return items

    line: Committer[int, int] = Committer(flush, gather_seconds=HOUR)
    async with asyncio.timeout(SECONDS_MAX):
        assert [await line.submit(item) for item in range(3)] == [0, 1, 2]
        await line.close()
    assert batches == [[0], [1], [2]]


async def test_who_comes_after_company_is_gathered() -> None:
    batches: list[list[int]] = []

    async def flush(items: Sequence[int]) -> Sequence[int]:
        batches.append(list(items))
        return items

    line: Committer[int, int] = Committer(flush, gather_seconds=1.0)
    async with asyncio.timeout(SECONDS_MAX):
        await asyncio.gather(line.put(0), line.put(1))
        late = []
        for item in (2, 3, 4):
            late.append(line.put(item))
            await asyncio.sleep(0)
        await asyncio.gather(*late)
        await line.close()
    assert batches == [[0, 1], [2, 3, 4]]
