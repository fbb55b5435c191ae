"""Hashes of the trace's tree as they are kept: leaves beside their entries, and roots of full subtrees."""

from collections.abc import Iterable, Mapping
from typing import Final

from storage.database import Connection
from storage.queries import queries

_SQL: Final = "proofs"

#: (level, place): the subtree of 2^level leaves that begins at leaf ``place * 2^level``.
Node = tuple[int, int]


async def put_nodes(connection: Connection, tenant: str, nodes: Mapping[Node, bytes]) -> None:
    """Keep roots of full subtrees."""
    if nodes:
        levels, places = zip(*nodes, strict=True)
        await connection.execute(queries(_SQL)["put_nodes"], tenant, list(levels), list(places), list(nodes.values()))


async def nodes(connection: Connection, tenant: str, wanted: Iterable[Node]) -> dict[Node, bytes]:
    """Those of the roots that are kept."""
    asked = list(wanted)
    if not asked:
        return {}
    levels, places = zip(*asked, strict=True)
    rows = await connection.fetch(queries(_SQL)["nodes"], tenant, list(levels), list(places))
    return {(row["level"], row["place"]): row["hash"] for row in rows}


async def leaves(connection: Connection, tenant: str, ranges: Iterable[tuple[int, int]]) -> dict[int, bytes]:
    """Leaf hashes of half-open ranges, by index."""
    asked = list(ranges)
    if not asked:
        return {}
    lows, highs = zip(*asked, strict=True)
    rows = await connection.fetch(queries(_SQL)["leaves"], tenant, list(lows), list(highs))
    return {row["idx"]: row["leaf"] for row in rows}


async def head_at(connection: Connection, tenant: str, size: int) -> str | None:
    """The signed note over exactly so many entries, or None when none was signed there."""
    note: str | None = await connection.fetchval(queries(_SQL)["head_at"], tenant, size)
    return note
