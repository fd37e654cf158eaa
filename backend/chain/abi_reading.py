"""Reads ABI-encoded logs and answers into the structs of `backend.chain.exchange_types`, strictly.

Types are spelt as in Solidity, structs and enumerations by their class's name. Bytes beyond the last value, numbers too
large for their type or enumeration and padding that is not zero are errors: `ValueError`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, TypeVar, cast

from backend.chain.event_types import Lot
from backend.chain.exchange_types import ENUMS, STRUCTS

_Struct = TypeVar("_Struct")
_WORD: Final = 32
_BY_NAME: Final = {struct.__name__: struct for struct in STRUCTS}
_ENUMS: Final = {enum.__name__: enum for enum in ENUMS}


@dataclass(frozen=True, slots=True)
class _Kind:
    """How to read one type. `read` gets the data and where the value begins; it answers the value and where it ends."""

    head_bytes: int
    is_dynamic: bool
    read: Callable[[bytes, int], tuple[object, int]]


def split_types(types: str) -> list[str]:
    """Parts of a list of types such as `address,(bytes32,uint256)[]`."""
    parts: list[str] = []
    depth, start = 0, 0
    for at, sign in enumerate(types):
        depth += (sign == "(") - (sign == ")")
        if sign == "," and depth == 0:
            parts.append(types[start:at])
            start = at + 1
    return [*parts, types[start:]] if types else parts


def canonical_type(kind: str) -> str:
    """The type as selectors spell it, structs written out."""
    if kind.endswith("[]"):
        return canonical_type(kind[:-2]) + "[]"
    if kind in _ENUMS:
        return "uint8"
    struct = _BY_NAME.get(kind)
    if struct is None:
        return kind
    return "(" + ",".join(canonical_type(part) for part in split_types(STRUCTS[struct][1:-1])) + ")"


def read_values(types: Sequence[str], data: bytes) -> tuple[object, ...]:
    """The values that `data` holds. Errors: `ValueError` when it does not fit the types exactly."""
    value, end = _tuple_of(tuple(types)).read(data, 0)
    if end != len(data):
        raise ValueError(f"{len(data)} bytes of data instead of {end}")
    return cast("tuple[object, ...]", value)


def read_struct(struct: type[_Struct], answer: bytes) -> _Struct:
    """The struct that a function answered. Errors: `ValueError`."""
    (value,) = read_values([struct.__name__], answer)
    return cast("_Struct", value)


def read_lots(answer: bytes) -> tuple[Lot, ...]:
    """The lots that a function answered. Errors: `ValueError`."""
    (value,) = read_values(["Lot[]"], answer)
    return cast("tuple[Lot, ...]", value)


def read_topic(kind: str, topic: str) -> object:
    """An indexed parameter from its topic, 0x hex. Errors: `ValueError`."""
    return _kind_of(kind).read(bytes.fromhex(topic[2:]), 0)[0]


@cache
def _kind_of(kind: str) -> _Kind:
    if kind.endswith("[]"):
        return _array(_kind_of(kind[:-2]))
    struct = _BY_NAME.get(kind)
    if struct is not None:
        return _made(_tuple_of(tuple(split_types(STRUCTS[struct][1:-1]))), struct)
    if kind == "bytes":
        return _Kind(_WORD, is_dynamic=True, read=_read_bytes)
    return _Kind(_WORD, is_dynamic=False, read=_word_reader(kind))


@cache
def _tuple_of(types: tuple[str, ...]) -> _Kind:
    kinds = [_kind_of(kind) for kind in types]
    head_bytes = sum(kind.head_bytes for kind in kinds)
    is_dynamic = any(kind.is_dynamic for kind in kinds)

    def read(data: bytes, at: int) -> tuple[object, int]:
        values: list[object] = []
        head, end = at, at + head_bytes
        for kind in kinds:
            value, stop = kind.read(data, at + _number(data, head) if kind.is_dynamic else head)
            values.append(value)
            head += kind.head_bytes
            end = max(end, stop)
        return tuple(values), end

    return _Kind(_WORD if is_dynamic else head_bytes, is_dynamic, read)


def _made(kind: _Kind, struct: type) -> _Kind:
    """The struct's class in place of a plain tuple."""

    def read(data: bytes, at: int) -> tuple[object, int]:
        values, end = kind.read(data, at)
        return struct(*cast("tuple[object, ...]", values)), end

    return _Kind(kind.head_bytes, kind.is_dynamic, read)


def _array(item: _Kind) -> _Kind:
    def read(data: bytes, at: int) -> tuple[object, int]:
        count = _number(data, at)
        start, end = at + _WORD, at + _WORD + count * item.head_bytes
        if end > len(data):
            raise ValueError(f"{count} items announced in {max(len(data) - start, 0)} bytes")
        values: list[object] = []
        for head in range(start, end, item.head_bytes):
            value, stop = item.read(data, start + _number(data, head) if item.is_dynamic else head)
            values.append(value)
            end = max(end, stop)
        return tuple(values), end

    return _Kind(_WORD, is_dynamic=True, read=read)


def _read_bytes(data: bytes, at: int) -> tuple[object, int]:
    size = _number(data, at)
    start = at + _WORD
    end = start + size + -size % _WORD
    if end > len(data) or any(data[start + size : end]):
        raise ValueError(f"{size} bytes announced in {max(len(data) - start, 0)}")
    return data[start : start + size], end


def _word_reader(kind: str) -> Callable[[bytes, int], tuple[object, int]]:
    convert = _converter(kind)

    def read(data: bytes, at: int) -> tuple[object, int]:
        return convert(_word(data, at)), at + _WORD

    return read


def _converter(kind: str) -> Callable[[bytes], object]:
    if kind == "bytes32":
        return bytes
    if kind in _ENUMS:
        return lambda word: _ENUMS[kind](int.from_bytes(word, "big"))
    if kind == "int256":
        return lambda word: int.from_bytes(word, "big", signed=True)
    bits = {"address": 160, "bool": 1}.get(kind) or int(kind.removeprefix("uint"))

    def number(word: bytes) -> int:
        value = int.from_bytes(word, "big")
        if value >> bits:
            raise ValueError(f"{value:#x} is no {kind}")
        return value

    if kind == "address":
        return lambda word: number(word).to_bytes(20, "big")
    return (lambda word: bool(number(word))) if kind == "bool" else number


def _word(data: bytes, at: int) -> bytes:
    word = data[at : at + _WORD]
    if len(word) != _WORD:
        raise ValueError(f"{len(data)} bytes of data")
    return word


def _number(data: bytes, at: int) -> int:
    return int.from_bytes(_word(data, at), "big")
