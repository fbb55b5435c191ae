"""Templates as rows: versions that are written once, and the head that says which is in force."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from storage.database import Connection
from storage.queries import queries

_SQL = "templates"

#: (tenant, name, version); version 0: the one in force.
TemplateKey = tuple[str, str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateRow:
    """One version as it is kept; ``body`` is a JSON text, ``current`` the version in force."""

    name: str
    version: int
    current: int
    digest: bytes
    body: str = field(repr=False)
    created_at: datetime


async def put(
    connection: Connection, tenant: str, name: str, digest: bytes, body: str, now: datetime
) -> tuple[int, bool, bool]:
    """Put a body in force: the version that it is, whether it is a new one, and whether another was in force before.

    The same body is the same version, whenever it comes back.
    """
    current: int = await connection.fetchval(queries(_SQL)["lock"], tenant, name, now)
    version: int | None = await connection.fetchval(queries(_SQL)["version_of"], tenant, name, digest)
    added = version is None
    if version is None:
        version = await connection.fetchval(queries(_SQL)["add"], tenant, name, digest, body, now)
    assert version is not None
    if version != current:
        await connection.execute(queries(_SQL)["point"], tenant, name, version, now)
    return version, added, version != current


async def named(connection: Connection, keys: Iterable[TemplateKey]) -> dict[TemplateKey, tuple[int, bytes]]:
    """Version and digest of each template that exists."""
    wanted = sorted(set(keys))
    if not wanted:
        return {}
    rows = await connection.fetch(
        queries(_SQL)["named"], [k[0] for k in wanted], [k[1] for k in wanted], [k[2] for k in wanted]
    )
    return {(row["tenant"], row["name"], row["asked"]): (row["version"], row["digest"]) for row in rows}


async def get(connection: Connection, tenant: str, name: str, version: int = 0) -> TemplateRow | None:
    """One version; 0: the one in force."""
    row = await connection.fetchrow(queries(_SQL)["get"], tenant, name, version)
    return None if row is None else TemplateRow(**row)


async def listed(connection: Connection, tenant: str, after: str | None, limit: int) -> list[dict[str, Any]]:
    """A tenant's templates by name."""
    return [dict(row) for row in await connection.fetch(queries(_SQL)["listed"], tenant, after, limit)]


async def versions(
    connection: Connection, tenant: str, name: str, before: int | None, limit: int
) -> list[dict[str, Any]]:
    """One template's versions, newest first."""
    return [dict(row) for row in await connection.fetch(queries(_SQL)["versions"], tenant, name, before, limit)]
