"""What attempts cost: budgets that are held while something is reserved, endings told to them, and sums of all of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from storage import messages
from storage.database import Connection
from storage.queries import queries

_SQL = "costs"

#: By what sums can be asked for.
GROUPS: Final = ("tenant", "channel", "provider", "contact", "message", "campaign", "debt")

#: A budget: its tenant, and what it is of.
BudgetKey = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CostRow:
    """One sum. ``actual`` holds what is known by now, ``spent`` what is known and, of the rest, what is expected."""

    key: str
    currency: str
    messages: int
    attempts: int
    expected: Decimal | None
    actual: Decimal | None
    spent: Decimal


async def hold(connection: Connection, budgets: Mapping[BudgetKey, datetime | None]) -> dict[BudgetKey, Decimal]:
    """Lock budgets until the transaction ends: what is spent of each. ``budgets``: when each one's period ends.

    To be called with messages, contacts and endpoints locked, and before the chain's head is.
    """
    keys = sorted(budgets)
    rows = await connection.fetch(
        queries(_SQL)["hold"], [key[0] for key in keys], [key[1] for key in keys], [budgets[key] for key in keys]
    )
    return {(row["tenant"], row["id"]): row["spent"] for row in rows}


async def book(connection: Connection, more: Mapping[BudgetKey, Decimal]) -> None:
    """Spend more of budgets that are held here."""
    if more:
        keys = list(more)
        await connection.execute(
            queries(_SQL)["book"], [key[0] for key in keys], [key[1] for key in keys], list(more.values())
        )


async def settle(connection: Connection, told: Mapping[UUID, tuple[Decimal, str]], *, booked: bool) -> None:
    """What attempts cost after all, with the currency; an amount in another one than was expected is passed over.

    ``booked``: whether any of them counts under a budget. Their messages are locked by the caller.
    """
    if told:
        if booked:
            await connection.fetch(queries(_SQL)["hold_booked"], list(told))
        amounts = [amount for amount, _ in told.values()]
        await connection.execute(queries(_SQL)["settle"], list(told), amounts, [unit for _, unit in told.values()])


@dataclass(frozen=True, slots=True, kw_only=True)
class Unbilled:
    """An attempt whose price its provider has not told yet. ``begun_at``: real time."""

    id: UUID
    provider_id: str
    begun_at: datetime


async def unbilled(connection: Connection, provider: str, after: UUID, before: UUID, limit: int) -> list[Unbilled]:
    """What a provider took and has not billed, of the attempts made between two ids, oldest first."""
    rows = await connection.fetch(queries(_SQL)["unbilled"], provider, after, before, limit)
    return [Unbilled(**row) for row in rows]


async def settle_bills(connection: Connection, told: Mapping[UUID, tuple[Decimal, str]], real: datetime) -> int:
    """Store what a provider billed, once for each attempt, and tell its budgets; how many were news.

    An amount in another currency than was expected stands in no sum: it counts as told, and is passed over.
    """
    rows = await connection.fetch(queries(_SQL)["messages_unbilled"], list(told))
    await messages.lock(connection, {row["message"] for row in rows})
    # Read again under the messages' locks: somebody else may have stored it meanwhile.
    rows = await connection.fetch(queries(_SQL)["messages_unbilled"], list(told))
    fresh = {row["id"]: told[row["id"]] for row in rows}
    await settle(connection, fresh, booked=True)
    await connection.execute(queries(_SQL)["billed"], list(fresh), real)
    return len(fresh)


async def asked_up_to(connection: Connection, provider: str, turn: int) -> UUID | None:
    """How far a round of asking a provider for bills has come; None: it has not begun."""
    after: UUID | None = await connection.fetchval(queries(_SQL)["asked_up_to"], provider, turn)
    return after


async def asked(connection: Connection, provider: str, turn: int, after: UUID) -> None:
    """Note how far it has come."""
    await connection.execute(queries(_SQL)["asked"], provider, turn, after)


async def forget(connection: Connection, before: datetime) -> None:
    """Drop budgets whose period ended before an instant of the law's clock."""
    await connection.execute(queries(_SQL)["forget"], before)


async def sums(
    connection: Connection,
    tenant: str,
    by: str,
    *,
    since: datetime,
    until: datetime,
    skip: int,
    limit: int,
) -> list[CostRow]:
    """What was spent in a span, by one of ``GROUPS``, in the order of keys and currencies, after so many."""
    if by not in GROUPS:
        raise ValueError(f"sums are by {', '.join(GROUPS)}")
    rows = await connection.fetch(queries(_SQL)["sums"], tenant, since, until, skip, limit, by)
    return [CostRow(**row) for row in rows]
