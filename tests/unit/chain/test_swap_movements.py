"""Movements of a token beside the exchange's logs of the same transaction."""

from __future__ import annotations

import pytest

from backend.chain.event_types import ZERO_ADDRESS, ChainEvent, CrosschainBurn, CrosschainMint, Lot, Transfer
from backend.chain.exchange_events import SwapBurnt, SwapMinted, SwapRefunded
from backend.chain.exchange_types import Price
from backend.chain.movements import Movement, MovementKind, SumMismatchError, UnexplainedMovementError
from backend.chain.swap_movements import SwapLogs

EXCHANGE, TOKEN, ALICE, BOB = b"\xee" * 20, b"\x10" * 20, b"\xa1" * 20, b"\xb0" * 20
TRANSACTION, SWAP, LANE = b"\xcc" * 32, b"\x51" * 32, b"\x1a" * 32
LOTS = (Lot(570, 10), Lot(571, 20))


def burn(at: int, caller: bytes = EXCHANGE, transaction: bytes = TRANSACTION) -> Movement:
    transfer = Transfer(TOKEN, 1, transaction, at, ALICE, ZERO_ADDRESS, 30)
    operation = CrosschainBurn(TOKEN, 1, transaction, at + 1, ALICE, 30, caller)
    return Movement(transfer, list(LOTS), MovementKind.CROSSCHAIN, operation=operation)


def mint(at: int, account: bytes = BOB) -> Movement:
    transfer = Transfer(TOKEN, 1, TRANSACTION, at, ZERO_ADDRESS, account, 30)
    operation = CrosschainMint(TOKEN, 1, TRANSACTION, at + 1, account, 30, EXCHANGE)
    return Movement(transfer, list(LOTS), MovementKind.CROSSCHAIN, operation=operation)


def burnt(at: int, swap: bytes = SWAP, lots: tuple[Lot, ...] = LOTS) -> SwapBurnt:
    place = (EXCHANGE, 1, TRANSACTION, at)
    return SwapBurnt(*place, swap, LANE, ALICE, bytes(32), 1, bytes(32), Price(30, 30, 30, 1), lots)


def minted(at: int, swap: bytes = SWAP) -> SwapMinted:
    return SwapMinted(EXCHANGE, 1, TRANSACTION, at, swap, LANE, BOB, 30, LOTS)


def explained(events: list[ChainEvent], movement: Movement) -> tuple[MovementKind, bytes | None]:
    SwapLogs(EXCHANGE, events).explain(movement)
    return movement.kind, movement.ref


def test_two_swaps_in_a_transaction__each_leg_its_own() -> None:
    other = b"\x52" * 32
    events = [burnt(3), minted(7), burnt(11, other), minted(15, other)]
    for at, leg, swap in ((1, burn, SWAP), (5, mint, SWAP), (9, burn, other), (13, mint, other)):
        assert explained([*events], leg(at)) == (MovementKind.SWAP, swap)


def test_refund__kind_of_its_own() -> None:
    refunded = SwapRefunded(EXCHANGE, 1, TRANSACTION, 7, SWAP, LANE, BOB, LOTS, 4)
    assert explained([refunded], mint(5)) == (MovementKind.SWAP_REFUND, SWAP)


def test_another_exchange_contract__left_as_it_is() -> None:
    assert explained([burnt(3)], burn(1, caller=BOB)) == (MovementKind.CROSSCHAIN, None)


@pytest.mark.parametrize("movement", [burn(5), burn(1, transaction=b"\xcd" * 32)])
def test_no_log_follows__unexplained(movement: Movement) -> None:
    with pytest.raises(UnexplainedMovementError, match="no log of the exchange follows"):
        explained([burnt(3)], movement)


@pytest.mark.parametrize(
    ("log", "movement"),
    [
        (burnt(3, lots=LOTS[:1]), burn(1)),
        (minted(3), burn(1)),
        (burnt(3), mint(1, ALICE)),
        (minted(3), mint(1, ALICE)),
    ],
)
def test_log_of_another_movement__mismatch(log: ChainEvent, movement: Movement) -> None:
    with pytest.raises(SumMismatchError, match="tells of another movement"):
        explained([log], movement)
