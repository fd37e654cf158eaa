"""Words of calldata: the few ABI encodings that the contracts' functions need, and what is read from answers."""

from __future__ import annotations

from collections.abc import Iterable

from eth_utils.crypto import keccak

from backend.chain.event_types import Lot

_PAD12 = bytes(12)
_SIGN_BIT = 1 << 255


def selector(signature: str) -> bytes:
    """First four bytes of a function's signature hash."""
    return keccak(text=signature)[:4]


def number_word(value: int) -> bytes:
    """A number or truth value in one word. Errors: `OverflowError` when it is negative or too large."""
    return value.to_bytes(32, "big")


def address_word(value: bytes) -> bytes:
    """An address in one word."""
    if len(value) != 20:
        raise ValueError(f"an address has 20 bytes, not {len(value)}")
    return _PAD12 + value


def hash_word(value: bytes) -> bytes:
    """A ref, key, role or id of 32 bytes."""
    if len(value) != 32:
        raise ValueError(f"a ref or key has 32 bytes, not {len(value)}")
    return value


def bytes_tail(value: bytes) -> bytes:
    """Bytes of any length, with their length before them."""
    return number_word(len(value)) + value + bytes(-len(value) % 32)


def lots_tail(lots: Iterable[Lot]) -> bytes:
    """Lots, with their number before them."""
    words = [number_word(lot.epoch) + number_word(lot.amount) for lot in lots]
    return number_word(len(words)) + b"".join(words)


def numbers_of(answer: bytes) -> list[int]:
    """The words of an answer as unsigned numbers."""
    return [int.from_bytes(answer[at : at + 32], "big") for at in range(0, len(answer), 32)]


def signed(number: int) -> int:
    """A word read as unsigned, taken as a signed one."""
    return number - (1 << 256) if number >= _SIGN_BIT else number
