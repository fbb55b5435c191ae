"""Links that bind a chat to a person: offered, used once, and the address that comes of it."""

from datetime import datetime

from storage.database import Connection
from storage.people import Key
from storage.queries import queries

_SQL = "starts"


async def offer(
    connection: Connection, digest: bytes, key: Key, provider: str, real: datetime, until: datetime
) -> None:
    """Keep a link of a person who exists."""
    await connection.execute(queries(_SQL)["offer"], digest, *key, provider, real, until)


async def still_open(connection: Connection, key: Key, real: datetime) -> int:
    """How many links of a person nobody has used yet."""
    count: int = await connection.fetchval(queries(_SQL)["open"], *key, real)
    return count


async def use(connection: Connection, digest: bytes, provider: str, real: datetime) -> Key | None:
    """Take a link; whose it is, or None when there is none, it has expired, or it was used."""
    row = await connection.fetchrow(queries(_SQL)["use"], digest, provider, real)
    return None if row is None else (row["tenant"], row["contact"])


async def bind(connection: Connection, key: Key, address: str, endpoint: str, kind: str, real: datetime) -> None:
    """Give her the chat. Needs her row locked, and the endpoint's row to exist."""
    await connection.execute(queries(_SQL)["bind"], *key, address, endpoint, kind, real)


async def withdrew(connection: Connection, key: Key) -> bool:
    """Whether she ever took back what covers Telegram."""
    found: bool = await connection.fetchval(queries(_SQL)["withdrew"], *key)
    return found
