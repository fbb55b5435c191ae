"""What a message costs beside ten thousand people, a hundred thousand, a million: ``python -m bench.people [COUNT …]``.

Each count is a book of its own in one database that is made, measured and dropped. The same number of messages is accepted in
batches on a Sunday, and the law's clock is then moved to Tuesday, so that all of them are decided again, sent and receipted.
Flat is what grows by no more than a step of an index. A million people are some minutes and 4 GB; nothing stops at ten.
"""

import argparse
import asyncio
import random
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from bench import batch, book, house
from bench.measure import cpu_seconds
from bench.outside import Sabotage
from bench.processes import CHECKOUT, started
from bench.rounds import Ground, ground_of
from bench.sizes import SEED, SHORT, TUESDAY
from sandbox.servers import Running, servers
from storage.clock import SandboxClock

COUNTS: Final = (10_000, 100_000, 1_000_000)
#: Batches that are timed, after one that is not.
BATCHES: Final = 3
NAME: Final = "bench_people"
STALL_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 0.25

#: Everybody from $1 up to $2, as of $3.
_EVERYBODY: Final = (
    "(SELECT n, 'cli-' || to_char(n, 'FM000000000') AS id, 'obl-' || to_char(n, 'FM000000000') AS debt, $3::timestamptz AS at, "
    "md5('subject' || n)::uuid AS subject, md5('endpoint' || n) AS endpoint FROM generate_series($1::integer, $2::integer - 1) n) p"
)
#: As ``bench.book`` writes them, in one statement a table; nothing of it is measured.
_FILL: Final = (
    "INSERT INTO contact (tenant, id, subject, name, role, locale, jurisdictions, zones, created_at, updated_at) "
    "SELECT 'bench', id, subject, 'Persona ' || n, 'debtor', 'es-CO', '{CO}', '{America/Bogota}', at, at FROM ",
    "INSERT INTO vault.person_key SELECT subject, sha256(n::text::bytea) FROM ",
    "INSERT INTO endpoint SELECT 'bench', endpoint FROM ",
    "INSERT INTO address (tenant, contact, channel, address, endpoint, kind, source, position) "
    "SELECT 'bench', id, 'sms', '+57' || (3001000000 + n), endpoint, 'personal', 'supplied', 0 FROM ",
    "INSERT INTO debt (tenant, id, creditor, updated_at) SELECT 'bench', debt, 'C1', at FROM ",
    "INSERT INTO debt_contact SELECT 'bench', debt, id, 'debtor' FROM ",
    "INSERT INTO contact_event (id, tenant, contact, at, type, channel, endpoint, detail) "
    "SELECT md5('consent' || n)::uuid, 'bench', id, at - interval '300 days', 'consent', 'sms', endpoint, "
    '\'{"state": "granted", "all": false, "instrument": "separate"}\' FROM ',
    "INSERT INTO contact_event (id, tenant, contact, at, type, channel, form, outcome, purpose, debts, endpoint, address_kind, "
    "creditor, collector, role) "
    "SELECT md5('past' || ago || '-' || n)::uuid, 'bench', id, at - ago * interval '1 day', 'contact', 'sms', 'text', 'delivered', "
    "'collection', ARRAY[debt], endpoint, 'personal', 'C1', 'A1', 'debtor' FROM unnest(ARRAY[26, 12]) ago, ",
)
#: People written by one statement: a statement of all of them would hold its sorting and its triggers in memory.
PART: Final = 250_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one message cost in one half of its life: microseconds of a processor by part, and blocks that PostgreSQL looked at."""

    microseconds: Mapping[str, float]
    blocks: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Among:
    """What one book showed."""

    people: int
    database_bytes: int
    accepted: Cost
    sent: Cost
    flaws: tuple[str, ...]


def contact_id(person: int) -> str:
    """The CRM's name for a person: wide enough for all of them."""
    return f"cli-{person:09}"


def debt_id(person: int) -> str:
    """The CRM's name for her debt."""
    return f"obl-{person:09}"


async def among(ground: Ground, people: int) -> Among:
    """One book, written, measured and dropped."""
    await ground.cluster.make(NAME, like=book.BOOK)
    async with AsyncExitStack() as stack:
        connection = await stack.enter_async_context(ground.cluster.connected(NAME))
        await fill(connection, people)
        size = await connection.fetchval("SELECT pg_database_size(current_database())")
        outside = await stack.enter_async_context(started("outside", ground.folder, "bench.outside"))
        ports = await outside.ask({"do": "open", "sabotage": Sabotage.NONE})
        await SandboxClock().set(connection, batch.SUNDAY)
        gateway = await stack.enter_async_context(
            house.running(
                ground.folder,
                database_url=ground.cluster.url(NAME),
                redis_url=ground.redis_url,
                key=ground.key,
                carrier_port=ports["carrier_port"],
            )
        )
        count = (BATCHES + 1) * batch.MESSAGES
        persons = random.Random(SEED).sample(range(people), count)
        bodies = batch.bodies([(contact_id(person), debt_id(person)) for person in persons])
        roots = {"API": gateway.api.pid, "worker": gateway.worker.pid, **ground.servers}
        accepted = await batch.post(gateway, bodies[0])
        async with _Costing(connection, roots, BATCHES * batch.MESSAGES) as taken:
            for body in bodies[1:]:
                accepted += await batch.post(gateway, body)
            await _still(roots)
        async with _Costing(connection, roots, count) as sent:
            await SandboxClock().set(connection, TUESDAY)
            await connection.execute("SELECT pg_notify('tregua_due', '')")
            await _receipted(outside, count)
            await _still(roots)
        statuses = dict(await connection.fetch("SELECT status, count(*) FROM message GROUP BY status"))
    await ground.cluster.drop(NAME)
    wrong = [] if accepted == count and statuses == {"delivered": count} else [f"{accepted} accepted, then {statuses}"]
    return Among(people=people, database_bytes=size, accepted=taken.cost, sent=sent.cost, flaws=tuple(wrong))


async def fill(connection: Any, people: int) -> None:
    """Write so many people, by the database's owner."""
    # As a restore of a backup does: rows that are known to fit are not checked against each other one by one.
    await connection.execute("SET session_replication_role = replica")
    for first in range(0, people, PART):
        for statement in _FILL:
            await connection.execute(statement + _EVERYBODY, first, min(people, first + PART), TUESDAY)
    await connection.execute("SET session_replication_role = origin")
    await connection.execute("VACUUM (ANALYZE)")
    await connection.execute("CHECKPOINT")


class _Costing:
    """What the block costs a message, by ``cost`` at its end."""

    cost: Cost

    def __init__(self, connection: Any, roots: Mapping[str, int], messages: int) -> None:
        self._connection, self._roots, self._messages = connection, roots, messages

    async def __aenter__(self) -> "_Costing":
        self._blocks = await self._looked_at()
        self._seconds = cpu_seconds(self._roots)
        return self

    async def __aexit__(self, *_: object) -> None:
        seconds = cpu_seconds(self._roots)
        self.cost = Cost(
            microseconds={
                part: (seconds[part] - self._seconds[part]) * 1_000_000 / self._messages for part in self._roots
            },
            blocks=(await self._looked_at() - self._blocks) / self._messages,
        )

    async def _looked_at(self) -> int:
        # Sessions tell what they looked at once a second at the most.
        await asyncio.sleep(1.5)
        await self._connection.execute("SELECT pg_stat_clear_snapshot()")
        looked: int = await self._connection.fetchval(
            "SELECT blks_hit + blks_read FROM pg_stat_database WHERE datname = current_database()"
        )
        return looked


async def _still(roots: Mapping[str, int]) -> None:
    """Until nothing works any more: what a message sets off behind its answer belongs to its cost."""
    until = time.monotonic() + STALL_SECONDS
    before = sum(cpu_seconds(roots).values())
    while time.monotonic() < until:
        await asyncio.sleep(1.0)
        now = sum(cpu_seconds(roots).values())
        if now - before < 0.1:
            return
        before = now


async def _receipted(outside: Any, count: int) -> None:
    before, moved = -1, time.monotonic()
    while time.monotonic() - moved < STALL_SECONDS:
        acknowledged = (await outside.ask({"do": "count"}))["acknowledged"]
        if acknowledged >= count:
            return
        if acknowledged != before:
            before, moved = acknowledged, time.monotonic()
        await asyncio.sleep(LOOK_SECONDS)


def section(rows: Sequence[Among]) -> str:
    """The table."""
    parts = list(rows[0].accepted.microseconds)
    heads = ["people", "database GB", "half", *(f"{part} µs" for part in parts), "all µs", "blocks"]
    lines = ["| " + " | ".join(heads) + " |", "|---:|---:|---|" + "---:|" * (len(heads) - 3)]
    for row in rows:
        for name, cost in (("accepted", row.accepted), ("sent, receipted", row.sent)):
            cells = [f"{row.people:,}", f"{row.database_bytes / 1e9:.2f}", name]
            cells += [f"{cost.microseconds[part]:,.0f}" for part in parts]
            cells += [f"{sum(cost.microseconds.values()):,.0f}", f"{cost.blocks:,.0f}"]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


async def _bench(running: Running, folder: Path, counts: Sequence[int]) -> int:
    ground = await ground_of(running, folder, replace(SHORT, contacts=1))
    rows = []
    for people in counts:
        rows.append(await among(ground, people))
        print(section(rows[-1:]), flush=True)
        for flaw in rows[-1].flaws:
            print(f"bench: not valid: {flaw}", file=sys.stderr)
            return 1
    print(section(rows))
    return 0


def main() -> int:
    """0: measured. 1: not every message was accepted and delivered."""
    parser = argparse.ArgumentParser(prog="python -m bench.people", description=__doc__)
    parser.add_argument("count", type=int, nargs="*", default=COUNTS, help="how many people there are, one book each")
    parser.add_argument("--folder", type=Path, default=CHECKOUT / ".tregua" / "bench-people")
    asked = parser.parse_args()
    folder = asked.folder.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with servers(folder, lasting=False) as running:
            return asyncio.run(_bench(running, folder, asked.count))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
