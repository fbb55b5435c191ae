"""Sound that goes out and what came in with replies: bytes in PostgreSQL, each of one tenant."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from storage.database import Connection
from storage.queries import queries

_SQL = "media"


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaRow:
    """One piece. ``state`` is ``kept``, or of a reply's also ``wanted`` and ``gone``; only what is kept has a body and a type."""

    id: UUID
    tenant: str
    kind: str
    state: str
    type: str | None
    seconds: float | None
    body: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedRow:
    """What a reply brought, by the provider's own reference to it."""

    id: UUID
    tenant: str
    contact: str
    event: UUID
    provider: str
    source: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leased:
    """Something to be fetched now; ``tries`` counts this one."""

    id: UUID
    provider: str
    source: str = field(repr=False)
    tries: int


async def add(
    connection: Connection,
    identity: UUID,
    tenant: str,
    kind: str,
    digest: bytes,
    body: bytes,
    seconds: float,
    real: datetime,
    contact: str | None = None,
) -> tuple[UUID, float, bool]:
    """Keep a note; the id, its seconds, and whether it is new. What was made of the same before is handed back instead.

    ``contact``: to whom alone it is said, so that it goes when she is erased; None for what is nobody's.
    """
    row = await connection.fetchrow(queries(_SQL)["add"], identity, tenant, kind, digest, seconds, body, real, contact)
    return row["id"], row["seconds"], row["new"]


async def same(connection: Connection, tenant: str, kind: str, digest: bytes) -> MediaRow | None:
    """The note that was made from this, if there is one."""
    return _row(await connection.fetchrow(queries(_SQL)["same"], tenant, kind, digest))


async def get(connection: Connection, tenant: str, identity: UUID) -> MediaRow | None:
    """One of a tenant's."""
    return _row(await connection.fetchrow(queries(_SQL)["get"], tenant, identity))


async def open_(connection: Connection, identity: UUID) -> MediaRow | None:
    """One that is kept, whoever asks: only for who holds a signed link to it."""
    return _row(await connection.fetchrow(queries(_SQL)["open"], identity))


async def used(connection: Connection, identity: UUID, real: datetime) -> None:
    """Keep it from being forgotten; written once a day at most."""
    await connection.execute(queries(_SQL)["used"], identity, real)


async def shared(connection: Connection, identity: UUID, contact: str) -> bool:
    """A note is said to this person too; whether it is still there."""
    return await connection.fetchval(queries(_SQL)["shared"], identity, contact) is not None


async def known(connection: Connection, named: Iterable[tuple[str, UUID]]) -> dict[tuple[str, UUID], float]:
    """Of ``(tenant, id)``: the recordings that are there, with their seconds."""
    wanted = sorted(set(named))
    if not wanted:
        return {}
    rows = await connection.fetch(queries(_SQL)["known"], [t for t, _ in wanted], [i for _, i in wanted])
    return {(row["tenant"], row["id"]): row["seconds"] for row in rows}


async def want(connection: Connection, rows: Sequence[WantedRow], real: datetime) -> None:
    """Note what is to be fetched."""
    if rows:
        await connection.execute(
            queries(_SQL)["want"],
            [row.id for row in rows],
            [row.tenant for row in rows],
            [row.contact for row in rows],
            [row.event for row in rows],
            [row.provider for row in rows],
            [row.source for row in rows],
            real,
        )


async def lease(connection: Connection, real: datetime, until: datetime, limit: int) -> list[Leased]:
    """What is to be fetched now, for nobody else before ``until``."""
    rows = await connection.fetch(queries(_SQL)["lease"], real, until, limit)
    return [Leased(id=r["id"], provider=r["provider"], source=r["source"], tries=r["tries"]) for r in rows]


async def keep(connection: Connection, identity: UUID, kind: str, digest: bytes, body: bytes) -> None:
    """It was fetched. ``kind`` is its media type, as sniffed."""
    await connection.execute(queries(_SQL)["keep"], identity, kind, digest, body)


async def give_up(connection: Connection, identity: UUID, why: str) -> None:
    """It will not be fetched."""
    await connection.execute(queries(_SQL)["give_up"], identity, why)


async def later(connection: Connection, identity: UUID, next_at: datetime) -> None:
    """Try again then."""
    await connection.execute(queries(_SQL)["later"], identity, next_at)


async def erase(connection: Connection, tenant: str, contact: str) -> None:
    """Everything that came in with a person's replies, and what was spoken to nobody else."""
    await connection.execute(queries(_SQL)["erase"], tenant, contact)


async def forget(
    connection: Connection, spoken_since: datetime, replies_before: datetime, uploads_since: datetime
) -> None:
    """Drop spoken notes (they can be spoken again) and recordings that nobody used since, and what replies brought before."""
    await connection.execute(queries(_SQL)["forget"], spoken_since, replies_before, uploads_since)


async def soon_spoken(
    connection: Connection, since: datetime, until: datetime, limit: int
) -> list[tuple[str, str, str, str | None]]:
    """Messages due in that span of the law's time that may be spoken: tenant, contact, ask, locale."""
    rows = await connection.fetch(queries(_SQL)["soon_spoken"], since, until, limit)
    return [(row["tenant"], row["contact"], row["ask"], row["locale"]) for row in rows]


def _row(row: Any) -> MediaRow | None:
    if row is None:
        return None
    return MediaRow(
        id=row["id"],
        tenant=row["tenant"],
        kind=row["kind"],
        state=row["state"],
        type=row["type"],
        seconds=row["seconds"],
        body=row["body"],
    )
