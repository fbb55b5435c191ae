"""Reads keys as an operator lists them: across tenants, never more than their digest's owner and use."""

from storage.database import Connection
from storage.queries import queries
from storage.tenancy import KeyRow

_SQL = "keyring"


async def listed(connection: Connection, tenant: str | None) -> list[KeyRow]:
    """The keys of one tenant, or of all, oldest first."""
    return [
        KeyRow(
            id=row["id"],
            tenant=row["tenant"],
            scopes=tuple(row["scopes"]),
            label=row["label"],
            created_at=row["created_at"],
            revoked_at=row["revoked_at"],
            last_used_at=row["last_used_at"],
        )
        for row in await connection.fetch(queries(_SQL)["listed"], tenant)
    ]


async def knows(connection: Connection, tenant: str) -> bool:
    """Whether there is such a tenant."""
    return bool(await connection.fetchval(queries(_SQL)["knows"], tenant))
