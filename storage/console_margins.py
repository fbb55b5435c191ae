"""Each person's distance to each limit as it was reckoned last, worst first, and how many people stand at each count."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from storage.database import Connection
from storage.queries import queries

_SQL: Final = "console_margins"

#: A place in the list: what is left, what is counted below zero, contact, rule, part.
Place = tuple[int, int, str, str, int]
START: Final[Place] = (-1, 0, "", "", 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginRow:
    """One person and one limit."""

    tenant: str
    contact: str
    rule: str
    part: int
    pack: str
    jurisdiction: str
    citation: str
    asks: str
    channels: tuple[str, ...]
    debt: str | None
    debts: tuple[str, ...]
    creditors: tuple[str, ...]
    counted: int
    limit_: int
    left_: int
    begins: datetime | None
    ends: datetime | None
    frees_at: datetime | None
    last_at: datetime | None
    event: str | None
    reckoned_at: datetime
    subject: UUID

    @property
    def place(self) -> Place:
        """Where the next page goes on."""
        return self.left_, -self.counted, self.contact, self.rule, self.part


@dataclass(frozen=True, slots=True, kw_only=True)
class SpreadRow:
    """How many people a limit counts so many contacts of."""

    rule: str
    pack: str
    jurisdiction: str
    channels: tuple[str, ...]
    limit_: int
    counted: int
    people: int


async def worst(
    connection: Connection,
    tenant: str,
    *,
    jurisdiction: str | None,
    rule: str | None,
    creditor: str | None,
    debt: str | None,
    channel: str | None,
    since: datetime | None,
    after: Place,
    limit: int,
) -> list[MarginRow]:
    """A page of people and limits, nearest limit first. ``since``: only who was contacted since."""
    arguments: Sequence[object] = (tenant, channel, creditor, since, rule, *after, limit)
    if debt is not None:
        rows = await connection.fetch(queries(_SQL)["worst_of_debt"], *arguments, debt)
        found = [_margin(row) for row in rows]
        return [row for row in found if jurisdiction in (None, row.jurisdiction)]
    if jurisdiction is not None:
        return [_margin(row) for row in await connection.fetch(queries(_SQL)["worst_of_law"], *arguments, jurisdiction)]
    return [_margin(row) for row in await connection.fetch(queries(_SQL)["worst"], *arguments)]


async def spread(
    connection: Connection, tenant: str, *, jurisdiction: str | None, channel: str | None
) -> list[SpreadRow]:
    """How many people stand at each count of each limit."""
    rows = await connection.fetch(queries(_SQL)["spread"], tenant, jurisdiction, channel)
    return [SpreadRow(**{**dict(row), "channels": tuple(row["channels"])}) for row in rows]


async def waiting(connection: Connection, tenant: str, now: datetime) -> int:
    """How many people wait to be reckoned anew; a thousand stands for more."""
    found: int = await connection.fetchval(queries(_SQL)["waiting"], tenant, now)
    return found


def _margin(row: object) -> MarginRow:
    found = dict(row)  # type: ignore[call-overload] # asyncpg has no types
    for name in ("channels", "debts", "creditors"):
        found[name] = tuple(found[name])
    return MarginRow(**found)
