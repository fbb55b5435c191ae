"""Do-not-contact registers as rows: versions that are read in pieces and come into force at once."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID

from storage.database import Connection
from storage.people import Key
from storage.queries import queries
from vocabulary.channel import Channel
from vocabulary.event import Event, Listed, RegisterRead

_SQL = "registers"

#: An entry of which nobody knows since when has always stood there: it binds at once.
ALWAYS: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of a register: a keyed digest, the channel it speaks of (empty: every one) and since when."""

    endpoint: str
    channel: str = ""
    since: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterRow:
    """A register and its version in force; ``number`` is None while there is none yet."""

    name: str
    number: int | None
    as_of: datetime | None
    ended_at: datetime | None
    report: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRow:
    """One version of a register."""

    name: str
    number: int
    state: str
    as_of: datetime
    begun_at: datetime
    ended_at: datetime | None
    report: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A version beside the one in force, in entries."""

    entries: int
    added: int
    gone: int


async def current(connection: Connection, tenant: str, name: str) -> UUID | None:
    """The version in force of a register, which is there from now on and locked until the transaction ends."""
    version: UUID | None = await connection.fetchval(queries(_SQL)["known"], tenant, name.casefold(), name)
    return version


async def begin(connection: Connection, version: UUID, tenant: str, name: str, as_of: datetime, real: datetime) -> int:
    """A version that is being read; its number."""
    number: int = await connection.fetchval(queries(_SQL)["begin"], version, tenant, name.casefold(), as_of, real)
    return number


async def add(connection: Connection, version: UUID, entries: Sequence[Entry]) -> None:
    """Put entries into a version."""
    await connection.execute(
        queries(_SQL)["add"],
        version,
        [entry.endpoint for entry in entries],
        [entry.channel for entry in entries],
        [entry.since for entry in entries],
    )


async def compare(connection: Connection, version: UUID, other: UUID | None) -> Compared:
    """A whole version beside another. Reads both, so it joins as this transaction otherwise must not."""
    await connection.execute("SET LOCAL enable_hashjoin = on")
    await connection.execute("SET LOCAL plan_cache_mode = auto")
    await connection.execute("SET LOCAL enable_mergejoin = on")
    row = await connection.fetchrow(queries(_SQL)["compared"], version, other)
    return Compared(entries=row["entries"], added=row["added"], gone=row["gone"])


async def copy(
    connection: Connection, version: UUID, other: UUID, after: tuple[str, str], limit: int
) -> tuple[str, str] | None:
    """Take over a page of what another version holds; where the page ends, None when nothing was left."""
    row = await connection.fetchrow(queries(_SQL)["copy"], version, other, *after, limit)
    return None if row is None else (row["endpoint"], row["channel"])


async def swap(
    connection: Connection,
    tenant: str,
    name: str,
    version: UUID,
    *,
    as_of: datetime,
    report: dict[str, Any],
    real: datetime,
) -> None:
    """Bring a version into force with the end of this transaction; the one before it is past."""
    key = name.casefold()
    await connection.execute(queries(_SQL)["take"], tenant)
    await connection.execute(queries(_SQL)["swap"], tenant, key, version, as_of)
    await connection.execute(queries(_SQL)["past"], tenant, key, version)
    await connection.execute(queries(_SQL)["end"], version, "in_force", json.dumps(report), as_of, real)


async def give_up(connection: Connection, version: UUID, report: dict[str, Any], real: datetime) -> None:
    """A version that never comes into force."""
    await connection.execute(queries(_SQL)["end"], version, "given_up", json.dumps(report), None, real)


async def clear(connection: Connection, version: UUID, limit: int) -> bool:
    """Take away up to ``limit`` entries of a version; whether there may be more."""
    tag = await connection.execute(queries(_SQL)["clear"], version, limit)
    return int(tag.rpartition(" ")[2]) == limit


async def to_clear(connection: Connection, silent_since: datetime, limit: int) -> list[tuple[UUID, str]]:
    """Versions whose entries are of no use any more, with their state."""
    rows = await connection.fetch(queries(_SQL)["cleared"], silent_since, limit)
    return [(row["id"], row["state"]) for row in rows]


async def struck(connection: Connection, tenant: str, version: UUID) -> list[UUID]:
    """Waiting messages of people who use an address that a version holds."""
    await connection.execute("SET LOCAL enable_hashjoin = on")
    await connection.execute("SET LOCAL plan_cache_mode = auto")
    rows = await connection.fetch(queries(_SQL)["struck"], tenant, version)
    return [row["id"] for row in rows]


async def listed(connection: Connection, tenant: str) -> list[RegisterRow]:
    """A tenant's registers."""
    rows = await connection.fetch(queries(_SQL)["listed"], tenant)
    return [
        RegisterRow(
            name=row["name"],
            number=row["number"],
            as_of=row["as_of"],
            ended_at=row["ended_at"],
            report=json.loads(row["report"]) if row["report"] else {},
        )
        for row in rows
    ]


async def versions(connection: Connection, tenant: str, name: str, limit: int) -> list[VersionRow]:
    """The versions of one register, the newest first."""
    rows = await connection.fetch(queries(_SQL)["versions"], tenant, name.casefold(), limit)
    return [
        VersionRow(
            name=row["name"],
            number=row["number"],
            state=row["state"],
            as_of=row["as_of"],
            begun_at=row["begun_at"],
            ended_at=row["ended_at"],
            report=json.loads(row["report"]),
        )
        for row in rows
    ]


async def facts(
    connection: Connection, keys: Sequence[Key], shared: Sequence[tuple[Key, str]]
) -> dict[Key, list[Event]]:
    """What the registers in force say of people by their endpoints, and when each register was read."""
    found: dict[Key, list[Event]] = {}
    read = await connection.fetch(queries(_SQL)["read"], sorted({tenant for tenant, _ in keys}))
    if not read:
        return found
    rows = await connection.fetch(
        queries(_SQL)["entries"], [k[0] for k, _ in shared], [k[1] for k, _ in shared], [e for _, e in shared]
    )
    for key in keys:
        found[key] = _reads(key, read)
    for row in rows:
        key = row["tenant"], row["contact"]
        found[key].append(
            Listed(
                at=ALWAYS if row["since"] is None else datetime.combine(row["since"], datetime.min.time(), UTC),
                register=row["name"],
                channel=Channel(row["channel"]) if row["channel"] else None,
                address=row["endpoint"],
                since=row["since"],
                person=key[1],
            )
        )
    return found


def _reads(key: Key, rows: Iterable[Any]) -> list[Event]:
    return [
        RegisterRead(at=row["as_of"], register=row["name"], person=key[1]) for row in rows if row["tenant"] == key[0]
    ]
