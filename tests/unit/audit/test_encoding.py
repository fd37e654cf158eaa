"""Encodings against the rlp library, and the bloom against its definition."""

from __future__ import annotations

import rlp
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from backend.chain.encoding import bloom_bits, rlp_list, rlp_number, rlp_string, trie_root

EMPTY_TRIE = "56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"


@given(st.binary(max_size=400))
def test_rlp_string__any_bytes__as_the_library(value: bytes) -> None:
    assert rlp_string(value) == rlp.encode(value)


@given(st.integers(0, 2**256 - 1))
def test_rlp_number__any_number__as_the_library(value: int) -> None:
    assert rlp_number(value) == rlp.encode(value)


@given(st.lists(st.binary(max_size=80), max_size=12))
def test_rlp_list__any_items__as_the_library(values: list[bytes]) -> None:
    assert rlp_list([rlp_string(value) for value in values]) == rlp.encode(values)


def test_trie_root__no_values__the_known_empty_root() -> None:
    assert trie_root([]).hex() == EMPTY_TRIE


def test_trie_root__one_value__a_leaf() -> None:
    leaf = rlp.encode([b"\x20\x80", b"value"])
    assert trie_root([b"value"]) == keccak(leaf)


def test_bloom_bits__address__three_of_2048() -> None:
    bits = bloom_bits(b"\x01" * 20)
    assert bits.bit_length() <= 2048
    assert 1 <= bits.bit_count() <= 3
