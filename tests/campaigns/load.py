"""Messages for campaigns: each text is its own, and whoever is answered that we are away asks again under the same key."""

import asyncio
from typing import Any
from uuid import uuid4

import aiohttp

from tests.gateway.town import Town, message, number, person

AGAIN_SECONDS = 0.05
PATIENCE_SECONDS = 120.0


async def send(found: Town, trial: int, part: int = 0, *, area: int = 300) -> tuple[str, str]:
    """A message for person ``trial``; its text and its id, once it was answered with 202."""
    text = f"C{area}-{trial:05d}-{part:02d} su cuota está lista. Responda BAJA para no recibir más."
    body = message(person(f"p{area}-{trial}", number(trial, area)), content={"text": text}, debts=[{"id": f"d{trial}"}])
    return text, await persist(found, body)


async def persist(found: Town, body: dict[str, Any]) -> str:
    """Ask until it is accepted, always under one key. An answer other than 202 and 503 fails."""
    key = uuid4().hex
    deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    while True:
        try:
            status, answered, _ = await found.call("POST", "/v1/messages", body, **{"Idempotency-Key": key})
        except aiohttp.ClientError:
            status, answered = 503, None
        if status == 202:
            identity = answered["id"]
            assert isinstance(identity, str)
            return identity
        # A key whose first request is still in work is asked again too.
        assert status in (503, 409), (status, answered)
        assert asyncio.get_running_loop().time() < deadline, "never accepted"
        await asyncio.sleep(AGAIN_SECONDS)


async def calm(found: Town, seconds: float = 60.0) -> None:
    """Until nothing is due, in the air or unsettled. ``seconds``: how long nothing may come nearer to it."""
    deadline = asyncio.get_running_loop().time() + seconds
    least: int | None = None
    while True:
        (row,) = await found.rows(
            "SELECT count(*) FILTER (WHERE status IN ('queued', 'dispatching')) AS open, "
            "count(*) FILTER (WHERE status = 'unknown' AND resolution IS NULL) AS unknown FROM message"
        )
        if not row["open"] and not row["unknown"]:
            return
        if least is None or row["open"] + row["unknown"] < least:
            least = row["open"] + row["unknown"]
            deadline = asyncio.get_running_loop().time() + seconds
        assert asyncio.get_running_loop().time() < deadline, f"never calm: {dict(row)}"
        assert not any(task.done() for _, task in found.workers), "a worker ended"
        await asyncio.sleep(0.1)
