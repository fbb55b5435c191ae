"""Who is alive: processes beat on real time, and readiness asks whether a worker did."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from storage.database import Connection
from storage.queries import queries

_SQL = "liveness"

#: A process that has not beaten for this long is taken for dead.
SILENCE_MAX: Final = timedelta(seconds=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Queues:
    """What waits, and who works. ``deliveries_oldest``: since when the oldest event to a CRM is due, real time."""

    deliveries_due: int
    deliveries_oldest: datetime | None
    deliveries_parked: int
    unknown: int
    workers: int


async def beat(connection: Connection, process: UUID, kind: str) -> None:
    """This process lives; those silent for a day are forgotten."""
    await connection.execute(queries(_SQL)["beat"], process, kind)


async def alive(connection: Connection, kind: str) -> bool:
    """Whether a process of this kind has beaten lately."""
    return bool(await connection.fetchval(queries(_SQL)["alive"], kind, SILENCE_MAX))


async def leave(connection: Connection, process: UUID) -> None:
    """This process ends in good order."""
    await connection.execute(queries(_SQL)["leave"], process)


async def migrations(connection: Connection) -> set[str]:
    """The migrations that the database has."""
    return {row["name"] for row in await connection.fetch(queries(_SQL)["migrations"])}


async def depth(connection: Connection, legal: datetime) -> tuple[int, datetime | None]:
    """How many waiting messages are due, and since when the oldest of them."""
    row = await connection.fetchrow(queries(_SQL)["depth"], legal)
    return row["due"], row["oldest"]


async def queues(connection: Connection, real: datetime) -> Queues:
    """What waits beside messages that are due."""
    return Queues(**await connection.fetchrow(queries(_SQL)["queues"], real, SILENCE_MAX))
