"""Merkle Patricia proofs as `eth_getProof` answers them, verified without a node."""

from __future__ import annotations

from collections.abc import Sequence

from eth_utils.crypto import keccak

Item = bytes | list["Item"]
"""Decoded RLP."""
EMPTY_ROOT = keccak(b"\x80")
"""Root of a trie that holds nothing."""


class ProofError(Exception):
    """A proof does not lead from its root to what it claims."""


def decode_rlp(data: bytes) -> Item:
    """Decodes RLP; the whole input must be one item. Raises ProofError."""
    try:
        item, end = _decode(data, 0)
    except IndexError as error:
        raise ProofError("RLP is cut short") from error
    if end != len(data):
        raise ProofError("RLP has something behind its end")
    return item


def _decode(data: bytes, at: int) -> tuple[Item, int]:
    first = data[at]
    if first < 0x80:
        return data[at : at + 1], at + 1
    is_list = first >= 0xC0
    short = first - (0xC0 if is_list else 0x80)
    start, length = at + 1, short
    if short > 55:
        start += short - 55
        length = int.from_bytes(data[at + 1 : start])
    end = start + length
    if end > len(data):
        raise IndexError
    if not is_list:
        return data[start:end], end
    items: list[Item] = []
    while start < end:
        item, start = _decode(data, start)
        items.append(item)
    return items, end


def prove(root: bytes, key: bytes, nodes: Sequence[bytes]) -> bytes | None:
    """The value that the trie with this root holds at `key`; None when the proof shows that there is none.

    `key` is what was hashed into the path, such as an address. Raises ProofError.
    """
    if root == EMPTY_ROOT:
        return None
    path = [half for byte in keccak(key) for half in (byte >> 4, byte & 15)]
    remaining = list(nodes)
    reference: Item = root
    while True:
        node = _resolve(reference, remaining)
        if len(node) == 17:
            if not path:
                return _value(node[16])
            reference = node[path.pop(0)]
        elif len(node) == 2:
            nibbles, is_leaf = _unpack(node[0])
            if path[: len(nibbles)] != nibbles or (is_leaf and len(path) != len(nibbles)):
                return None
            if is_leaf:
                return _value(node[1])
            path = path[len(nibbles) :]
            reference = node[1]
        else:
            raise ProofError("a node is neither a branch nor a leaf")
        if reference == b"":
            return None


def _resolve(reference: Item, remaining: list[bytes]) -> list[Item]:
    """The node that a reference stands for: the next of the proof with that hash, or the one embedded in it."""
    if isinstance(reference, list):
        return reference
    if not remaining:
        raise ProofError("the proof ends before its value")
    encoded = remaining.pop(0)
    if keccak(encoded) != reference:
        raise ProofError("a node does not hash to what the one above it says")
    node = decode_rlp(encoded)
    if not isinstance(node, list):
        raise ProofError("a node is not a list")
    return node


def _unpack(item: Item) -> tuple[list[int], bool]:
    if not isinstance(item, bytes) or not item:
        raise ProofError("a path is not a string")
    halves = [half for byte in item for half in (byte >> 4, byte & 15)]
    return halves[1 if halves[0] & 1 else 2 :], bool(halves[0] & 2)


def _value(item: Item) -> bytes:
    if not isinstance(item, bytes):
        raise ProofError("a value is not a string")
    return item
