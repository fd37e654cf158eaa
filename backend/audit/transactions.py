"""Transactions as their senders signed them: they hash to the header's root, and the signature names the sender.

Only blocks in which the exchange logged something are read so: what a quote promised stands in the call, not in a log.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NotRequired, TypedDict, cast

from coincurve import PublicKey
from eth_utils.crypto import keccak

from backend.chain.encoding import rlp_list, rlp_number, rlp_string, trie_root


class AccessEntry(TypedDict):
    """An entry of an access list (EIP-2930)."""

    address: str
    storageKeys: list[str]


class Authorization(TypedDict):
    """An entry of an authorization list (EIP-7702)."""

    chainId: str
    address: str
    nonce: str
    yParity: str
    r: str
    s: str


class RawTransaction(TypedDict):
    """A transaction as JSON-RPC answers it."""

    type: NotRequired[str]
    chainId: NotRequired[str]
    nonce: str
    gasPrice: NotRequired[str]
    maxPriorityFeePerGas: NotRequired[str]
    maxFeePerGas: NotRequired[str]
    maxFeePerBlobGas: NotRequired[str]
    gas: str
    to: str | None
    value: str
    input: str
    accessList: NotRequired[list[AccessEntry]]
    blobVersionedHashes: NotRequired[list[str]]
    authorizationList: NotRequired[list[Authorization]]
    v: str
    r: str
    s: str
    yParity: NotRequired[str]


class UnknownTransactionTypeError(Exception):
    """A kind of transaction that is not Ethereum's: a rollup's own, for instance."""

    def __init__(self, kind: int) -> None:
        super().__init__(f"a transaction of type {kind}")
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Call:
    """Who called whom with what, by signature. `to` is empty for a deployment."""

    sender: bytes
    to: bytes
    data: bytes


def transactions_root(transactions: Sequence[RawTransaction]) -> str:
    """Root of a block's transactions trie, a 0x string. Errors: `UnknownTransactionTypeError`."""
    return "0x" + trie_root([encode_transaction(each) for each in transactions]).hex()


def encode_transaction(raw: RawTransaction) -> bytes:
    """EIP-2718 encoding of a signed transaction. Errors: `UnknownTransactionTypeError`."""
    kind = _kind(raw)
    parity = raw["v"] if kind == 0 else raw.get("yParity", raw["v"])
    return _envelope(kind, [*_unsigned(raw, kind), *(_number(each) for each in (parity, raw["r"], raw["s"]))])


def call_of(raw: RawTransaction) -> Call:
    """The call, with the sender that the signature names. Errors: `ValueError` for a signature that names nobody."""
    return Call(sender_of(raw), _hex(raw["to"] or "0x"), _hex(raw["input"]))


def sender_of(raw: RawTransaction) -> bytes:
    """Who signed. Errors: `ValueError` when nobody can have, `UnknownTransactionTypeError`."""
    kind = _kind(raw)
    fields = _unsigned(raw, kind)
    v = int(raw.get("yParity", raw["v"]) if kind else raw["v"], 16)
    if kind == 0 and v >= 35:
        fields += [rlp_number((v - 35) // 2), rlp_number(0), rlp_number(0)]
        v = (v - 35) % 2
    signature = b"".join(int(raw[name], 16).to_bytes(32) for name in ("r", "s")) + bytes((v % 27,))
    return recover(keccak(_envelope(kind, fields)), signature)


def recover(digest: bytes, signature: bytes) -> bytes:
    """Address of who signed `digest`; the last of the signature's 65 bytes is 0 or 1, or 27 or 28.

    Errors: `ValueError` when nobody can have.
    """
    if len(signature) != 65:
        raise ValueError(f"a signature has 65 bytes, not {len(signature)}")
    recovery = signature[64] - 27 if signature[64] >= 27 else signature[64]
    try:
        key = PublicKey.from_signature_and_message(signature[:64] + bytes((recovery,)), digest, hasher=None)
    except Exception as error:  # coincurve raises bare Exceptions of its own for what libsecp256k1 refuses
        raise ValueError("no key can have made this signature") from error
    return keccak(key.format(compressed=False)[1:])[12:]


def _kind(raw: RawTransaction) -> int:
    kind = int(raw.get("type", "0x0"), 16)
    if kind > 4:
        raise UnknownTransactionTypeError(kind)
    return kind


def _envelope(kind: int, fields: Sequence[bytes]) -> bytes:
    body = rlp_list(fields)
    return bytes((kind,)) + body if kind else body


def _unsigned(raw: RawTransaction, kind: int) -> list[bytes]:
    """The fields before the signature, each encoded."""
    values = cast("dict[str, str]", raw)
    fees = ("gasPrice",) if kind < 2 else ("maxPriorityFeePerGas", "maxFeePerGas")
    names = (*(("chainId",) if kind else ()), "nonce", *fees, "gas")
    fields = [_number(values[name]) for name in names]
    fields += [_string(raw["to"] or "0x"), _number(raw["value"]), _string(raw["input"])]
    if kind:
        fields.append(rlp_list([_access(entry) for entry in raw.get("accessList", [])]))
    if kind == 3:
        fields.append(_number(values["maxFeePerBlobGas"]))
        fields.append(rlp_list([_string(each) for each in raw.get("blobVersionedHashes", [])]))
    if kind == 4:
        fields.append(rlp_list([_authorization(entry) for entry in raw.get("authorizationList", [])]))
    return fields


def _access(entry: AccessEntry) -> bytes:
    return rlp_list([_string(entry["address"]), rlp_list([_string(key) for key in entry["storageKeys"]])])


def _authorization(entry: Authorization) -> bytes:
    numbers = [_number(each) for each in (entry["nonce"], entry["yParity"], entry["r"], entry["s"])]
    return rlp_list([_number(entry["chainId"]), _string(entry["address"]), *numbers])


def _number(text: str) -> bytes:
    return rlp_number(int(text, 16))


def _string(text: str) -> bytes:
    return rlp_string(_hex(text))


def _hex(text: str) -> bytes:
    return bytes.fromhex(text[2:])
