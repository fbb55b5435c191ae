"""Reports as rows: asked for, made under a lease, kept in parts until they expire; and their figures counted anew from the trace."""

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, BinaryIO, Final
from uuid import UUID

from storage.database import Connection
from storage.queries import queries

_SQL: Final = "reports"
#: A whole trace is read for the recount, real seconds.
RECOUNT_SECONDS_MAX: Final = 3_600


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRow:
    """A report as it is kept. ``total`` is None until it is known."""

    id: UUID
    tenant: str
    format: str
    ask: dict[str, Any] = field(repr=False)
    contact: str | None = field(repr=False)
    state: str
    done: int
    total: int | None
    tries: int
    #: Tries before somebody's erasure asked for it anew, and how often that was.
    tried: int
    remade: int
    sha256: bytes | None
    size: int | None
    at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Differing:
    """A person's contacts and peak under a rule as the report has them, and as SQL over the trace found them."""

    contact: str = field(repr=False)
    rule: str
    contacts: int
    peak: int
    contacts_again: int
    peak_again: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """How many figures were found twice, how many of them differ and the first of these, and how many only the report has."""

    compared: int
    differing: int
    missing: int
    named: tuple[Differing, ...]


async def put(
    connection: Connection,
    *,
    report: UUID,
    tenant: str,
    format_: str,
    ask: dict[str, Any],
    contact: str | None,
    at: datetime,
    kept: timedelta,
    open_max: int,
) -> bool:
    """Keep a question; False when the tenant has ``open_max`` open already."""
    statement = queries(_SQL)["put"]
    found = await connection.fetchval(statement, report, tenant, format_, json.dumps(ask), contact, at, kept, open_max)
    return found is not None


async def show(connection: Connection, tenant: str, report: UUID) -> ReportRow | None:
    """One report of a tenant's."""
    row = await connection.fetchrow(queries(_SQL)["show"], tenant, report)
    return None if row is None else _row(row)


async def claim(connection: Connection, lease: timedelta) -> ReportRow | None:
    """Take the oldest that nobody makes."""
    row = await connection.fetchrow(queries(_SQL)["claim"], lease)
    return None if row is None else _row(row)


async def clear(connection: Connection, report: UUID) -> None:
    """Remove what an earlier try left."""
    await connection.execute(queries(_SQL)["clear"], report)


async def add(connection: Connection, report: ReportRow, n: int, piece: bytes) -> bool:
    """Keep a part; False when the report is not ours any more."""
    return await connection.fetchval(queries(_SQL)["add"], report.id, report.tries, n, piece) is not None


async def advance(connection: Connection, report: ReportRow, done: int, total: int, lease: timedelta) -> bool:
    """Say how far it is; False when the report is not ours any more."""
    return bool(await connection.fetchval(queries(_SQL)["advance"], report.id, report.tries, done, total, lease))


async def finish(connection: Connection, report: ReportRow, digest: bytes, size: int) -> bool:
    """Say that it is ready; False when it is not ours any more."""
    return bool(await connection.fetchval(queries(_SQL)["finish"], report.id, report.tries, digest, size))


async def fail(connection: Connection, report: ReportRow) -> None:
    """Say that it cannot be made."""
    await connection.fetchval(queries(_SQL)["fail"], report.id, report.tries)


async def part(connection: Connection, tenant: str, report: UUID, n: int) -> bytes | None:
    """A part of the file, from 0; None after the last."""
    found: bytes | None = await connection.fetchval(queries(_SQL)["part"], tenant, report, n)
    return found


async def expire(connection: Connection) -> int:
    """Remove what is past its time; how many."""
    return len(await connection.fetch(queries(_SQL)["expire"]))


async def people_count(connection: Connection, tenant: str, contact: str | None, jurisdiction: str | None) -> int:
    """How many people a report is about."""
    found: int = await connection.fetchval(queries(_SQL)["people_count"], tenant, contact, jurisdiction)
    return found


async def compared(
    connection: Connection, tenant: str, since: datetime, until: datetime, figures: BinaryIO, named_max: int
) -> Compared:
    """Count anew by SQL, in the transaction in which ``storage.recheck`` laid the trace out and was asked, and compare in it too.

    ``figures``: CSV of contact, rule, pack's label, contacts and peak, read from its beginning; nothing of a book is held in memory.
    """
    for name, value in (("tenant", tenant), ("since", since.isoformat()), ("until", until.isoformat())):
        await connection.execute("SELECT set_config('report.' || $1, $2, true)", name, value)
    await connection.execute(queries(_SQL)["recount"], timeout=RECOUNT_SECONDS_MAX)
    await connection.execute(queries(_SQL)["figures"])
    figures.seek(0)
    await connection.copy_to_table("report_figure", source=figures, format="csv", timeout=RECOUNT_SECONDS_MAX)
    for table in ("report_again", "report_figure"):
        await connection.execute(f"ANALYZE {table}")
    (found,) = await connection.fetch(queries(_SQL)["compared"], timeout=RECOUNT_SECONDS_MAX)
    named = await connection.fetch(queries(_SQL)["differing"], named_max, timeout=RECOUNT_SECONDS_MAX)
    return Compared(**found, named=tuple(Differing(**row) for row in named))


def _row(row: Any) -> ReportRow:
    return ReportRow(
        **{name: row[name] for name in ReportRow.__slots__ if name != "ask"},
        ask=json.loads(row["ask"]),
    )
