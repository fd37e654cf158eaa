"""Parcels: as many messages as fit, each batch proved whatever part of it is delivered."""

from __future__ import annotations

import pytest

from backend.chain.attested_gateway import MESSAGE_GAS, Message, Route, message_id
from backend.chain.errors import ContractRevertedError
from bridge.batches import Estimate, Packer, gas_limit
from bridge.relay_store import BatchKey, KeptMessage, Key

ROUTE = Route(31337, b"\x01" * 20, 1337, b"\x02" * 20)
BATCH = BatchKey(31337, 1337, 9)
MESSAGES = [Message(nonce, b"\x03" * 20, b"\x04" * 20, b"payload") for nonce in range(1, 101)]
IDS = [message_id(ROUTE, message) for message in MESSAGES]
KEPT = [KeptMessage(Key(31337, 1337, message.nonce), BATCH, at, message) for at, message in enumerate(MESSAGES)]


def test_parcels_grow_and_shrink_with_what_was_estimated() -> None:
    packer = Packer(ROUTE, gas_cap=4_000_000)
    careful = packer.pack(BATCH, IDS, KEPT, [])
    assert [len(parcel.messages) for parcel in careful] == [20] * 5
    packer.learn(Estimate(careful[0], gas=MESSAGE_GAS + 131_746 + 20 * 12_000))
    better = packer.pack(BATCH, IDS, KEPT, [])
    assert len(better) == 1
    assert [kept for parcel in better for kept in parcel.messages] == KEPT


def test_a_parcel_that_is_too_large_is_halved() -> None:
    packer = Packer(ROUTE, gas_cap=16_000_000)
    (parcel,) = packer.pack(BATCH, IDS, KEPT, [])
    too_large = Estimate(parcel, revert=ContractRevertedError("InsufficientGas", {}, ""))
    assert too_large.too_large
    halves = packer.halves(parcel, IDS, [])
    assert [kept for half in halves for kept in half.messages] == KEPT
    assert all(len(half.messages) == 50 for half in halves)


@pytest.mark.parametrize("attempts", [0, 1, 5, 1_000])
def test_limits_are_tight_and_grow_with_failures_up_to_the_cap(attempts: int) -> None:
    packer = Packer(ROUTE, gas_cap=16_000_000)
    (parcel,) = packer.pack(BATCH, IDS[:1], KEPT[:1], [])
    found = Estimate(parcel, gas=2_200_000)
    limit = gas_limit(found, attempts, 16_000_000)
    assert limit > gas_limit(found, attempts - 1, 16_000_000) if attempts in {1, 5} else limit <= 16_000_000
    assert gas_limit(found, attempts, 2_250_000) <= 2_250_000
