"""Trees and proofs against the contracts' own way of verifying them, written out in Python."""

from __future__ import annotations

import pytest
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from backend.chain.merkle import MerkleTree, MessageTree, pair_hash, root_of_multiproof, root_of_proof

LEAVES = [keccak(bytes((number,))) for number in range(40)]


def test_root__of_three_leaves__as_the_contracts_lay_them_out() -> None:
    """The last leaf given stands highest: it is node 2, beside the node over the two others."""
    one, two, three = LEAVES[:3]
    assert MerkleTree([one, two, three]).root == pair_hash(pair_hash(one, two), three)


@given(st.integers(1, 40).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1), min_size=1))))
def test_multiproof__of_any_leaves__leads_to_the_root(case: tuple[int, set[int]]) -> None:
    count, chosen = case
    tree = MessageTree(LEAVES[:count])
    indices = sorted(chosen)
    proof, flags = tree.multiproof(indices)
    assert root_of_multiproof([LEAVES[index] for index in indices], proof, flags) == tree.root
    assert root_of_proof(LEAVES[indices[0]], tree.proof(indices[0])) == tree.root
    if len(indices) > 1:
        other = [LEAVES[index] for index in reversed(indices)]
        assert pair_hash(*other[:2]) == pair_hash(*other[1::-1])
        swapped = [keccak(b"other"), *(LEAVES[index] for index in indices[1:])]
        assert root_of_multiproof(swapped, proof, flags) != tree.root


@pytest.mark.parametrize("count", [1, 2, 7, 16])
def test_multiproof__of_all__needs_no_proof(count: int) -> None:
    assert MessageTree(LEAVES[:count]).multiproof(range(count)) == ([], [True] * (count - 1))


def test_tree__of_one__is_its_leaf() -> None:
    tree = MessageTree(LEAVES[:1])
    assert (tree.root, tree.proof(0), tree.multiproof([0])) == (LEAVES[0], [], ([], []))


@pytest.mark.parametrize("indices", [[], [1, 0], [1, 1]])
def test_multiproof__not_ascending__refused(indices: list[int]) -> None:
    with pytest.raises(ValueError, match="ascending"):
        MessageTree(LEAVES[:3]).multiproof(indices)


def test_tree__of_nothing_or_of_other_sizes__refused() -> None:
    with pytest.raises(ValueError, match="at least one leaf"):
        MessageTree([])
    with pytest.raises(ValueError, match="32 bytes"):
        MessageTree([bytes(64)])
    with pytest.raises(IndexError):
        MessageTree(LEAVES[:3]).proof(3)


@pytest.mark.parametrize(
    ("leaves", "proof", "flags"),
    [(LEAVES[:2], [], []), (LEAVES[:1], LEAVES[1:2], [True]), (LEAVES[:1], LEAVES[1:3], [True, False])],
)
def test_root_of_multiproof__that_does_not_fit__refused(
    leaves: list[bytes], proof: list[bytes], flags: list[bool]
) -> None:
    with pytest.raises(ValueError, match=r"fit|not there"):
        root_of_multiproof(leaves, proof, flags)
