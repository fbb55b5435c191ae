"""What happened with one person, read back in order: her timeline, and her consents with their evidence."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from storage.database import Connection
from storage.queries import queries

_SQL = "timeline"


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """One line of a timeline. ``at``, ``rank`` and ``key`` together are its place; ``type`` is the contract's word."""

    at: datetime
    rank: int
    key: str
    type: str
    channel: str | None
    address: str | None = field(repr=False)
    data: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentRow:
    """One consent or withdrawal. ``words`` are hers; ``external_id`` is the CRM's name for it, if it told us."""

    id: UUID
    at: datetime
    channel: str | None
    endpoint: str | None
    address: str | None = field(repr=False)
    purpose: str | None
    debts: tuple[str, ...] | None
    detail: dict[str, Any]
    words: str | None = field(repr=False)
    evidence: dict[str, Any] = field(repr=False)
    external_id: str | None
    superseded_by: UUID | None


async def timeline(
    connection: Connection, tenant: str, contact: str, *, before: tuple[datetime, int, str] | None, limit: int
) -> list[Happened]:
    """A person's timeline below a place, newest first."""
    at, rank, key = before or (None, None, None)
    rows = await connection.fetch(queries(_SQL)["timeline"], tenant, contact, at, rank, key, limit)
    return [
        Happened(
            at=row["at"],
            rank=row["rank"],
            key=row["key"],
            type=row["type"],
            channel=row["channel"],
            address=row["address"],
            data=_known((json.loads(row["detail"]) if row["detail"] else {}) | json.loads(row["data"])),
        )
        for row in rows
    ]


async def consents(
    connection: Connection,
    tenant: str,
    contact: str,
    *,
    before: tuple[datetime, UUID] | None,
    limit: int,
    until: datetime | None = None,
) -> list[ConsentRow]:
    """A person's consents and withdrawals below a place, newest first; those that a correction replaced too.

    ``until``: only what was said up to then.
    """
    at, identity = before or (None, None)
    rows = await connection.fetch(queries(_SQL)["consents"], tenant, contact, at, identity, limit, until)
    return [
        ConsentRow(
            id=row["id"],
            at=row["at"],
            channel=row["channel"],
            endpoint=row["endpoint"],
            address=row["address"],
            purpose=row["purpose"],
            debts=None if row["debts"] is None else tuple(row["debts"]),
            detail=json.loads(row["detail"]) if row["detail"] else {},
            words=row["words"],
            evidence=json.loads(row["evidence"]) if row["evidence"] else {},
            external_id=row["external_id"],
            superseded_by=row["superseded_by"],
        )
        for row in rows
    ]


def _known(columns: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in columns.items() if value is not None}
