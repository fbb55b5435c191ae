"""What the console keeps and reads: who is signed in and why they look at a person, what happened by hour, and the queues."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from storage.database import Connection
from storage.queries import queries

_SQL: Final = "console"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRow:
    """A live sign-in; all instants are real. ``scopes`` are those of its key, now."""

    tenant: str
    key: str
    begun_at: datetime
    seen_at: datetime
    expires_at: datetime
    scopes: tuple[str, ...]
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HourRow:
    """How often something happened in one hour of people's own days."""

    day: date
    hour: int
    jurisdiction: str
    channel: str
    measure: str
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleRow:
    """How many messages a rule held back."""

    rule: str
    pack: str
    effect: str
    channel: str
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryRow:
    """An entry of the trace as it is looked at."""

    idx: int
    kind: str
    at: datetime
    header: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownRow:
    """A message of which nobody knows whether it left us."""

    id: UUID
    channel: str
    resolution: str | None
    created_at: datetime
    updated_at: datetime
    subject: UUID
    contact: str
    looked_at: datetime | None
    looked_by: str | None
    provider: str | None
    reserved_at: datetime | None
    lookups: int | None
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldRow:
    """A person to whom nothing is written until somebody has looked at what she said."""

    id: UUID
    at: datetime
    contact: str
    subject: UUID
    zones: tuple[str, ...]
    until: datetime
    reason: str | None
    waiting: int


async def sign_in(
    connection: Connection, digest: bytes, tenant: str, key: str, real: datetime, expires: datetime
) -> None:
    """Begin a session."""
    await connection.execute(queries(_SQL)["sign_in"], digest, tenant, key, real, expires)


async def session(connection: Connection, digest: bytes, real: datetime, idle_since: datetime) -> SessionRow | None:
    """The session behind a digest, while it lives."""
    row = await connection.fetchrow(queries(_SQL)["session"], digest, real, idle_since)
    return None if row is None else SessionRow(**{**dict(row), "scopes": tuple(row["scopes"])})


async def seen(connection: Connection, digest: bytes, real: datetime) -> None:
    """It is in use."""
    await connection.execute(queries(_SQL)["seen"], digest, real)


async def sign_out(connection: Connection, digest: bytes) -> None:
    """End it."""
    await connection.execute(queries(_SQL)["sign_out"], digest)


async def forget_sessions(connection: Connection, before: datetime) -> None:
    """Drop sessions that ended before a real instant."""
    await connection.execute(queries(_SQL)["forget_sessions"], before)


async def give_reason(
    connection: Connection, digest: bytes, tenant: str, contact: str, reason: str, note: str, until: datetime
) -> None:
    """Keep why a session looks at a person, until a real instant."""
    await connection.execute(queries(_SQL)["give_reason"], digest, tenant, contact, reason, note, until)


async def reason(
    connection: Connection, digest: bytes, tenant: str, contact: str, real: datetime
) -> tuple[str, str] | None:
    """The reason and their own words, while it holds."""
    row = await connection.fetchrow(queries(_SQL)["reason"], digest, tenant, contact, real)
    return None if row is None else (row["reason"], row["note"])


async def contact_of(connection: Connection, tenant: str, subject: UUID) -> str | None:
    """The CRM's name of a person by ours."""
    found: str | None = await connection.fetchval(queries(_SQL)["contact_of"], tenant, subject)
    return found


async def find(connection: Connection, tenant: str, named: str, address: str, channels: Sequence[str]) -> list[UUID]:
    """Our names of the people whom the CRM calls so, or who have this address."""
    rows = await connection.fetch(queries(_SQL)["find"], tenant, named, address, list(channels))
    return [row["subject"] for row in rows]


async def behind_event(
    connection: Connection, tenant: str, event: UUID
) -> tuple[UUID | None, UUID | None, UUID] | None:
    """(attempt, message, subject) behind an event that counted."""
    row = await connection.fetchrow(queries(_SQL)["reason_of_event"], tenant, event)
    return None if row is None else (row["attempt"], row["message"], row["subject"])


async def entries_of_message(connection: Connection, tenant: str, message: UUID) -> list[EntryRow]:
    """The trace of one message, in order."""
    return [EntryRow(**row) for row in await connection.fetch(queries(_SQL)["entries_of_message"], tenant, message)]


async def entries_of_subject(connection: Connection, tenant: str, subject: UUID, limit: int) -> list[EntryRow]:
    """The trace of one person, newest first."""
    rows = await connection.fetch(queries(_SQL)["entries_of_subject"], tenant, subject, limit)
    return [EntryRow(**row) for row in rows]


async def entry(connection: Connection, tenant: str, index: int) -> Mapping[str, Any] | None:
    """One entry as it stands on disk."""
    row = await connection.fetchrow(queries(_SQL)["entry"], tenant, index)
    return None if row is None else dict(row)


async def hours(
    connection: Connection,
    tenant: str,
    since: date,
    until: date,
    *,
    measures: Sequence[str],
    jurisdiction: str | None = None,
    channel: str | None = None,
) -> list[HourRow]:
    """What happened on the days from ``since`` to ``until``, both included."""
    rows = await connection.fetch(queries(_SQL)["hours"], tenant, since, until, jurisdiction, channel, list(measures))
    return [HourRow(**row) for row in rows]


async def sums(
    connection: Connection,
    tenant: str,
    since: date,
    until: date,
    *,
    jurisdiction: str | None = None,
    channel: str | None = None,
) -> dict[str, int]:
    """The same, summed by measure."""
    rows = await connection.fetch(queries(_SQL)["sums"], tenant, since, until, jurisdiction, channel)
    return {row["measure"]: row["n"] for row in rows}


async def rules(
    connection: Connection, tenant: str, since: date, until: date, channel: str | None = None
) -> list[RuleRow]:
    """What rules held back on these days."""
    return [RuleRow(**row) for row in await connection.fetch(queries(_SQL)["rules"], tenant, since, until, channel)]


async def jurisdictions(connection: Connection, tenant: str, since: date, until: date) -> list[str]:
    """The laws under which something happened on these days."""
    rows = await connection.fetch(queries(_SQL)["jurisdictions"], tenant, since, until)
    return [row["jurisdiction"] for row in rows]


async def unknown(connection: Connection, tenant: str, after: UUID | None, limit: int) -> list[UnknownRow]:
    """Messages whose fate nobody knows, oldest first."""
    return [UnknownRow(**row) for row in await connection.fetch(queries(_SQL)["unknown"], tenant, after, limit)]


async def looked(connection: Connection, tenant: str, message: UUID, key: str, now: datetime) -> bool:
    """Mark such a message as looked at; False when somebody had, or when it is unknown no more."""
    found = await connection.fetchval(queries(_SQL)["looked"], tenant, message, key, now)
    return found is not None


async def held(connection: Connection, tenant: str, now: datetime, limit: int) -> list[HeldRow]:
    """People who are held, newest first."""
    found = []
    for row in await connection.fetch(queries(_SQL)["held"], tenant, now, limit):
        detail = json.loads(row["detail"])
        found.append(
            HeldRow(
                id=row["id"],
                at=row["at"],
                contact=row["contact"],
                subject=row["subject"],
                zones=tuple(row["zones"]),
                until=datetime.fromisoformat(detail["until"]),
                reason=detail.get("reason"),
                waiting=row["waiting"],
            )
        )
    return found


async def heads(connection: Connection, tenant: str, limit: int) -> list[Mapping[str, Any]]:
    """The last signed heads, newest first."""
    return [dict(row) for row in await connection.fetch(queries(_SQL)["heads"], tenant, limit)]


async def zone(connection: Connection, tenant: str) -> str | None:
    """Where the last person was whom an entry was about."""
    found: str | None = await connection.fetchval(queries(_SQL)["zone"], tenant)
    return found


async def behind(connection: Connection, tenant: str) -> int:
    """Entries that the figures do not hold yet."""
    found: int | None = await connection.fetchval(queries(_SQL)["behind"], tenant)
    return found or 0


async def counted_to(connection: Connection, tenant: str) -> int:
    """How many entries the figures hold."""
    found: int | None = await connection.fetchval(queries(_SQL)["counted_to"], tenant)
    return found or 0
