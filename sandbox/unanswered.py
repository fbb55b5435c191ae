"""Calls that a simulated carrier leaves without an answer, and the instants of its own memory."""

import asyncio
from datetime import UTC, datetime
from typing import Final

from aiohttp import web

#: How often a call that is left unanswered looks whether anybody still waits.
HOLD_STEP_SECONDS: Final = 0.05


async def never_answer(request: web.Request, hold_seconds: float) -> web.Response:
    """Hold the call until the other side gives up, at most so long."""
    # aiohttp tells a handler of a lost connection by no event, only by the missing transport.
    for _ in range(int(hold_seconds / HOLD_STEP_SECONDS)):
        if request.transport is None or request.transport.is_closing():
            break
        await asyncio.sleep(HOLD_STEP_SECONDS)
    return hung_up(request)


def hung_up(request: web.Request) -> web.Response:
    """Break the connection without an answer; what is returned is written to nobody."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def real() -> str:
    """Real time, as it stands in the lines of the truth."""
    return datetime.now(UTC).isoformat()
