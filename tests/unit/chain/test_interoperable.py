"""ERC-7930: the ERC's own examples of EVM addresses, and one spelling for each."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.chain.interoperable import interoperable_address, parse_interoperable_address

VITALIK = bytes.fromhex("d8da6bf26964af9d7eed9e03e53415d37aa96045")


def test_address__on_mainnet__as_the_erc_writes_it() -> None:
    wanted = "00010000010114d8da6bf26964af9d7eed9e03e53415d37aa96045"
    assert interoperable_address(1, VITALIK).hex() == wanted


@pytest.mark.parametrize(("chain_id", "head"), [(255, "0001000001ff14"), (31337, "00010000027a6914")])
def test_address__on_other_chains__fewest_bytes(chain_id: int, head: str) -> None:
    assert interoperable_address(chain_id, VITALIK).hex() == head + VITALIK.hex()


@given(st.integers(1, (1 << 256) - 1), st.binary(min_size=20, max_size=20))
def test_parse__what_was_made__the_same(chain_id: int, address: bytes) -> None:
    assert parse_interoperable_address(interoperable_address(chain_id, address)) == (chain_id, address)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00010000",
        "0001000001",
        "00010000010100",
        "0001000000" + "14" + "d8" * 20,
        "0001000002000114" + "d8" * 20,
        "00010000010114" + "d8" * 19,
        "00010000010114" + "d8" * 20 + "00",
        "00020000010114" + "d8" * 20,
        "00010002010114" + "d8" * 20,
    ],
)
def test_parse__anything_else__refused(text: str) -> None:
    with pytest.raises(ValueError, match="ERC-7930"):
        parse_interoperable_address(bytes.fromhex(text))


def test_address__of_no_chain_or_no_length__refused() -> None:
    with pytest.raises(ValueError, match="no chain id"):
        interoperable_address(0, VITALIK)
    with pytest.raises(ValueError, match="20 bytes"):
        interoperable_address(1, VITALIK[1:])
