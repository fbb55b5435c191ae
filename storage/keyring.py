"""Reads keys as an operator lists them: across tenants, never more than their digest's owner and use."""

from storage.database import Connection
from storage.queries import queries
from storage.tenancy import KeyRow, key_row

_SQL = "keyring"


async def listed(connection: Connection, tenant: str | None) -> list[KeyRow]:
    """The keys of one tenant, or of all, oldest first."""
    return [key_row(row) for row in await connection.fetch(queries(_SQL)["listed"], tenant)]


async def knows(connection: Connection, tenant: str) -> bool:
    """Whether there is such a tenant."""
    return bool(await connection.fetchval(queries(_SQL)["knows"], tenant))
