"""FEFO over lots, and the gas that a batch may use."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from backend.points.accounts import Holding, LotAmount, take_earliest
from backend.points.gas import (
    DEAD_LOT_GAS,
    FIRST_OF_EPOCH_GAS,
    NEW_WORD_GAS,
    REPEAT_GAS,
    credit_gas,
    word_of,
)

LOTS = st.lists(st.integers(1, 1000), max_size=8).map(
    lambda amounts: tuple(LotAmount(epoch, points) for epoch, points in enumerate(amounts))
)


@given(LOTS, st.integers(0, 10_000))
def test_take_earliest__takes_what_there_is_and_leaves_the_rest_in_order(
    lots: tuple[LotAmount, ...], points: int
) -> None:
    taken, left = take_earliest(lots, points)
    total = sum(lot.points for lot in lots)
    assert sum(lot.points for lot in taken) == min(points, total)
    assert sum(lot.points for lot in left) == max(0, total - points)
    assert not taken or not left or taken[-1].epoch <= left[0].epoch


@given(LOTS, st.integers(0, 10_000), st.integers(0, 2_000))
def test_holding__offers_only_what_is_not_leaving(lots: tuple[LotAmount, ...], leaving: int, points: int) -> None:
    holding = Holding(lots, leaving)
    assert holding.available_points == max(0, holding.total_points - leaving)
    assert sum(lot.points for lot in holding.lots_for(points)) == min(points, holding.available_points)


def test_credit_gas__by_what_the_account_holds() -> None:
    assert credit_gas([], 572, 4) == NEW_WORD_GAS
    assert credit_gas([572], 572, 4) == REPEAT_GAS
    assert credit_gas([571], 572, 4) == FIRST_OF_EPOCH_GAS
    assert credit_gas([566, 567], 572, 4) == FIRST_OF_EPOCH_GAS + 2 * DEAD_LOT_GAS
    assert credit_gas([569], 570, 5) == NEW_WORD_GAS  # Two words from a validity of five on.


@given(st.integers(0, 65_535), st.integers(0, 29))
def test_word_of__live_epochs_never_share_a_lane(epoch: int, validity: int) -> None:
    live = range(epoch, epoch + validity + 1)
    assert len({(word_of(each, validity), each % 5) for each in live}) == validity + 1
