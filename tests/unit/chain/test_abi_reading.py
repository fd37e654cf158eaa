"""The strict reader against eth_abi: what it encodes is read back, and nothing else is."""

from __future__ import annotations

from dataclasses import astuple

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from backend.chain.abi_reading import canonical_type, read_lots, read_struct, read_values
from backend.chain.event_types import Lot
from backend.chain.exchange_types import CrosschainSwap, Lane, LaneTerms, PendingSwap, Quote, RefusalReason, Standing

ADDRESS, HASH = st.binary(min_size=20, max_size=20), st.binary(min_size=32, max_size=32)


def _uint(bits: int) -> st.SearchStrategy[int]:
    return st.integers(0, (1 << bits) - 1)


LOTS = st.lists(st.builds(Lot, _uint(256), _uint(256)), max_size=7).map(tuple)
TERMS = st.builds(LaneTerms, *map(_uint, (32, 32, 16, 16, 48, 48, 48, 80)), st.booleans(), st.booleans())
SIGNED = st.integers(-(1 << 255), (1 << 255) - 1)
VALUES = st.one_of(
    TERMS,
    st.builds(Lane, HASH, HASH, _uint(32), st.booleans(), TERMS, _uint(32), _uint(48), TERMS),
    st.builds(PendingSwap, HASH, ADDRESS, ADDRESS, *[_uint(256)] * 3, LOTS),
    st.builds(Quote, HASH, HASH, _uint(32), ADDRESS, *map(_uint, (48, 16, 48)), ADDRESS, st.binary(max_size=99)),
    st.builds(CrosschainSwap, HASH, HASH, _uint(256), ADDRESS, ADDRESS, *[_uint(256)] * 6, LOTS),
    st.builds(Standing, SIGNED, SIGNED, *[_uint(256)] * 6, st.booleans()),
)


@given(VALUES)
def test_read_struct__encoded_by_eth_abi__the_same(value: LaneTerms) -> None:
    kind = type(value)
    data = encode([canonical_type(kind.__name__)], [astuple(value)])
    assert read_struct(kind, data) == value


@given(VALUES, st.binary(min_size=1, max_size=64))
def test_read_struct__more_or_less_than_that__refused(value: LaneTerms, rest: bytes) -> None:
    data = encode([canonical_type(type(value).__name__)], [astuple(value)])
    with pytest.raises(ValueError, match="bytes"):
        read_struct(type(value), data + rest)
    with pytest.raises(ValueError, match="bytes"):
        read_struct(type(value), data[:-1])


@given(LOTS)
def test_read_lots__encoded_by_eth_abi__the_same(lots: tuple[Lot, ...]) -> None:
    assert read_lots(encode(["(uint256,uint256)[]"], [lots])) == lots


@pytest.mark.parametrize(
    ("kind", "number"), [("uint48", 1 << 48), ("uint16", 1 << 16), ("bool", 2), ("address", 1 << 160)]
)
def test_read_values__number_too_large_for_its_type__refused(kind: str, number: int) -> None:
    with pytest.raises(ValueError, match=f"no {kind}"):
        read_values([kind], number.to_bytes(32, "big"))


@pytest.mark.parametrize("count", [1 << 255, 4, 3])
def test_read_lots__more_announced_than_there__refused(count: int) -> None:
    data = (32).to_bytes(32, "big") + count.to_bytes(32, "big") + bytes(128)
    with pytest.raises(ValueError, match="items announced"):
        read_lots(data)


@given(st.lists(st.binary(max_size=99), max_size=5))
def test_read_values__array_of_bytes__the_same(values: list[bytes]) -> None:
    data = encode(["bytes[]", "uint256"], [values, 7])
    assert read_values(["bytes[]", "uint256"], data) == (tuple(values), 7)


@pytest.mark.parametrize("reason", RefusalReason)
def test_read_values__enumeration__its_member(reason: RefusalReason) -> None:
    (value,) = read_values(["RefusalReason"], encode(["uint8"], [reason]))
    assert value is reason
    assert canonical_type("RefusalReason[]") == "uint8[]"


def test_read_values__no_member_of_the_enumeration__refused() -> None:
    with pytest.raises(ValueError, match="3 is not a valid RefusalReason"):
        read_values(["RefusalReason"], encode(["uint8"], [3]))
