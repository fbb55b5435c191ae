"""Events for the CRM and their deliveries: written in the transactions that make them true, delivered later."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from storage.database import Connection
from storage.queries import queries, shared
from vocabulary.values import quickly_made, reading

_SQL = "outbox"


@quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class EventOut:
    """One event for the CRM; ``body`` is the ``data`` object as JSON."""

    id: UUID
    tenant: str
    contact: str
    type: str
    body: str = field(repr=False)
    occurred_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointRow:
    """Where a CRM wants its events. Secrets: the current one first."""

    id: UUID
    tenant: str
    url: str = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    types: tuple[str, ...]
    created_at: datetime


@quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event on its way to one endpoint, leased to this process."""

    endpoint: UUID
    url: str = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    event: UUID
    tenant: str
    type: str
    body: str = field(repr=False)
    occurred_at: datetime
    tries: int
    first_at: datetime


_delivery: Final = reading(Delivery, made={"secrets": tuple})


async def add(connection: Connection, events: Sequence[EventOut], real: datetime) -> None:
    """Store events, and one delivery for each endpoint that wants them."""
    if events:
        await connection.execute(
            queries(_SQL)["add"],
            [e.id for e in events],
            shared([e.tenant for e in events]),
            [e.contact for e in events],
            shared([e.type for e in events]),
            [e.body for e in events],
            shared([e.occurred_at for e in events]),
            real,
        )


async def lease(connection: Connection, real: datetime, limit: int, seconds: float, reach: int) -> list[Delivery]:
    """Deliveries that are due and first in their contact's line, leased for ``seconds`` of real time.

    ``reach``: among how many due ones they are looked for; those that wait behind another of their contact are passed over.
    """
    rows = await connection.fetch(queries(_SQL)["lease"], real, limit, seconds, reach)
    return [_delivery(row) for row in sorted(rows, key=lambda row: row["seq"])]


async def told(
    connection: Connection, results: Sequence[tuple[UUID, UUID, str, datetime, int | None, str | None]]
) -> None:
    """Store how deliveries went: ``(endpoint, event, state, next_at, status, error)``."""
    if results:
        await connection.execute(queries(_SQL)["told"], *[list(column) for column in zip(*results, strict=True)])


async def next_due(connection: Connection) -> datetime | None:
    """When the next delivery is due, in real time."""
    at: datetime | None = await connection.fetchval(queries(_SQL)["next_due"])
    return at


async def put_endpoint(connection: Connection, row: EndpointRow) -> None:
    """A new endpoint; it gets the events from now on."""
    await connection.execute(
        queries(_SQL)["put_endpoint"], row.id, row.tenant, row.url, list(row.secrets), list(row.types), row.created_at
    )


async def endpoints(connection: Connection, tenant: str) -> list[EndpointRow]:
    """A tenant's endpoints, oldest first."""
    return [_endpoint(row) for row in await connection.fetch(queries(_SQL)["endpoints"], tenant)]


async def put_secret(connection: Connection, tenant: str, endpoint: UUID, secret: str, old_until: datetime) -> bool:
    """A new secret that signs beside the present one until an instant of real time; False when there is no such endpoint."""
    return bool(await connection.fetchval(queries(_SQL)["put_secret"], tenant, endpoint, secret, old_until))


async def drop_endpoint(connection: Connection, tenant: str, endpoint: UUID) -> bool:
    """Remove an endpoint with its deliveries; False when there is none."""
    # All rows are fetched: a statement that is left at its first row never runs what stands beside it.
    return bool(await connection.fetch(queries(_SQL)["drop_endpoint"], tenant, endpoint))


async def forget_orphans(connection: Connection) -> None:
    """Drop deliveries to endpoints that were removed while somebody was adding events."""
    await connection.execute(queries(_SQL)["forget_orphans"])


async def deliveries(connection: Connection, tenant: str, endpoint: UUID, limit: int) -> list[dict[str, Any]]:
    """How the last deliveries to an endpoint went, newest first."""
    return [dict(row) for row in await connection.fetch(queries(_SQL)["deliveries"], tenant, endpoint, limit)]


async def retry(connection: Connection, tenant: str, endpoint: UUID, event: UUID, real: datetime) -> bool:
    """Put one delivery back in line; False when there is none."""
    return bool(await connection.fetchval(queries(_SQL)["retry"], tenant, endpoint, event, real))


async def replay(connection: Connection, tenant: str, endpoint: UUID, since: datetime, real: datetime) -> int:
    """Deliver every wanted event since an instant again; how many."""
    count: int = await connection.fetchval(queries(_SQL)["replay"], tenant, endpoint, since, real)
    return count


def _endpoint(row: Any) -> EndpointRow:
    return EndpointRow(
        id=row["id"],
        tenant=row["tenant"],
        url=row["url"],
        secrets=tuple(row["secrets"]),
        types=tuple(row["types"]),
        created_at=row["created_at"],
    )
