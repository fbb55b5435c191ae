"""Whom business portfolios wrote to first, as rows: held while something is reserved, given back where nothing left."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from storage.database import Connection
from storage.queries import queries

_SQL = "portfolios"


async def hold(connection: Connection, names: Collection[str]) -> None:
    """Lock portfolios until the transaction ends.

    To be called with messages, contacts, endpoints and budgets locked, and before the chain's head is.
    """
    await connection.execute(queries(_SQL)["hold"], sorted(names))


async def others(
    connection: Connection, portfolio: str, since: datetime, persons: Collection[str], skip: int, limit: int
) -> list[datetime]:
    """When people other than these were last written to first after ``since``, latest first, one instant each, a page."""
    rows = await connection.fetch(queries(_SQL)["others"], portfolio, since, sorted(persons), skip, limit)
    return [row["at"] for row in rows]


async def these(
    connection: Connection, portfolio: str, since: datetime, persons: Collection[str]
) -> dict[str, datetime]:
    """When each of these people was last written to first after ``since``."""
    rows = await connection.fetch(queries(_SQL)["these"], portfolio, since, sorted(persons))
    return {row["person"]: row["at"] for row in rows}


async def add(connection: Connection, openings: Sequence[tuple[UUID, str, str, datetime]]) -> None:
    """Store ``(attempt, portfolio, person, at)`` of portfolios that are held here."""
    if openings:
        await connection.execute(queries(_SQL)["open"], *[list(column) for column in zip(*openings, strict=True)])


async def give_back(connection: Connection, attempts: Collection[UUID]) -> None:
    """Forget openings of attempts that provably left nobody."""
    if attempts:
        await connection.execute(queries(_SQL)["give_back"], list(attempts))


async def forget(connection: Connection, before: datetime) -> None:
    """Drop openings from before an instant of the law's clock."""
    await connection.execute(queries(_SQL)["forget"], before)
