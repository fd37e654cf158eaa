"""Log sequences that no points token can have written are refused, with what is wrong."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest

from backend.chain.event_types import (
    ZERO_ADDRESS,
    BatchIssued,
    ChainEvent,
    HoldCaptured,
    Lot,
    LotTransferred,
    PointsClawedBack,
    PointsExpired,
    PointsHeld,
    PointsIssued,
    PointsRedeemed,
    PointsRefunded,
    Transfer,
)
from backend.chain.ledger import LotBook
from backend.chain.movements import (
    LedgerError,
    MovementKind,
    OverspendError,
    SumMismatchError,
    UnexplainedMovementError,
)

DAY_SECONDS = 86_400
NOW_EPOCH = 100
NOW = NOW_EPOCH * DAY_SECONDS + 5
ALICE, BOB, HOLD = b"\xa1" * 20, b"\xb0" * 20, b"\x40" * 20
REF = b"\x01" * 32
_indices = count()


def where() -> tuple[bytes, int, bytes, int]:
    return b"\x10" * 20, 9, b"\x99" * 32, next(_indices)


def book(**lots: int) -> LotBook:
    """A book where alice has lots named like `e98=5`."""
    fresh = LotBook(DAY_SECONDS, validity_epochs=3)
    fresh.load(ALICE, {int(name[1:]): points for name, points in lots.items()})
    return fresh


def burn(amount: int, account: bytes = ALICE) -> Transfer:
    return Transfer(*where(), account, ZERO_ADDRESS, amount)


def mint(amount: int, account: bytes = ALICE) -> Transfer:
    return Transfer(*where(), ZERO_ADDRESS, account, amount)


def test_transfer__more_than_live__overspend_with_amounts() -> None:
    with pytest.raises(OverspendError) as caught:
        book(e98=5).apply_block([Transfer(*where(), ALICE, BOB, 6)], NOW)
    assert (caught.value.account, caught.value.amount_points, caught.value.available_points) == (ALICE, 6, 5)


def test_transfer__expired_lot_only__overspend() -> None:
    with pytest.raises(OverspendError):
        book(e96=5).apply_block([Transfer(*where(), ALICE, BOB, 1)], NOW)


def test_transfer__lot_in_its_last_epoch__spent_first() -> None:
    alice = book(e96=1, e97=2, e100=3)
    (movement,) = alice.apply_block([Transfer(*where(), ALICE, BOB, 4)], NOW)
    assert movement.lots == [Lot(97, 2), Lot(100, 2)]
    assert alice.lots[ALICE] == {96: 1, 100: 1}


@pytest.mark.parametrize("log", [mint(5), burn(5)])
def test_mint_or_burn__no_operation__unexplained(log: Transfer) -> None:
    with pytest.raises(UnexplainedMovementError) as caught:
        book(e100=5).apply_block([log], NOW)
    assert caught.value.event is log


def test_fault__collected__replay_goes_on() -> None:
    faults: list[LedgerError] = []
    collecting = LotBook(DAY_SECONDS, 3, on_fault=faults.append)
    movements = collecting.apply_block([mint(5), burn(9)], NOW)
    assert [type(fault) for fault in faults] == [OverspendError, UnexplainedMovementError, UnexplainedMovementError]
    assert [movement.kind for movement in movements] == [MovementKind.UNEXPLAINED] * 2
    assert collecting.live_lots(ALICE, NOW) == []


SEQUENCES: dict[str, tuple[list[ChainEvent], type[LedgerError]]] = {
    "issue without a mint": ([PointsIssued(*where(), REF)], UnexplainedMovementError),
    "batch with a credit too few": ([mint(1), BatchIssued(*where(), REF, 2, 1)], SumMismatchError),
    "batch with another total": ([mint(1), mint(2), BatchIssued(*where(), REF, 2, 4)], SumMismatchError),
    "batch over a burn": ([burn(1), BatchIssued(*where(), REF, 1, 1)], SumMismatchError),
    "redemption of another amount": ([burn(2), PointsRedeemed(*where(), REF, ALICE, 1, ())], UnexplainedMovementError),
    "redemption with wrong lots": (
        [burn(2), PointsRedeemed(*where(), REF, ALICE, 2, (Lot(99, 1), Lot(100, 1)))],
        SumMismatchError,
    ),
    "redemption of another account": (
        [burn(2), PointsRedeemed(*where(), REF, BOB, 2, (Lot(98, 2),))],
        UnexplainedMovementError,
    ),
    "capture of another amount": (
        [burn(2), PointsRedeemed(*where(), REF, BOB, 2, (Lot(98, 2),)), HoldCaptured(*where(), REF, BOB, 1, 0)],
        SumMismatchError,
    ),
    "capture that releases nothing it says": ([HoldCaptured(*where(), REF, ALICE, 0, 1)], UnexplainedMovementError),
    "hold to another account": (
        [Transfer(*where(), ALICE, BOB, 1), PointsHeld(*where(), REF, ALICE, HOLD, 1, NOW)],
        UnexplainedMovementError,
    ),
    "refund whose lots differ": (
        [mint(1), PointsRefunded(*where(), REF, ALICE, 1, 0, (Lot(99, 1),))],
        SumMismatchError,
    ),
    "refund whose sum differs": (
        [mint(1), PointsRefunded(*where(), REF, ALICE, 2, 0, (Lot(100, 1),))],
        SumMismatchError,
    ),
    "clawback of a lot it does not name": (
        [burn(1), PointsClawedBack(*where(), REF, ALICE, 99, 1, 1)],
        SumMismatchError,
    ),
    "lot without a transfer": ([LotTransferred(*where(), ALICE, BOB, 98, 1)], UnexplainedMovementError),
    "lot before another log": (
        [LotTransferred(*where(), ALICE, BOB, 98, 1), PointsIssued(*where(), REF)],
        UnexplainedMovementError,
    ),
    "lots of another sum": (
        [LotTransferred(*where(), ALICE, BOB, 98, 1), Transfer(*where(), ALICE, BOB, 2)],
        SumMismatchError,
    ),
    "lots of other accounts": (
        [LotTransferred(*where(), ALICE, HOLD, 98, 1), Transfer(*where(), ALICE, BOB, 1)],
        SumMismatchError,
    ),
    "lot that is not there": (
        [LotTransferred(*where(), ALICE, BOB, 97, 1), Transfer(*where(), ALICE, BOB, 1)],
        OverspendError,
    ),
    "lot of a future epoch": (
        [LotTransferred(*where(), ALICE, BOB, 101, 1), Transfer(*where(), ALICE, BOB, 1)],
        UnexplainedMovementError,
    ),
    "dead lot moved": (
        [LotTransferred(*where(), ALICE, BOB, 96, 1), Transfer(*where(), ALICE, BOB, 1)],
        UnexplainedMovementError,
    ),
    "expiry of a live lot": ([PointsExpired(*where(), ALICE, 98, 5), burn(5)], UnexplainedMovementError),
    "expiry of more than there is": ([PointsExpired(*where(), ALICE, 96, 8), burn(8)], OverspendError),
    "expiry with another transfer": ([PointsExpired(*where(), ALICE, 96, 7), burn(6)], SumMismatchError),
    "expiry without a transfer": ([PointsExpired(*where(), ALICE, 96, 7)], UnexplainedMovementError),
}


@pytest.mark.parametrize(("events", "error"), SEQUENCES.values(), ids=SEQUENCES.keys())
def test_apply__impossible_sequence__typed_error(events: list[ChainEvent], error: type[LedgerError]) -> None:
    with pytest.raises(error):
        book(e96=7, e98=5).apply_block(events, NOW)


def test_apply__next_transaction__explains_nothing_of_the_one_before() -> None:
    explained = replace(PointsIssued(*where(), REF), transaction_hash=b"\x98" * 32)
    with pytest.raises(UnexplainedMovementError):
        book().apply_block([mint(5), explained], NOW)


def test_load__twice__replaces() -> None:
    alice = book(e98=5)
    alice.load(ALICE, {99: 2, 98: 0})
    assert alice.lots[ALICE] == {99: 2}
    assert {epoch: points for epoch, points in alice.supply.items() if points} == {99: 2}
