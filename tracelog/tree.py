"""The Merkle tree over a tenant's entries: appending, roots, and proofs that a tree holds an entry and only ever grew.

RFC 9162 §2.1 (the same tree as RFC 6962 §2.1) with SHA-256: an inner node is ``SHA-256(0x01 || left || right)``, the
root of nothing is ``SHA-256("")``. Leaves come hashed, as ``tracelog.entry`` makes them.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Final

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = sha256(b"").digest()

#: Half-open ranges of leaf indices; the proof is the root of each.
Ranges = list[tuple[int, int]]


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """The right edge of a tree: the roots of its perfect subtrees, largest first, which is all that appending needs.

    ``size`` is the number of leaves; ``hashes`` has one for each set bit of it, so 40 are enough for 10^12 entries.
    """

    __slots__ = ("hashes", "size")

    def __init__(self, size: int = 0, hashes: Iterable[bytes] = ()) -> None:
        """Go on from a stored frontier; a ValueError when these hashes cannot belong to a tree of that size."""
        self.size = size
        self.hashes = list(hashes)
        if size < 0 or len(self.hashes) != size.bit_count():
            raise ValueError(f"a frontier of {size} leaves has {size.bit_count()} hashes, not {len(self.hashes)}")
        if any(len(one) != HASH_BYTES for one in self.hashes):
            raise ValueError(f"a hash is {HASH_BYTES} bytes")

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash: two hashes of work on average, whatever the size."""
        hashes = self.hashes
        carry = self.size
        while carry & 1:
            leaf = sha256(b"\x01" + hashes.pop() + leaf).digest()
            carry >>= 1
        hashes.append(leaf)
        self.size += 1

    def graft(self, level: int, root: bytes) -> None:
        """Add 2^level leaves at once by the root over them; a ValueError where such a subtree does not begin here."""
        if self.size & ((1 << level) - 1):
            raise ValueError(f"no subtree of level {level} begins at leaf {self.size}")
        hashes = self.hashes
        carry = self.size >> level
        while carry & 1:
            root = node_hash(hashes.pop(), root)
            carry >>= 1
        hashes.append(root)
        self.size += 1 << level

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Add leaf hashes in order."""
        for leaf in leaves:
            self.append(leaf)

    def root(self) -> bytes:
        """The root of the tree as it stands."""
        if not self.hashes:
            return EMPTY_ROOT
        root = self.hashes[-1]
        for left in self.hashes[-2::-1]:
            root = node_hash(left, root)
        return root


def perfect_subtrees(first: int, leaves: Sequence[bytes]) -> list[tuple[int, bytes]]:
    """Level and root of the fewest perfect subtrees that leaves from index ``first`` on fill, in their order.

    What ``Frontier.graft`` takes: whoever holds a run of leaves reduces it to a logarithm without what stands before it.
    """
    before: list[tuple[int, bytes]] = []
    after: list[tuple[int, bytes]] = []
    row, level = list(leaves), 0
    while row:
        if first & 1:
            before.append((level, row.pop(0)))
            first += 1
        if len(row) & 1:
            after.append((level, row.pop()))
        row = [sha256(b"\x01" + left + right).digest() for left, right in zip(row[::2], row[1::2], strict=True)]
        first >>= 1
        level += 1
    return before + after[::-1]


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The root over these leaf hashes."""
    frontier = Frontier()
    frontier.extend(leaves)
    return frontier.root()


def _split(count: int) -> int:
    """The largest power of two below ``count`` (which is at least 2): where the RFC cuts a tree."""
    return 1 << ((count - 1).bit_length() - 1)


def halves(low: int, high: int) -> int:
    """Where the tree over the leaves ``[low, high)`` is cut in two (RFC 9162 §2.1.1); a range of one leaf is not."""
    return low + _split(high - low)


def inclusion_ranges(index: int, size: int) -> Ranges:
    """Whose roots prove that leaf ``index`` stands in the tree of ``size`` leaves, nearest first (RFC 9162 §2.1.3.1).

    A store that keeps subtree roots answers each range without reading its leaves.
    """
    if not 0 <= index < size:
        raise ValueError(f"no leaf {index} in a tree of {size}")
    ranges: Ranges = []
    low, high = 0, size
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            ranges.append((middle, high))
            high = middle
        else:
            ranges.append((low, middle))
            low = middle
    ranges.reverse()
    return ranges


def consistency_ranges(old_size: int, size: int) -> Ranges:
    """Whose roots prove that the tree of ``old_size`` leaves begins that of ``size`` (RFC 9162 §2.1.4.1)."""
    if not 0 < old_size <= size:
        raise ValueError(f"no proof from {old_size} to {size} leaves")
    ranges: Ranges = []
    low, high, known = 0, size, True
    while old_size != high:
        middle = low + _split(high - low)
        if old_size <= middle:
            ranges.append((middle, high))
            high = middle
        else:
            ranges.append((low, middle))
            low, known = middle, False
    if not known:
        ranges.append((low, high))
    ranges.reverse()
    return ranges


def inclusion_proof(leaves: Sequence[bytes], index: int, size: int) -> list[bytes]:
    """The audit path of leaf ``index`` in the tree of the first ``size`` of these leaf hashes."""
    return [root_of(leaves[low:high]) for low, high in inclusion_ranges(index, size)]


def consistency_proof(leaves: Sequence[bytes], old_size: int, size: int) -> list[bytes]:
    """The proof that the first ``size`` leaf hashes begin with the tree of ``old_size``."""
    return [root_of(leaves[low:high]) for low, high in consistency_ranges(old_size, size)]


def includes(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether ``proof`` shows the leaf hash at ``index`` in the tree with that size and root (RFC 9162 §2.1.3.2)."""
    if not 0 <= index < size:
        return False
    fn, sn, computed = index, size - 1, leaf
    for hashed in proof:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            computed = node_hash(hashed, computed)
            while not fn & 1 and fn:
                fn >>= 1
                sn >>= 1
        else:
            computed = node_hash(computed, hashed)
        fn >>= 1
        sn >>= 1
    return sn == 0 and computed == root


def grew(old_size: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether ``proof`` shows that the new tree begins with the whole old one (RFC 9162 §2.1.4.2).

    Every tree begins with the empty one, and with itself, by an empty proof.
    """
    if not 0 <= old_size <= size:
        return False
    if old_size == 0:
        return not proof and old_root == EMPTY_ROOT
    if old_size == size:
        return not proof and old_root == root
    path = list(proof)
    if old_size & (old_size - 1) == 0:
        path.insert(0, old_root)
    if not path:
        return False
    fn, sn = old_size - 1, size - 1
    while fn & 1:
        fn >>= 1
        sn >>= 1
    old_computed = computed = path[0]
    for hashed in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            old_computed = node_hash(hashed, old_computed)
            computed = node_hash(hashed, computed)
            while not fn & 1 and fn:
                fn >>= 1
                sn >>= 1
        else:
            computed = node_hash(computed, hashed)
        fn >>= 1
        sn >>= 1
    return sn == 0 and old_computed == old_root and computed == root
