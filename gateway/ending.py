"""Ends loops that would go on for ever, also one whose library lost the word."""

import asyncio
from typing import Any, Final

#: How long a loop may take to end once it is told to, before it is told again.
CANCEL_SECONDS: Final = 5.0


async def end(*loops: asyncio.Task[Any]) -> None:
    """Cancel until each has ended: a library may lose the word, as 3.11's ``asyncio.wait_for`` does (python/cpython#86296).

    What a loop failed with stays its own: ask it for its result. Raises ``CancelledError`` only when the caller itself is cancelled.
    """
    left = set(loops)
    while left := {loop for loop in left if not loop.done()}:
        for loop in left:
            loop.cancel()
        await asyncio.wait(left, timeout=CANCEL_SECONDS)
