"""Ethereum encodings that tie an endpoint's answers to a block hash: header, receipts, their trie, the log bloom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NotRequired, TypedDict, cast

from eth_utils.crypto import keccak

from backend.chain.events import RawLog


class Header(TypedDict):
    """A block as JSON-RPC answers it, without transactions."""

    hash: str
    parentHash: str
    sha3Uncles: str
    miner: str
    stateRoot: str
    transactionsRoot: str
    receiptsRoot: str
    logsBloom: str
    difficulty: str
    number: str
    gasLimit: str
    gasUsed: str
    timestamp: str
    extraData: str
    mixHash: str
    nonce: str
    baseFeePerGas: NotRequired[str]
    withdrawalsRoot: NotRequired[str]
    blobGasUsed: NotRequired[str]
    excessBlobGas: NotRequired[str]
    parentBeaconBlockRoot: NotRequired[str]
    requestsHash: NotRequired[str]


class Receipt(TypedDict):
    """A transaction receipt as JSON-RPC answers it."""

    type: NotRequired[str]
    status: str
    cumulativeGasUsed: str
    logsBloom: str
    logs: list[RawLog]
    transactionHash: str


_HEADER_FIELDS = (
    ("parentHash", False),
    ("sha3Uncles", False),
    ("miner", False),
    ("stateRoot", False),
    ("transactionsRoot", False),
    ("receiptsRoot", False),
    ("logsBloom", False),
    ("difficulty", True),
    ("number", True),
    ("gasLimit", True),
    ("gasUsed", True),
    ("timestamp", True),
    ("extraData", False),
    ("mixHash", False),
    ("nonce", False),
    ("baseFeePerGas", True),
    ("withdrawalsRoot", False),
    ("blobGasUsed", True),
    ("excessBlobGas", True),
    ("parentBeaconBlockRoot", False),
    ("requestsHash", False),
)
"""Order of the fields in the hash, and whether each is a number. Forks have appended; absent ones come last."""


def rlp_string(value: bytes) -> bytes:
    """RLP of a byte string."""
    if len(value) == 1 and value[0] < 0x80:
        return value
    return _prefix(0x80, len(value)) + value


def rlp_number(value: int) -> bytes:
    """RLP of a number."""
    return rlp_string(value.to_bytes((value.bit_length() + 7) // 8))


def rlp_list(items: Sequence[bytes]) -> bytes:
    """RLP of a list of items that are encoded already."""
    payload = b"".join(items)
    return _prefix(0xC0, len(payload)) + payload


def _prefix(base: int, length: int) -> bytes:
    if length < 56:
        return bytes((base + length,))
    size = length.to_bytes((length.bit_length() + 7) // 8)
    return bytes((base + 55 + len(size),)) + size


_ONE_WORD = 2 + 64
"""Length of a 0x string of 32 bytes."""


def encode_header(header: Header) -> bytes:
    """RLP of a header; its keccak256 is the block's hash."""
    values = cast("dict[str, str]", header)
    items = []
    for name, is_number in _HEADER_FIELDS:
        text = values.get(name)
        if text is not None:
            items.append(rlp_number(int(text, 16)) if is_number else rlp_string(bytes.fromhex(text[2:])))
    return rlp_list(items)


def header_hash(header: Header) -> str:
    """The hash that follows from the header's fields, a 0x string."""
    return "0x" + keccak(encode_header(header)).hex()


def encode_receipt(receipt: Receipt) -> bytes:
    """EIP-2718 encoding of a receipt, as the receipts trie holds it."""
    body = rlp_list(
        [
            rlp_number(int(receipt["status"], 16)),
            rlp_number(int(receipt["cumulativeGasUsed"], 16)),
            rlp_string(bytes.fromhex(receipt["logsBloom"][2:])),
            rlp_list([_encode_log(log) for log in receipt["logs"]]),
        ]
    )
    kind = int(receipt.get("type", "0x0"), 16)
    return bytes((kind,)) + body if kind else body


def _encode_log(log: RawLog) -> bytes:
    if len(log["topics"]) == 3 and len(log["data"]) == _ONE_WORD:
        # Nearly all logs are transfers, whose encoding has fixed lengths: one conversion instead of five.
        signature, sender, recipient = (topic[2:] for topic in log["topics"])
        topics_text = f"f863a0{signature}a0{sender}a0{recipient}"
        return bytes.fromhex(f"f89b94{log['address'][2:]}{topics_text}a0{log['data'][2:]}")
    topics = b"".join([b"\xa0" + bytes.fromhex(topic[2:]) for topic in log["topics"]])
    data = rlp_string(bytes.fromhex(log["data"][2:]))
    payload = b"\x94" + bytes.fromhex(log["address"][2:]) + _prefix(0xC0, len(topics)) + topics + data
    return _prefix(0xC0, len(payload)) + payload


def receipts_root(receipts: Sequence[Receipt]) -> str:
    """Root of the receipts trie of a block, a 0x string."""
    return "0x" + trie_root([encode_receipt(receipt) for receipt in receipts]).hex()


def trie_root(values: Sequence[bytes]) -> bytes:
    """Root of the Merkle Patricia trie that maps each value's RLP-encoded index to the value."""
    if not values:
        return keccak(rlp_string(b""))
    items = sorted((_nibbles(rlp_number(index)), value) for index, value in enumerate(values))
    return keccak(_node(items, 0))


def _nibbles(key: bytes) -> bytes:
    return bytes(half for byte in key for half in (byte >> 4, byte & 15))


def _node(items: Sequence[tuple[bytes, bytes]], depth: int) -> bytes:
    """RLP of the node over sorted items that share their first `depth` nibbles."""
    first, last = items[0][0], items[-1][0]
    if len(items) == 1:
        return rlp_list([rlp_string(_path(first[depth:], leaf=True)), rlp_string(items[0][1])])
    shared = depth
    while first[shared] == last[shared]:
        shared += 1
    if shared > depth:
        return rlp_list([rlp_string(_path(first[depth:shared], leaf=False)), _reference(items, shared)])
    # No index's encoding is the beginning of another's, so a branch never holds a value itself.
    branches = [[item for item in items if item[0][depth] == nibble] for nibble in range(16)]
    children = [_reference(branch, depth + 1) if branch else b"\x80" for branch in branches]
    return rlp_list([*children, b"\x80"])


def _reference(items: Sequence[tuple[bytes, bytes]], depth: int) -> bytes:
    node = _node(items, depth)
    return node if len(node) < 32 else b"\xa0" + keccak(node)


def _path(nibbles: bytes, *, leaf: bool) -> bytes:
    flag = (2 if leaf else 0) + len(nibbles) % 2
    padded = bytes((flag,)) + nibbles if flag % 2 else bytes((flag, 0)) + nibbles
    return bytes(high << 4 | low for high, low in zip(padded[::2], padded[1::2], strict=True))


def bloom_bits(value: bytes) -> int:
    """The three bits that an address or topic sets in a 2,048-bit log bloom."""
    digest = keccak(value)
    bits = 0
    for at in (0, 2, 4):
        bits |= 1 << (int.from_bytes(digest[at : at + 2]) & 2047)
    return bits
