"""Receipts: the Merkle tree of a batch in the format of OpenZeppelin's StandardMerkleTree. Needs no database.

A leaf is `keccak256(keccak256(abi.encode(account, amount, eventHash)))` for `(address, uint256, bytes32)`; leaves are
sorted by hash, and a node is the hash of its two children, the smaller first. The root is the batch id on chain, so a
member can prove with the log of the batch that a purchase was credited. `eventHash` is salted: the chain says nothing
about a purchase to whoever does not hold the salt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eth_utils.crypto import keccak

from backend.chain.merkle import MerkleTree, root_of_proof


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a batch credited for one event: `points` to `account` (20 bytes)."""

    account: bytes
    points: int
    event_hash: bytes


def event_hash(salt: bytes, reference: str) -> bytes:
    """keccak256(salt ‖ reference): 32 bytes that only somebody with the salt can tie to the event."""
    return keccak(salt + reference.encode())


def leaf_hash(receipt: Receipt) -> bytes:
    """The leaf of a receipt."""
    encoded = bytes(12) + receipt.account + receipt.points.to_bytes(32, "big") + receipt.event_hash
    return keccak(keccak(encoded))


class ReceiptTree:
    """The tree over a batch's receipts, in the order in which they are given."""

    def __init__(self, receipts: Sequence[Receipt]) -> None:
        if not receipts:
            raise ValueError("a tree needs at least one receipt")
        hashes = [leaf_hash(receipt) for receipt in receipts]
        order = sorted(range(len(hashes)), key=lambda index: hashes[index])
        self._tree = MerkleTree([hashes[index] for index in order])
        self._ranks = [0] * len(hashes)
        for rank, index in enumerate(order):
            self._ranks[index] = rank

    @property
    def root(self) -> bytes:
        """The batch id."""
        return self._tree.root

    def proof(self, index: int) -> list[bytes]:
        """Siblings from the leaf of the receipt at `index` up to the root."""
        return self._tree.proof(self._ranks[index])


def verify(receipt: Receipt, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether the proof leads from the receipt to the root, as OpenZeppelin's MerkleProof does it."""
    return root_of_proof(leaf_hash(receipt), proof) == root
