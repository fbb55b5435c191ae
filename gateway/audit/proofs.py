"""Proves that the trace holds an entry and that it only ever grew, out of a few kept hashes and never out of the whole trace."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from storage import proofs
from storage.database import Connection, Database
from storage.proofs import Node
from tracelog.head import SignedHead
from tracelog.tree import Frontier, Ranges, consistency_ranges, halves, inclusion_ranges, node_hash

#: Levels of subtrees whose roots are kept, largest first.
KEPT: Final = (16, 8)
BLOCK: Final = 1 << KEPT[-1]


class NoSuchTree(ValueError):
    """The trace never had so many entries, or has no such entry."""


class Sealer(Protocol):
    """Signs what stands in a tenant's trace."""

    async def seal(self, tenant: str, /) -> SignedHead:
        """Seal everything committed so far; the head over all of it. Raises ``gateway.seal.Broken``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Hashes that prove something of a tree of ``size`` leaves, nearest first (RFC 9162 §2.1.3, §2.1.4). ``leaf``: of an entry."""

    size: int
    hashes: tuple[bytes, ...]
    leaf: bytes | None = None


class Prover:
    """Answers proofs about any tenant's trace as it stands on disk."""

    def __init__(self, *, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def inclusion(self, tenant: str, index: int, size: int | None) -> Proof:
        """That entry ``index`` stands in the trace of ``size`` entries (None: all that is sealed). Raises NoSuchTree or Broken."""
        end = (await self._sealer.seal(tenant)).head.size
        size = end if size is None else size
        if not 0 <= index < size <= end:
            raise NoSuchTree(f"no entry {index} in a trace of {size}, of which {end} are sealed")

        async def read(connection: Connection) -> Proof:
            hashes = await roots(connection, tenant, inclusion_ranges(index, size))
            leaf = await proofs.leaves(connection, tenant, [(index, index + 1)])
            return Proof(size=size, hashes=tuple(hashes), leaf=leaf[index])

        return await self._database.read(read)

    async def consistency(self, tenant: str, old: int, size: int | None) -> Proof:
        """That the first ``old`` entries begin the trace of ``size``. Raises NoSuchTree or Broken."""
        end = (await self._sealer.seal(tenant)).head.size
        size = end if size is None else size
        if not 0 <= old <= size <= end:
            raise NoSuchTree(f"no trace of {old} entries grew to {size}; {end} are sealed")

        async def read(connection: Connection) -> Proof:
            ranges = consistency_ranges(old, size) if 0 < old < size else []
            return Proof(size=size, hashes=tuple(await roots(connection, tenant, ranges)))

        return await self._database.read(read)


async def roots(connection: Connection, tenant: str, ranges: Ranges) -> list[bytes]:
    """The root over each range of leaves."""
    wanted = {part for low, high in ranges for part in _parts(low, high)}
    kept = await proofs.nodes(connection, tenant, [node for node in map(_node, wanted) if node is not None])
    missing = [span for span in wanted if _node(span) not in kept]
    leaves = await proofs.leaves(connection, tenant, missing)
    return [_root(low, high, kept, leaves) for low, high in ranges]


async def grown(connection: Connection, tenant: str, size: int, leaves: Sequence[bytes]) -> None:
    """Keep the roots of the subtrees that were filled when ``leaves`` came to ``size`` that were there; the sealer's last step."""
    begin = size - size % BLOCK
    before = await proofs.leaves(connection, tenant, [(begin, size)]) if begin < size else {}
    block = [*(before[index] for index in range(begin, size)), *leaves]
    found: dict[Node, bytes] = {}
    for start in range(0, len(block) - BLOCK + 1, BLOCK):
        frontier = Frontier()
        frontier.extend(block[start : start + BLOCK])
        found[KEPT[-1], (begin + start) // BLOCK] = frontier.root()
    await proofs.put_nodes(connection, tenant, found)
    upper, lower = KEPT
    fan = 1 << (upper - lower)
    for place in sorted({place // fan for _, place in found if (place + 1) % fan == 0}):
        below = await proofs.nodes(connection, tenant, [(lower, place * fan + n) for n in range(fan)])
        if len(below) == fan:
            frontier = Frontier()
            frontier.extend(below[lower, place * fan + n] for n in range(fan))
            await proofs.put_nodes(connection, tenant, {(upper, place): frontier.root()})


def _node(span: tuple[int, int]) -> Node | None:
    """The kept subtree that a range of leaves is, if it is one."""
    low, high = span
    for level in KEPT:
        if high - low == 1 << level and low % (1 << level) == 0:
            return level, low >> level
    return None


def _parts(low: int, high: int) -> Iterator[tuple[int, int]]:
    """The kept subtrees and short runs of leaves that a range is made of."""
    if _node((low, high)) is not None or high - low < BLOCK:
        yield low, high
        return
    middle = halves(low, high)
    yield from _parts(low, middle)
    yield from _parts(middle, high)


def _root(low: int, high: int, kept: dict[Node, bytes], leaves: dict[int, bytes]) -> bytes:
    node = _node((low, high))
    if node is not None and node in kept:
        return kept[node]
    if node is not None or high - low < BLOCK:
        frontier = Frontier()
        frontier.extend(leaves[index] for index in range(low, high))
        return frontier.root()
    middle = halves(low, high)
    return node_hash(_root(low, middle, kept, leaves), _root(middle, high, kept, leaves))
