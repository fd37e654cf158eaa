"""Money and hex texts."""

from __future__ import annotations

from decimal import Decimal

import pytest
from eth_utils.address import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from backend.errors import InvalidRequestError
from backend.hexes import address_text, parse_address
from backend.money import Money, format_minor, parse_minor


@given(st.integers(0, 10**12), st.sampled_from(["USD", "EUR", "JPY", "KWD"]))
def test_format_minor__comes_back(amount: int, currency: str) -> None:
    assert parse_minor(format_minor(amount, currency), currency) == amount


@given(st.decimals(0, 10**9, places=2, allow_nan=False, allow_infinity=False))
def test_parse_minor__is_exact(amount: Decimal) -> None:
    assert parse_minor(f"{amount:f}", "USD") == int(amount * 100)


@pytest.mark.parametrize("text", ["", "1.", ".5", "-1", "1e3", "1.001", "٣", "99999999999.99", "1,00"])
def test_parse_minor__refuses(text: str) -> None:
    with pytest.raises(InvalidRequestError):
        parse_minor(text, "USD")


def test_minor__refuses_another_currency() -> None:
    with pytest.raises(InvalidRequestError, match="USD, not EUR"):
        Money(amount="1.00", currency="EUR").minor("USD")


@given(st.binary(min_size=20, max_size=20))
def test_parse_address__takes_the_checksum_and_lower_case(address: bytes) -> None:
    assert address_text(address) == to_checksum_address(address)
    assert parse_address(address_text(address)) == parse_address("0x" + address.hex()) == address


def test_parse_address__refuses_a_wrong_checksum() -> None:
    with pytest.raises(InvalidRequestError):
        parse_address("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD")
