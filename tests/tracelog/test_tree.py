"""The tree against the RFC's own recursive definition, and against the vectors that certificate transparency published."""

import itertools
from hashlib import sha256

import pytest

from tracelog.tree import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    grew,
    includes,
    inclusion_proof,
    perfect_subtrees,
    root_of,
)

#: The leaves and roots of certificate-transparency's merkle_tree_test, as in RFC 6962's reference implementation.
CT_LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
CT_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
CT_INCLUSION = [
    (0, 1, []),
    (
        0,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        5,
        8,
        [
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    (
        1,
        5,
        [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
]
CT_CONSISTENCY = [
    (1, 1, []),
    (
        1,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        6,
        8,
        [
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (
        2,
        5,
        [
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
]


def leaf(data: bytes) -> bytes:
    return sha256(b"\x00" + data).digest()


def mth(leaves: list[bytes]) -> bytes:
    """RFC 6962 §2.1, word for word, over leaf hashes."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def path(m: int, leaves: list[bytes]) -> list[bytes]:
    """RFC 6962 §2.1.1, PATH."""
    if len(leaves) == 1:
        return []
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if m < k:
        return [*path(m, leaves[:k]), mth(leaves[k:])]
    return [*path(m - k, leaves[k:]), mth(leaves[:k])]


def subproof(m: int, leaves: list[bytes], whole: bool) -> list[bytes]:
    """RFC 6962 §2.1.2, SUBPROOF."""
    n = len(leaves)
    if m == n:
        return [] if whole else [mth(leaves)]
    k = 1
    while k * 2 < n:
        k *= 2
    if m <= k:
        return [*subproof(m, leaves[:k], whole), mth(leaves[k:])]
    return [*subproof(m - k, leaves[k:], False), mth(leaves[:k])]


CT = [leaf(bytes.fromhex(text)) for text in CT_LEAVES]
MANY = [leaf(b"%d" % number) for number in range(130)]


def test_the_root_of_nothing_is_the_hash_of_nothing() -> None:
    assert root_of([]).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert root_of([]) == EMPTY_ROOT


def test_roots_are_those_that_certificate_transparency_published() -> None:
    assert [root_of(CT[:size]).hex() for size in range(1, 9)] == CT_ROOTS


@pytest.mark.parametrize(("index", "size", "expected"), CT_INCLUSION)
def test_inclusion_proofs_are_the_published_ones(index: int, size: int, expected: list[str]) -> None:
    proof = inclusion_proof(CT, index, size)
    assert [one.hex() for one in proof] == expected
    assert includes(CT[index], index, size, proof, bytes.fromhex(CT_ROOTS[size - 1]))


@pytest.mark.parametrize(("old_size", "size", "expected"), CT_CONSISTENCY)
def test_consistency_proofs_are_the_published_ones(old_size: int, size: int, expected: list[str]) -> None:
    proof = consistency_proof(CT, old_size, size)
    assert [one.hex() for one in proof] == expected
    assert grew(old_size, bytes.fromhex(CT_ROOTS[old_size - 1]), size, bytes.fromhex(CT_ROOTS[size - 1]), proof)


def test_a_frontier_that_grows_by_one_has_the_recursive_root_at_every_size() -> None:
    frontier = Frontier()
    for size, one in enumerate(MANY):
        assert frontier.root() == mth(MANY[:size])
        assert len(frontier.hashes) == size.bit_count()
        frontier.append(one)


def test_a_stored_frontier_goes_on_where_it_stood() -> None:
    for size in range(len(MANY)):
        frontier = Frontier()
        frontier.extend(MANY[:size])
        again = Frontier(frontier.size, frontier.hashes)
        again.extend(MANY[size:])
        assert again.root() == mth(MANY)
        assert frontier.root() == mth(MANY[:size])


@pytest.mark.parametrize(
    ("size", "hashes"), [(1, []), (2, [MANY[0], MANY[1]]), (0, [MANY[0]]), (1, [b"short"]), (-1, [MANY[0]])]
)
def test_a_frontier_that_cannot_be_is_refused(size: int, hashes: list[bytes]) -> None:
    with pytest.raises(ValueError, match="hash"):
        Frontier(size, hashes)


def test_every_inclusion_proof_up_to_66_leaves_is_the_recursive_one_and_proves_that_leaf_alone() -> None:
    for size in range(1, 67):
        root = mth(MANY[:size])
        for index in range(size):
            proof = inclusion_proof(MANY, index, size)
            assert proof == path(index, MANY[:size])
            assert includes(MANY[index], index, size, proof, root)
            assert not includes(MANY[index + 1], index, size, proof, root)
            for other in range(size + 1):
                assert includes(MANY[index], other, size, proof, root) == (other == index)
            assert not includes(MANY[index], index, size, [*proof, MANY[0]], root)
            assert not includes(MANY[index], index, size, proof, MANY[0] if size > 1 else MANY[1])
            for cut in range(len(proof)):
                assert not includes(MANY[index], index, size, proof[:cut] + proof[cut + 1 :], root)
                altered = [*proof]
                altered[cut] = MANY[-1]
                assert not includes(MANY[index], index, size, altered, root)


def test_every_consistency_proof_up_to_66_leaves_is_the_recursive_one_and_proves_those_two_trees_alone() -> None:
    for size in range(1, 67):
        root = mth(MANY[:size])
        for old_size in range(1, size + 1):
            old_root = mth(MANY[:old_size])
            proof = consistency_proof(MANY, old_size, size)
            assert proof == subproof(old_size, MANY[:size], True)
            assert grew(old_size, old_root, size, root, proof)
            assert not grew(old_size, MANY[-1], size, root, proof)
            assert not grew(old_size, old_root, size, MANY[-1], proof)
            assert not grew(old_size, old_root, size, root, [*proof, MANY[0]])
            for cut in range(len(proof)):
                assert not grew(old_size, old_root, size, root, proof[:cut] + proof[cut + 1 :])
                altered = [*proof]
                altered[cut] = MANY[-1]
                assert not grew(old_size, old_root, size, root, altered)


def test_every_tree_begins_with_the_empty_one_and_none_shrinks() -> None:
    assert grew(0, EMPTY_ROOT, 5, mth(MANY[:5]), [])
    assert grew(0, EMPTY_ROOT, 0, EMPTY_ROOT, [])
    assert not grew(0, MANY[0], 5, mth(MANY[:5]), [])
    assert not grew(5, mth(MANY[:5]), 4, mth(MANY[:4]), [])
    assert not grew(3, mth(MANY[:3]), 7, mth(MANY[:7]), [])


@pytest.mark.parametrize(("index", "size"), [(0, 0), (3, 3), (-1, 3)])
def test_no_proof_is_made_of_a_leaf_that_is_not_there(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="no leaf"):
        inclusion_proof(MANY, index, size)
    assert not includes(MANY[0], index, size, [], mth(MANY[:size]))


@pytest.mark.parametrize(("old_size", "size"), [(0, 3), (4, 3), (-1, 3)])
def test_no_proof_is_made_that_a_tree_grew_out_of_nothing_or_shrank(old_size: int, size: int) -> None:
    with pytest.raises(ValueError, match="no proof"):
        consistency_proof(MANY, old_size, size)


def test_runs_of_leaves_reduced_apart_and_grafted_in_order_are_the_same_tree() -> None:
    leaves = [sha256(b"%d" % index).digest() for index in range(70)]
    for cuts in ([0, 70], [0, 1, 70], [0, 3, 5, 6, 38, 70], [0, 32, 64, 70], [0, 33, 34, 35, 69, 70], list(range(71))):
        frontier = Frontier()
        for low, high in itertools.pairwise(cuts):
            subtrees = perfect_subtrees(low, leaves[low:high])
            assert len(subtrees) <= 2 * (high - low).bit_length()
            for level, root in subtrees:
                frontier.graft(level, root)
        assert (frontier.size, frontier.root()) == (70, root_of(leaves)), cuts


def test_a_subtree_is_not_grafted_where_it_does_not_begin() -> None:
    frontier = Frontier()
    frontier.append(bytes(32))
    with pytest.raises(ValueError, match="no subtree of level 1 begins at leaf 1"):
        frontier.graft(1, bytes(32))
