"""Merkle trees in OpenZeppelin's StandardMerkleTree format, built from its description."""

from dataclasses import dataclass

from eth_abi import encode
from eth_utils import keccak

Receipt = tuple[str, int, bytes]
"""Account, points, hash of the salted event reference."""


def leaf_of(receipt: Receipt) -> bytes:
    """Receipts are hashed twice, so that no inner node can pass for a leaf."""
    return keccak(keccak(encode(["address", "uint256", "bytes32"], receipt)))


def _parent(left: bytes, right: bytes) -> bytes:
    return keccak(min(left, right) + max(left, right))


@dataclass(frozen=True)
class ReceiptTree:
    """A complete binary tree in an array: the root first, the sorted leaves last and backwards."""

    nodes: list[bytes]

    @classmethod
    def of(cls, receipts: list[Receipt]) -> "ReceiptTree":
        """The tree of a batch with at least one receipt."""
        leaves = sorted(leaf_of(receipt) for receipt in receipts)
        nodes = [b""] * (len(leaves) - 1) + leaves[::-1]
        for index in range(len(leaves) - 2, -1, -1):
            nodes[index] = _parent(nodes[2 * index + 1], nodes[2 * index + 2])
        return cls(nodes)

    @property
    def root(self) -> bytes:
        """What is used as the batch's id."""
        return self.nodes[0]

    def proof(self, receipt: Receipt) -> list[bytes]:
        """Siblings from the receipt's leaf to the root."""
        index, siblings = self.nodes.index(leaf_of(receipt)), []
        while index > 0:
            siblings.append(self.nodes[index + 1 if index % 2 else index - 1])
            index = (index - 1) // 2
        return siblings
