"""Everything that is kept of one person, read for herself."""

from dataclasses import dataclass, field
from typing import Any

from storage.database import Connection
from storage.queries import queries

_SQL = "access"


@dataclass(frozen=True, slots=True, kw_only=True)
class Everything:
    """Rows as they are kept, oldest first."""

    events: list[Any] = field(repr=False)
    messages: list[Any] = field(repr=False)
    debts: list[Any] = field(repr=False)
    told: list[Any] = field(repr=False)
    entries: int


async def everything(connection: Connection, tenant: str, contact: str) -> Everything:
    """What stands under a person's name in any table."""
    named = queries(_SQL)
    return Everything(
        events=await connection.fetch(named["events"], tenant, contact),
        messages=await connection.fetch(named["messages"], tenant, contact),
        debts=await connection.fetch(named["debts"], tenant, contact),
        told=await connection.fetch(named["told"], tenant, contact),
        entries=await connection.fetchval(named["entries"], tenant, contact),
    )
