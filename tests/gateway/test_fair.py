"""Fair between tenants: one at fifty times its share lengthens its own wait only."""

import asyncio
import dataclasses
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway.compose import dispatcher
from gateway.tenants.opening import create_key, create_tenant
from tests.gateway.town import PROVIDER, Town, message, number, person, town
from throttling.pace import Pace

#: Sends a second of the one way, so each of two tenants may have half of them.
PER_SECOND = 20
BURST = 10
SMALL = 20
GREEDY = 50


async def _waits(found: Town, greedy: int, trial: int) -> tuple[list[float], list[int]]:
    """Seconds that the small tenant's messages waited, and how many sends went before each, while the other had so many for
    each of its own."""
    key = found.key

    async def pour(tenant: str, token: str, count: int, area: int) -> None:
        for start in range(0, count, 500):
            items: list[dict[str, Any]] = [
                {
                    **message(person(f"{tenant}{trial}n{n}", number(n, area))),
                    "idempotency_key": f"{tenant}-{trial}-{n}",
                }
                for n in range(start, min(count, start + 500))
            ]
            status, told, _ = await found.call("POST", "/v1/messages/batch", items, Authorization=f"Bearer {token}")
            assert status == 200, told

    other = await create_key(found.house.database, "t2", env="test", scopes=["admin"], label="greedy")
    # The greedy one comes first, and all of it is due before anything of the small one.
    await pour("t2", other, SMALL * greedy, 320 + trial)
    await pour("t1", key, SMALL, 310 + trial)
    sender = dispatcher(found.house)
    while True:
        await sender.round()
        rows = await found.rows(
            "SELECT m.created_at, a.reserved_at FROM message m LEFT JOIN attempt a ON a.message = m.id "
            "WHERE m.tenant = 't1' AND m.contact LIKE $1 ORDER BY a.reserved_at",
            f"t1{trial}n%",
        )
        if all(row["reserved_at"] is not None for row in rows):
            break
        await asyncio.sleep(0.01)
    await sender.drain()
    begun: datetime = min(row["reserved_at"] for row in rows)
    order = await found.rows("SELECT tenant FROM attempt WHERE reserved_at >= $1 ORDER BY reserved_at, id", begun)
    places = [place for place, row in enumerate(order) if row["tenant"] == "t1"]
    # Nothing more of the greedy one is to disturb the next trial.
    await found.rows("UPDATE message SET status = 'cancelled' WHERE status IN ('queued', 'deferred')")
    return sorted((row["reserved_at"] - begun).total_seconds() for row in rows), places


def p95(waits: Sequence[float]) -> float:
    return waits[int(0.95 * len(waits))]


async def test_a_tenant_at_fifty_times_its_share_slows_itself_only(
    own_url: str, redis_url: str, tmp_path: Path
) -> None:
    async with town(own_url, redis_url, tmp_path) as found:
        paced = dataclasses.replace(found.house.settings, paces={PROVIDER: Pace(per_second=PER_SECOND, burst=BURST)})
        found.house = dataclasses.replace(found.house, settings=paced)
        await found.house.redis.flushall()
        sender = {"sender": {"role": "creditor", "creditor": "C2", "collector": "A2"}}
        await create_tenant(found.house.database, "t2", "Greedy", sender)
        fair, fair_places = await _waits(found, 1, 0)
        greedy, greedy_places = await _waits(found, GREEDY, 1)
        print(f"p95 wait: {p95(fair):.2f} s beside a fair one, {p95(greedy):.2f} s beside one at fifty times its share")
        # Whatever the machine is doing besides: turn and turn about, however long the other's queue is.
        assert p95(greedy_places) <= 1.1 * p95(fair_places) + 2
        # And in time, but for what a loaded machine adds to it.
        assert p95(greedy) <= 1.5 * p95(fair) + 0.5, (p95(fair), p95(greedy))
        # The pace was the same for both, and the small one had about half of it.
        assert p95(fair) >= 0.7 * (2 * SMALL - BURST) / PER_SECOND
