"""Checks the batches of an export in as many processes as there are processors, with a bounded number of them in the air."""

import gc
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from itertools import chain, islice
from mmap import mmap
from multiprocessing import get_context
from typing import Final

from tracelog.export import Batch
from tracelog.line import BATCH_BYTES, Piece, piece_of

#: More would wait for the one process that goes through the whole file's digest.
PROCESSES_MAX: Final = 8
#: Batches that wait for each process: enough that none idles, and all the memory that a long file takes.
WAITING: Final = 3
#: Where a batch lies for whoever checks it. A pipe would copy it six times; the few that are longer go through one.
PLACE_BYTES: Final = BATCH_BYTES + 64 * 1024

#: The places, in the processes that were begun with them.
_places: list[mmap] = []


def pieces(batches: Iterable[Batch]) -> Iterator[tuple[Batch, Piece | None]]:
    """Each batch in order and what came of it; None where it has to be gone through here. A short file starts no process."""
    processes = min(len(os.sched_getaffinity(0)), PROCESSES_MAX)
    coming = iter(batches)
    begun = list(islice(coming, 2))
    if processes == 1 or len(begun) < 2:
        for batch in chain(begun, coming):
            yield batch, piece_of(batch)
        return
    waiting: deque[tuple[Batch, Future[Piece | None] | None]] = deque()
    # One place more than batches are in the air: each is taken anew only after what lay there was answered for.
    count = processes * WAITING + 1
    with (
        mmap(-1, count * PLACE_BYTES) as places,
        # Reading lines makes dictionaries and no cycles of them: looking for some is a fifth of the work.
        ProcessPoolExecutor(processes, get_context("fork"), _begin, (places,)) as pool,
    ):
        for number, batch in enumerate(chain(begun, coming)):
            waiting.append((batch, _handed_on(pool, places, number % count, batch)))
            if len(waiting) == count:
                yield _ended(*waiting.popleft())
        while waiting:
            yield _ended(*waiting.popleft())


def _begin(places: mmap) -> None:
    gc.disable()
    _places.append(places)


def _handed_on(pool: ProcessPoolExecutor, places: mmap, place: int, batch: Batch) -> Future[Piece | None] | None:
    begins = place * PLACE_BYTES
    try:
        if len(batch) > PLACE_BYTES:
            return pool.submit(piece_of, batch)
        places[begins : begins + len(batch)] = batch
        return pool.submit(_piece_at, begins, len(batch))
    except BrokenProcessPool:
        return None


def _piece_at(begins: int, length: int) -> Piece | None:
    return piece_of(_places[-1][begins : begins + length])


def _ended(batch: Batch, future: Future[Piece | None] | None) -> tuple[Batch, Piece | None]:
    """A process that was killed has said nothing, and nobody is asked after it: the batch is gone through here."""
    with suppress(BrokenProcessPool):
        return batch, None if future is None else future.result()
    return batch, None
