"""Which links to people's pages were closed, and until when."""

from datetime import datetime

from storage.database import Connection
from storage.queries import queries

_SQL = "links"


async def closed(connection: Connection, tenant: str, contact: str, endpoint: str, made_at: datetime) -> bool:
    """Whether a link that went to this address of hers at that real instant was closed since."""
    return bool(await connection.fetchval(queries(_SQL)["closed"], tenant, contact, endpoint, made_at))


async def close(
    connection: Connection, tenant: str, contact: str, endpoint: str | None, real: datetime, why: str
) -> None:
    """Close every link that went to an address of hers until now; ``endpoint`` None: to any of them."""
    await connection.execute(queries(_SQL)["close"], tenant, contact, endpoint, real, why)
