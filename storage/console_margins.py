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
#: Up to so many are sorted for one page.
FEW_MAX: Final = 20_000
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
    below_: int
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
        return self.left_, self.below_, self.contact, self.rule, self.part


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
    named = queries(_SQL)
    filters: Sequence[object] = (tenant, channel, creditor, since, jurisdiction, *after, limit)

    async def fetch(name: str, *more: object) -> list[MarginRow]:
        return [_margin(row) for row in await connection.fetch(named[name], *filters, *more)]

    if debt is not None:
        return await fetch("worst_of_few", "debt", debt, rule)
    # What few people meet is looked up; what many do is met soon on the way down the list.
    for kind, value in (("creditor", creditor), ("channel", channel)):
        if value is not None and await connection.fetchval(named["tied"], tenant, kind, value, FEW_MAX) < FEW_MAX:
            return await fetch("worst_of_few", kind, value, rule)
    if since is not None and await connection.fetchval(named["recent"], tenant, since, FEW_MAX) < FEW_MAX:
        return await fetch("worst_of_recent", rule)
    if rule is not None:
        return await fetch("worst_of_rule", rule)
    return await (fetch("worst") if jurisdiction is None else fetch("worst_of_law", jurisdiction))


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
