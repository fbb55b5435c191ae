"""Keeps the console's figures as the trace grows: read from a cursor, written in the transaction that moves it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from storage.database import Connection
from storage.queries import queries
from vocabulary.values import quickly_made, reading

_SQL: Final = "console_tally"


@quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An entry with whose it is; ``contact`` is None for one that is nobody's, or somebody's who was erased."""

    idx: int
    kind: str
    at: datetime
    message: UUID | None
    header: bytes = field(repr=False)
    contact: str | None = None
    zones: Sequence[str] | None = None
    jurisdictions: Sequence[str] | None = None


@quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class Reckoned:
    """One person and one limit as it is to be kept."""

    contact: str
    rule: str
    part: int
    pack: str
    jurisdiction: str
    citation: str
    asks: str
    channels: tuple[str, ...]
    debt: str | None
    debts: tuple[str, ...]
    creditors: tuple[str, ...]
    counted: int
    limit: int
    left: int
    begins: datetime | None
    ends: datetime | None
    frees_at: datetime | None
    last_at: datetime | None
    event: str | None


Hour = tuple[date, int, str, str, str]
Rule = tuple[date, str, str, str, str]


_told: Final = reading(Told)


async def tenants_behind(connection: Connection) -> list[str]:
    """Tenants whose traces have grown beyond their figures."""
    return [row["tenant"] for row in await connection.fetch(queries(_SQL)["behind"])]


async def tenants(connection: Connection) -> list[str]:
    """Every tenant that has a trace."""
    return [row["tenant"] for row in await connection.fetch(queries(_SQL)["tenants"])]


async def lock(connection: Connection, tenant: str) -> tuple[int, str | None]:
    """How far the figures have come and under which law margins were reckoned; held until the transaction ends."""
    await connection.execute(queries(_SQL)["begin"], tenant)
    row = await connection.fetchrow(queries(_SQL)["lock"], tenant)
    return row["idx"], row["law"]


async def advance(
    connection: Connection, tenant: str, index: int, *, zone: str | None = None, law: str | None = None
) -> None:
    """The figures hold everything below an index."""
    await connection.execute(queries(_SQL)["advance"], tenant, index, zone, law)


async def entries(connection: Connection, tenant: str, start: int, limit: int) -> list[Told]:
    """The next entries."""
    return [_told(row) for row in await connection.fetch(queries(_SQL)["entries"], tenant, start, limit)]


async def reservations(connection: Connection, messages: Iterable[UUID]) -> list[bytes]:
    """Headers of the reservations of these messages."""
    rows = await connection.fetch(queries(_SQL)["reservations"], list(messages))
    return [row["header"] for row in rows]


async def prices(connection: Connection, attempts: Iterable[str]) -> list[tuple[str, str, Decimal]]:
    """(attempt, currency, amount) that these attempts were expected to cost, as far as a price was known."""
    wanted = list(attempts)
    if not wanted:
        return []
    rows = await connection.fetch(queries(_SQL)["prices"], wanted)
    return [(row["id"].hex, row["currency"], row["expected"]) for row in rows]


async def decided_before(connection: Connection, messages: Iterable[UUID], index: int) -> list[tuple[UUID, bytes]]:
    """(message, header) of decisions that stand below an index."""
    rows = await connection.fetch(queries(_SQL)["decided_before"], list(messages), index)
    return [(row["message"], row["header"]) for row in rows]


async def answered(
    connection: Connection, tenant: str, kind: str, named: Sequence[tuple[str, str, datetime]]
) -> dict[int, tuple[UUID, UUID]]:
    """For each (contact, channel, instant), by its place: the attempt and message that it answers first. ``kind``: of event."""
    if not named:
        return {}
    columns = [list(column) for column in zip(*named, strict=True)]
    rows = await connection.fetch(queries(_SQL)["answered"], tenant, *columns, kind)
    return {row["n"] - 1: (row["attempt"], row["message"]) for row in rows}


async def add(connection: Connection, tenant: str, hours: Mapping[Hour, int], rules: Mapping[Rule, int]) -> None:
    """Add to the figures."""
    for name, figures in (("add_hours", hours), ("add_rules", rules)):
        kept = {key: n for key, n in figures.items() if n}
        if kept:
            columns = [list(column) for column in zip(*kept, strict=True)]
            await connection.execute(queries(_SQL)[name], tenant, *columns, list(kept.values()))


async def due_now(connection: Connection, tenant: str, contacts: Iterable[str]) -> None:
    """Something happened with these people: reckon them at once."""
    wanted = sorted(set(contacts))
    if wanted:
        await connection.execute(queries(_SQL)["due_now"], tenant, wanted)


async def due_first(connection: Connection, tenant: str, contacts: Iterable[str]) -> None:
    """These people are in the book: who was never reckoned is, at once."""
    wanted = sorted(set(contacts))
    if wanted:
        await connection.execute(queries(_SQL)["due_first"], tenant, wanted)


async def all_due(connection: Connection, tenant: str) -> None:
    """Everybody is to be reckoned anew."""
    await connection.execute(queries(_SQL)["all_due"], tenant)


async def take_due(connection: Connection, tenant: str, now: datetime, limit: int) -> list[str]:
    """Some of those whose time has come, held until the transaction ends."""
    return [row["contact"] for row in await connection.fetch(queries(_SQL)["take_due"], tenant, now, limit)]


async def last_contacts(connection: Connection, tenant: str, contacts: Sequence[str]) -> dict[str, datetime]:
    """When people were last contacted."""
    rows = await connection.fetch(queries(_SQL)["last_contacts"], tenant, list(contacts))
    return {row["contact"]: row["at"] for row in rows}


async def creditors(connection: Connection, tenant: str, debts: Iterable[str]) -> dict[str, str]:
    """Whose debts these are."""
    rows = await connection.fetch(queries(_SQL)["creditors"], tenant, sorted(set(debts)))
    return {row["id"]: row["creditor"] for row in rows}


async def put_margins(
    connection: Connection,
    tenant: str,
    contacts: Sequence[str],
    rows: Sequence[Reckoned],
    again: Mapping[str, datetime],
    now: datetime,
) -> None:
    """Replace what is kept of people, and say when each is to be reckoned again; who is not in ``again`` never is by time alone."""
    named = queries(_SQL)
    await connection.execute(named["drop_margins"], tenant, list(contacts))
    if rows:
        await connection.execute(
            named["add_margins"],
            tenant,
            [row.contact for row in rows],
            [row.rule for row in rows],
            [row.part for row in rows],
            [row.pack for row in rows],
            [row.jurisdiction for row in rows],
            [row.citation for row in rows],
            [row.asks for row in rows],
            [",".join(row.channels) for row in rows],
            [row.debt for row in rows],
            [json.dumps(row.debts) for row in rows],
            [json.dumps(row.creditors) for row in rows],
            [row.counted for row in rows],
            [row.limit for row in rows],
            [row.left for row in rows],
            [row.begins for row in rows],
            [row.ends for row in rows],
            [row.frees_at for row in rows],
            [row.last_at for row in rows],
            now,
            [row.event for row in rows],
        )
    ties = {
        (kind, value, row.contact)
        for row in rows
        for kind, values in (("debt", row.debts), ("creditor", row.creditors), ("channel", row.channels))
        for value in values
    }
    # Who was reckoned before has nearly always what she had: nothing of it is written again.
    columns = [list(column) for column in zip(*ties, strict=True)] if ties else [[], [], []]
    await connection.execute(named["drop_ties"], tenant, list(contacts), *columns)
    if ties:
        await connection.execute(named["add_ties"], tenant, *columns)
    await connection.execute(named["due_next"], tenant, list(again), list(again.values()))
    gone = [contact for contact in contacts if contact not in again]
    if gone:
        await connection.execute(named["not_due"], tenant, gone)
