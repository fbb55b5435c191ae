"""W4: a campaign handed over in batches of a thousand, accepted and decided; what leaves later is not part of it.

The law's clock stands on a Sunday afternoon, so every message is decided (deferred to Monday's opening, every reason written
down) and none is sent: what is measured is acceptance alone, with its idempotency, trace and events.
"""

import asyncio
import json
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench import house
from bench.book import BOOK
from bench.measure import cpu_seconds, percentile, written
from bench.rounds import Ground
from bench.sizes import BOGOTA, Sizes
from bench.workload import contact_id, debt_id, people, text
from storage.clock import SandboxClock

#: Sunday, when Colombia's law is closed all day.
SUNDAY: Final = datetime(2026, 11, 22, 15, 4, tzinfo=BOGOTA)
MESSAGES: Final = 1_000
#: Requests in the air at a time.
OPEN: Final = 2
#: How long the worker may take to seal, count and reckon what was accepted.
BEHIND_SECONDS_MAX: Final = 300.0
#: What stands open of that: entries that are not sealed or counted, and people who wait to be reckoned.
_OPEN: Final = """
SELECT (SELECT sum(c.size - coalesce(s.size, 0)) + sum(c.size - coalesce(k.idx, 0)) FROM chain c
    LEFT JOIN seal s USING (tenant) LEFT JOIN console_cursor k USING (tenant))
  + (SELECT count(*) FROM console_due WHERE at = '-infinity')
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batched:
    """What one round of W4 showed. ``cpu_seconds`` by part, per 1,000 messages, until the last answer.

    ``behind_seconds``: the same from there until all is sealed, counted and reckoned, which is put off and not saved.
    ``wal_bytes``: of the write-ahead log until the last answer, per message.
    """

    accepted_per_second: float
    batch_p50_ms: float
    batch_p99_ms: float
    cpu_seconds: dict[str, float]
    behind_seconds: dict[str, float]
    wal_bytes: float
    flaws: tuple[str, ...]


async def w4(ground: Ground, *, profiles: Path | None = None) -> Batched:
    """One round."""
    sizes, name = ground.sizes, "bench_w4"
    await ground.cluster.make(name, like=BOOK)
    async with AsyncExitStack() as stack:
        connection = await stack.enter_async_context(ground.cluster.connected(name))
        await SandboxClock().set(connection, SUNDAY)
        gateway = await stack.enter_async_context(
            house.running(
                ground.folder,
                database_url=ground.cluster.url(name),
                redis_url=ground.redis_url,
                key=ground.key,
                carrier_port=1,
                profiles=profiles,
            )
        )
        persons = people(sizes.contacts, sizes.contacts)
        asked = [persons[message % sizes.contacts] for message in range((sizes.batches + 1) * MESSAGES)]
        made = bodies([(contact_id(person), debt_id(person)) for person in asked])
        # The first one warms connections and prepared statements; it is checked and not timed.
        answers = [await _timed(gateway, made[0])]
        await ground.cluster.checkpoint()
        roots = {"API": gateway.api.pid, "worker": gateway.worker.pid, **ground.servers}
        wal = (await written(connection)).wal_bytes
        before, began = cpu_seconds(roots), time.perf_counter()
        left = iter(made[1:])

        async def pour() -> None:
            for body in left:
                answers.append(await _timed(gateway, body))

        await asyncio.gather(*(pour() for _ in range(OPEN)))
        seconds = time.perf_counter() - began
        after = cpu_seconds(roots)
        wal = (await written(connection)).wal_bytes - wal
        left_open = await _caught_up(connection)
        behind = cpu_seconds(roots)
        messages = sizes.batches * MESSAGES
        kept = await connection.fetchval("SELECT count(*) FROM message WHERE status = 'deferred'")
        traced = await connection.fetchval("SELECT count(*) FROM trace WHERE kind IN ('accepted', 'decided')")
    await ground.cluster.drop(name)
    found = []
    accepted = sum(count for _, count in answers)
    if accepted != messages + MESSAGES:
        found.append(f"{accepted} messages were accepted")
    if kept != accepted or traced != 2 * accepted:
        found.append(f"{kept} messages were kept and {traced} entries written")
    if left_open:
        found.append(f"{left_open} entries and people were not caught up with")
    waits = [wait * 1_000 for wait, _ in answers[1:]]
    return Batched(
        accepted_per_second=messages / seconds,
        batch_p50_ms=percentile(waits, 0.50),
        batch_p99_ms=percentile(waits, 0.99),
        cpu_seconds={part: (after[part] - before[part]) * 1_000 / messages for part in roots},
        behind_seconds={part: (behind[part] - after[part]) * 1_000 / messages for part in roots},
        wal_bytes=wal / messages,
        flaws=tuple(found),
    )


async def _caught_up(connection: Any) -> int:
    """Wait until the worker has nothing to do with what was accepted; what it still had when it was waited for too long."""
    until = time.monotonic() + BEHIND_SECONDS_MAX
    while (left := int(await connection.fetchval(_OPEN))) and time.monotonic() < until:
        await asyncio.sleep(0.5)
    return left


async def post(gateway: house.House, body: bytes) -> int:
    """How many of a batch were accepted."""
    headers = {"Content-Type": "application/x-ndjson"}
    async with gateway.session.post(gateway.url("/v1/messages/batch"), data=body, headers=headers) as answer:
        return (await answer.read()).count(b'{"status":202,')


async def _timed(gateway: house.House, body: bytes) -> tuple[float, int]:
    """Seconds until the answer was whole, and how many of the batch it accepted."""
    since = time.perf_counter()
    accepted = await post(gateway, body)
    return time.perf_counter() - since, accepted


def bodies(whom: Sequence[tuple[str, str]]) -> list[bytes]:
    """Batches in lines: a message to each of these contacts about one debt."""
    return [
        b"\n".join(
            json.dumps(
                {
                    "idempotency_key": f"w4-{message:08}",
                    "contact": whom[message][0],
                    "channel": "sms",
                    "purpose": "collection",
                    "debts": [whom[message][1]],
                    "content": {"text": text(message)},
                }
            ).encode()
            for message in range(start, start + MESSAGES)
        )
        for start in range(0, len(whom), MESSAGES)
    ]


def section(rounds: list[Batched], sizes: Sizes) -> str:
    """W4 for ``results.md``."""
    cpu = sorted({part for each in rounds for part in each.cpu_seconds})
    heads = ["", "accepted/s", "batch p50 ms", "batch p99 ms", "WAL B", *(f"{part} CPU-s / 1,000" for part in cpu)]
    heads += [f"behind it: {part}" for part in cpu]
    cells = [
        "W4",
        f"{median(each.accepted_per_second for each in rounds):,.0f}",
        f"{median(each.batch_p50_ms for each in rounds):,.0f}",
        f"{median(each.batch_p99_ms for each in rounds):,.0f}",
        f"{median(each.wal_bytes for each in rounds):,.0f}",
        *(f"{median(each.cpu_seconds[part] for each in rounds):.3f}" for part in cpu),
        *(f"{median(each.behind_seconds[part] for each in rounds):.3f}" for part in cpu),
    ]
    return "\n".join(
        [
            "",
            "## W4: batches, accepted and decided",
            "",
            "| " + " | ".join(heads) + " |",
            "|---" + "|---:" * (len(heads) - 1) + "|",
            "| " + " | ".join(cells) + " |",
            "",
            "Behind it: processor time from the last answer until everything is sealed, counted and reckoned.",
            f"{sizes.batches} batches of {MESSAGES:,} a round after one that is not timed, {OPEN} in the air, on a Sunday: all "
            f"deferred with their reasons. Medians of {len(rounds)} round{'s' * (len(rounds) != 1)}.",
            "",
        ]
    )
