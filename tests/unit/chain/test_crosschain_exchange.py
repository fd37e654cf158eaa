"""What goes from chain to chain: encoded as eth_abi does, and read back only so."""

from __future__ import annotations

from dataclasses import astuple

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from backend.chain.abi_reading import canonical_type
from backend.chain.crosschain_exchange import decode_payload, encode_payload, lane_id
from backend.chain.event_types import Lot
from backend.chain.exchange_types import CrosschainSwap, MessageKind
from backend.chain.points_exchange import lane_id as lane_id_on_one_chain

ADDRESS, HASH = st.binary(min_size=20, max_size=20), st.binary(min_size=32, max_size=32)
NUMBER = st.integers(0, (1 << 256) - 1)
LOTS = st.lists(st.builds(Lot, NUMBER, NUMBER), max_size=5).map(tuple)
SWAPS = st.builds(CrosschainSwap, HASH, HASH, NUMBER, ADDRESS, ADDRESS, *[NUMBER] * 6, LOTS)


@given(st.sampled_from(MessageKind), SWAPS)
def test_payload__as_eth_abi_encodes_it(kind: MessageKind, swap: CrosschainSwap) -> None:
    payload = encode(["uint8", canonical_type("CrosschainSwap")], [kind, astuple(swap)])
    assert encode_payload(kind, swap) == payload
    assert decode_payload(payload) == (kind, swap)


@given(SWAPS, st.integers(0, 600))
def test_decode_payload__anything_else__refused(swap: CrosschainSwap, at: int) -> None:
    payload = encode_payload(MessageKind.MINT, swap)
    for bad in (payload[:-1], payload + bytes(32), payload[: at % len(payload)]):
        with pytest.raises(ValueError, match=r"bytes|announced|encoded"):
            decode_payload(bad)


def test_decode_payload__of_no_kind__refused() -> None:
    with pytest.raises(ValueError, match="MessageKind"):
        decode_payload((2).to_bytes(32, "big") + bytes(1_000))


def test_lane_id__depends_on_both_chains_and_the_direction() -> None:
    one, other = b"\x01" * 32, b"\x02" * 32
    ids = {lane_id(1, one, 2, other), lane_id(2, one, 1, other), lane_id(2, other, 1, one), lane_id(1, one, 1, other)}
    assert len(ids) == 4
    assert lane_id(1, one, 1, other) == lane_id_on_one_chain(1, one, other)
