"""Opens again what was shut: after a while, or at once."""

import asyncio
from collections.abc import Awaitable, Callable

#: So long the other side has to hear that it was shut, before whoever shut it is told that it is.
HEARD_SECONDS = 0.02


class Latch:
    """When something that was shut listens again. What is asked last holds."""

    def __init__(self, listen: Callable[[], Awaitable[None]]) -> None:
        self._listen = listen
        self._opening: asyncio.Task[None] | None = None

    async def after(self, seconds: float) -> None:
        """Listen again so long from now; returns once the other side has heard of it."""
        self.stop()
        await asyncio.sleep(HEARD_SECONDS)
        self._opening = asyncio.create_task(self._later(seconds))

    async def now(self) -> None:
        """Listen again now."""
        self.stop()
        await self._listen()

    def stop(self) -> None:
        """Never by itself any more."""
        if self._opening is not None:
            self._opening.cancel()
            self._opening = None

    async def _later(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self._listen()
