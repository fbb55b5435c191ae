"""Reads what became of the events for the CRM, as its developers ask: by endpoint, newest first, page by page."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from storage.database import Connection
from storage.queries import queries

_SQL = "deliveries"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRow:
    """One event on its way to one endpoint, or there, or parked. ``next_at`` and ``first_at`` are real time."""

    event: UUID
    type: str
    contact: str
    state: str
    tries: int
    next_at: datetime
    first_at: datetime
    last_status: int | None
    last_error: str | None
    seq: int
    occurred_at: datetime


async def knows(connection: Connection, tenant: str, endpoint: UUID) -> bool:
    """Whether the endpoint is one of the tenant's."""
    return bool(await connection.fetchval(queries(_SQL)["knows"], tenant, endpoint))


async def count(connection: Connection, tenant: str) -> int:
    """How many endpoints the tenant has."""
    return int(await connection.fetchval(queries(_SQL)["count"], tenant))


async def page(
    connection: Connection, tenant: str, endpoint: UUID, *, before: int | None, limit: int
) -> list[DeliveryRow]:
    """Deliveries of events older than ``before``, newest event first."""
    rows = await connection.fetch(queries(_SQL)["page"], tenant, endpoint, before, limit)
    return [DeliveryRow(**row) for row in rows]
