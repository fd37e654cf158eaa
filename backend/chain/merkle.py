"""The Merkle tree of OpenZeppelin's `merkle-tree` package: complete, in an array, hashing pairs the smaller first.

Receipts of batches and batches of messages across chains use the same tree. Proofs are those that `MerkleProof` of
OpenZeppelin's contracts verifies.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from eth_utils.crypto import keccak

_HASH_BYTES: Final = 32


def pair_hash(one: bytes, other: bytes) -> bytes:
    """The node over two nodes, whichever stands left."""
    return keccak(one + other) if one < other else keccak(other + one)


class MerkleTree:
    """The tree over leaves in the order in which they are given; leaf i is node 2n-2-i, the root node 0."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        """Errors: `ValueError` without leaves, or for one that is not 32 bytes."""
        if not leaves:
            raise ValueError("a tree needs at least one leaf")
        if any(len(leaf) != _HASH_BYTES for leaf in leaves):
            raise ValueError("a leaf has 32 bytes")
        self._count = len(leaves)
        self._nodes = [b""] * (len(leaves) - 1) + list(reversed(leaves))
        for node in range(len(leaves) - 2, -1, -1):
            self._nodes[node] = pair_hash(self._nodes[2 * node + 1], self._nodes[2 * node + 2])

    @property
    def root(self) -> bytes:
        """The node over all; of a single leaf, that leaf."""
        return self._nodes[0]

    def proof(self, index: int) -> list[bytes]:
        """Siblings from the leaf at `index` up to the root. Errors: `IndexError`."""
        node, siblings = self._node_of(index), []
        while node > 0:
            siblings.append(self._nodes[_sibling(node)])
            node = (node - 1) // 2
        return siblings

    def multiproof(self, indices: Sequence[int]) -> tuple[list[bytes], list[bool]]:
        """Proof and flags, as `multiProofVerify` takes them, for the leaves at `indices`, given in the same order.

        Errors: `ValueError` unless the indices ascend and there is one; `IndexError`.
        """
        if not indices or any(one >= other for one, other in pairwise(indices)):
            raise ValueError("a proof needs at least one index, and ascending ones")
        proof: list[bytes] = []
        flags: list[bool] = []
        # Nodes in descending order at any time: leaves stand behind all inner nodes, and parents are appended.
        waiting = deque(self._node_of(index) for index in indices)
        while waiting[0] > 0:
            node = waiting.popleft()
            both = bool(waiting) and waiting[0] == _sibling(node)
            flags.append(both)
            if both:
                waiting.popleft()
            else:
                proof.append(self._nodes[_sibling(node)])
            waiting.append((node - 1) // 2)
        return proof, flags

    def _node_of(self, index: int) -> int:
        if not 0 <= index < self._count:
            raise IndexError(f"{index} is not one of {self._count} leaves")
        return 2 * self._count - 2 - index


class MessageTree(MerkleTree):
    """The tree of a batch of messages: its leaves are their ids, in ascending order of their nonces."""


def root_of_proof(leaf: bytes, proof: Sequence[bytes]) -> bytes:
    """The root that a proof leads to."""
    for sibling in proof:
        leaf = pair_hash(leaf, sibling)
    return leaf


def root_of_multiproof(leaves: Sequence[bytes], proof: Sequence[bytes], flags: Sequence[bool]) -> bytes:
    """The root that a proof of several leaves leads to, as `processMultiProof` of the contracts computes it.

    Errors: `ValueError` when proof and flags do not fit the leaves.
    """
    if len(leaves) + len(proof) != len(flags) + 1 or flags.count(False) != len(proof):
        raise ValueError("proof and flags do not fit the leaves")
    if not flags:
        return leaves[0] if leaves else proof[0]
    waiting, siblings = deque(leaves), iter(proof)
    for both in flags:
        if len(waiting) < 1 + both:
            raise ValueError("the flags use hashes that are not there yet")
        node = waiting.popleft()
        waiting.append(pair_hash(node, waiting.popleft() if both else next(siblings)))
    return waiting[-1]


def _sibling(node: int) -> int:
    return node + 1 if node % 2 else node - 1
