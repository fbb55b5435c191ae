"""Who is bound by the word of another: those who owe the same debt, and those who use the same address."""

from collections.abc import Iterable
from typing import Final
from uuid import UUID

from storage.database import Connection
from storage.people import Key
from storage.queries import queries

_SQL: Final = "ties"


async def owing_together(connection: Connection, keys: Iterable[Key], limit: int) -> list[tuple[Key, Key]]:
    """Pairs of one of ``keys`` and somebody else who is tied to a debt of hers; at most ``limit`` of them."""
    wanted = sorted(set(keys))
    if not wanted:
        return []
    rows = await connection.fetch(
        queries(_SQL)["owing_together"], [k[0] for k in wanted], [k[1] for k in wanted], limit
    )
    return [((row["tenant"], row["who"]), (row["tenant"], row["other"])) for row in rows]


async def reached_by(connection: Connection, attempts: Iterable[UUID], limit: int) -> list[Key]:
    """Who uses an address that one of these attempts went to; at most ``limit`` of them."""
    wanted = sorted(set(attempts))
    if not wanted:
        return []
    rows = await connection.fetch(queries(_SQL)["reached_by"], wanted, limit)
    return [(row["tenant"], row["contact"]) for row in rows]
