"""Who vouches for a tenant's heads, and what they signed under which of them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from storage.database import Connection
from storage.queries import queries

_SQL: Final = "witnesses"


@dataclass(frozen=True, slots=True, kw_only=True)
class CosignatureRow:
    """What one witness signed: her name and key, when by her own clock, and the line of a signed note."""

    name: str
    public_key: bytes
    at: datetime
    line: str


async def known(connection: Connection, tenant: str) -> dict[str, bytes]:
    """The key of each witness of a tenant, by name."""
    return {row["name"]: row["public_key"] for row in await connection.fetch(queries(_SQL)["known"], tenant)}


async def keep(
    connection: Connection, tenant: str, size: int, name: str, public_key: bytes, at: datetime, line: str
) -> None:
    """Keep a cosignature, and the witness where she is new."""
    await connection.execute(queries(_SQL)["meet"], tenant, name, public_key)
    await connection.execute(queries(_SQL)["keep"], tenant, size, name, at, line)


async def last_size(connection: Connection, tenant: str) -> int | None:
    """The largest head that carries a cosignature."""
    size: int | None = await connection.fetchval(queries(_SQL)["last_size"], tenant)
    return size


async def under(connection: Connection, tenant: str, size: int) -> list[CosignatureRow]:
    """Who signed under the head of a size, by name."""
    return [CosignatureRow(**row) for row in await connection.fetch(queries(_SQL)["under"], tenant, size)]


async def latest(connection: Connection, tenant: str, limit: int) -> list[tuple[int, CosignatureRow]]:
    """What witnesses signed last, each with the size of the head it stands under, the largest first; at most ``limit``."""
    rows = [dict(row) for row in await connection.fetch(queries(_SQL)["latest"], tenant, limit)]
    return [(row.pop("size"), CosignatureRow(**row)) for row in rows]
