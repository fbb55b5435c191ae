"""Checks the batches of an export in as many processes as there are processors, with a bounded number of them in the air."""

import gc
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from itertools import chain, islice
from typing import Final

from tracelog.export import Batch
from tracelog.line import Piece, piece_of

#: More would wait for the one process that goes through the whole file's digest.
PROCESSES_MAX: Final = 8
#: Batches that wait for each process: enough that none idles, and all the memory that a long file takes.
WAITING: Final = 3


def pieces(batches: Iterable[Batch]) -> Iterator[tuple[Batch, Piece | None]]:
    """Each batch in order and what came of it; None where it has to be gone through here. A short file starts no process."""
    processes = min(len(os.sched_getaffinity(0)), PROCESSES_MAX)
    coming = iter(batches)
    begun = list(islice(coming, 2))
    if processes == 1 or len(begun) < 2:
        for batch in chain(begun, coming):
            yield batch, None
        return
    waiting: deque[tuple[Batch, Future[Piece | None]]] = deque()
    # Reading lines makes dictionaries and no cycles of them: looking for some is a fifth of the work.
    with ProcessPoolExecutor(processes, initializer=gc.disable) as pool:
        for batch in chain(begun, coming):
            waiting.append((batch, pool.submit(piece_of, b"".join(batch))))
            if len(waiting) > processes * WAITING:
                yield _ended(*waiting.popleft())
        while waiting:
            yield _ended(*waiting.popleft())


def _ended(batch: Batch, future: Future[Piece | None]) -> tuple[Batch, Piece | None]:
    """A process that was killed has said nothing, so the batch is gone through here."""
    with suppress(BrokenProcessPool):
        return batch, future.result()
    return batch, None
