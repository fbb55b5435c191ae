"""What a simulated month asks of the database: whether everything that is due has been done, and what came of it all."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from storage.database import Connection
from storage.queries import queries

_SQL: Final = "month"
#: Counting everything takes long after a long month, real seconds.
COUNT_SECONDS_MAX: Final = 120


async def busy(connection: Connection, real: datetime, within: timedelta) -> bool:
    """Whether an attempt that was begun within that real time has no ending or no receipt yet."""
    since = max(0, int((real - within).timestamp() * 1000))
    return bool(await connection.fetchval(queries(_SQL)["busy"], UUID(int=since << 80)))


async def in_the_air(connection: Connection) -> bool:
    """Whether there are attempts whose ending nobody knows yet."""
    return bool(await connection.fetchval(queries(_SQL)["open"]))


async def statuses(connection: Connection, tenant: str) -> dict[str, int]:
    """Messages by status."""
    rows = await connection.fetch(queries(_SQL)["statuses"], tenant, timeout=COUNT_SECONDS_MAX)
    return {row["status"]: row["number"] for row in rows}


async def events(connection: Connection, tenant: str) -> dict[str, int]:
    """What happened to people, by type."""
    rows = await connection.fetch(queries(_SQL)["events"], tenant, timeout=COUNT_SECONDS_MAX)
    return {row["type"]: row["number"] for row in rows}
