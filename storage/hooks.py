"""What providers told us: which words were seen already, and those kept raw because nobody could place them."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from storage.database import Connection
from storage.queries import queries

_SQL = "hooks"


async def first_seen(connection: Connection, keys: Iterable[tuple[str, str]], real: datetime) -> set[tuple[str, str]]:
    """Of ``(provider, key)``: those never seen before. Waits for another transaction that is storing the same one."""
    wanted = sorted(set(keys))
    rows = await connection.fetch(queries(_SQL)["first_seen"], [k[0] for k in wanted], [k[1] for k in wanted], real)
    return {(row["provider"], row["key"]) for row in rows}


async def keep(
    connection: Connection, identity: UUID, provider: str, kind: str, why: str, raw: bytes, real: datetime
) -> None:
    """Keep a hook raw for the operator."""
    await connection.execute(queries(_SQL)["keep"], identity, provider, kind, why, raw, real)


async def forget(connection: Connection, before: datetime) -> None:
    """Drop words seen before an instant of real time."""
    await connection.execute(queries(_SQL)["forget"], before)


async def pulled_until(connection: Connection, provider: str) -> datetime | None:
    """Until when a provider's list of what people sent has been read; None: never."""
    until: datetime | None = await connection.fetchval(queries(_SQL)["pulled_until"], provider)
    return until


async def pulled(connection: Connection, provider: str, until: datetime) -> None:
    """Note how far it has been read."""
    await connection.execute(queries(_SQL)["pulled"], provider, until)
