"""What became of burnt swaps, and what they left owing: ended once, to the lot and to the unit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from backend.chain.clearing_events import DebtBooked, DebtReserved
from backend.chain.event_types import ChainEvent, Lot
from backend.chain.exchange_events import (
    SwapPending,
)
from tests.unit.audit import trade
from tests.unit.audit.trade import ALICE, DAY, FUEL, GROCER, HOUSE, NOW, TERMS, TOKENS, Market, Swap

REF = b"\x01" * 32
POSTED = replace(TERMS, posted=True)


@pytest.fixture
def market() -> Iterator[Market]:
    with trade.market() as market:
        market.agree()
        yield market


@pytest.fixture
def waiting() -> Iterator[tuple[Market, Swap]]:
    """A swap on a posted lane that waits."""
    with trade.market() as market:
        market.agree(POSTED)
        swap = trade.swap(terms=POSTED)
        market.play(swap)
        assert market.failed == {}
        yield market, swap


# ---- waiting


def test_posted__confirmed__nothing_found(waiting: tuple[Market, Swap]) -> None:
    market, swap = waiting
    market.end(trade.posted(swap), debts=(trade.booked(swap), trade.ended(swap)))
    assert market.failed == {}
    (figures,) = market.context.report.lanes
    assert (figures.pending, figures.posted, figures.refunded) == (0, 1, 0)


def test_posted__paid_because_of_a_default__nothing_found(waiting: tuple[Market, Swap]) -> None:
    market, swap = waiting
    market.end(trade.posted(swap), debts=(trade.ended(swap, paid=True),))
    assert market.failed == {}


def test_posted__not_booked__debts(waiting: tuple[Market, Swap]) -> None:
    market, swap = waiting
    market.end(trade.posted(swap), debts=(trade.ended(swap),))
    assert market.failed == {"debts": ["no DebtBooked of 2 goes with it"]}


def test_refunded__all_lots__nothing_found(waiting: tuple[Market, Swap]) -> None:
    market, swap = waiting
    restored = trade.leg(TOKENS[GROCER], swap.burnt.lots, account=ALICE, burn=False)
    market.end(trade.refunded(swap), restored=restored, debts=(trade.ended(swap),))
    assert market.failed == {}


def test_refunded__in_other_lots__legs(waiting: tuple[Market, Swap]) -> None:
    market, swap = waiting
    lots = (Lot(33, 100),)
    restored = trade.leg(TOKENS[GROCER], lots, account=ALICE, burn=False)
    market.end(trade.refunded(swap, lots), restored=restored, debts=(trade.ended(swap),))
    assert market.failed == {"legs": ["what was given back is not what was burnt and is still live"]}


def test_refunded__log_without_points__legs(waiting: tuple[Market, Swap]) -> None:
    market, swap = waiting
    market.end(trade.refunded(swap), debts=(trade.ended(swap),))
    assert market.failed == {"legs": ["nothing was minted for it"]}


def test_refunded__and_booked__debts(waiting: tuple[Market, Swap]) -> None:
    market, swap = waiting
    restored = trade.leg(TOKENS[GROCER], swap.burnt.lots, account=ALICE, burn=False)
    market.end(trade.refunded(swap), restored=restored, debts=(trade.ended(swap), trade.booked(swap)))
    assert "no swap" in market.failed["debts"][0]


def test_refunded__and_paid__debts(waiting: tuple[Market, Swap]) -> None:
    market, swap = waiting
    restored = trade.leg(TOKENS[GROCER], swap.burnt.lots, account=ALICE, burn=False)
    market.end(trade.refunded(swap), restored=restored, debts=(trade.ended(swap, paid=True),))
    assert market.failed == {"debts": ["a refunded swap was paid for"]}


@pytest.mark.parametrize("first", ["posted", "refunded"])
def test_waiting__ended_twice__legs(waiting: tuple[Market, Swap], first: str) -> None:
    market, swap = waiting
    if first == "posted":
        market.end(trade.posted(swap), debts=(trade.booked(swap), trade.ended(swap)))
    else:
        restored = trade.leg(TOKENS[GROCER], swap.burnt.lots, account=ALICE, burn=False)
        market.end(trade.refunded(swap), restored=restored, debts=(trade.ended(swap),))
    market.end(trade.posted(swap))
    assert market.failed == {"legs": ["no swap was waiting under this id"]}


def test_waiting__on_an_ordinary_lane__legs(market: Market) -> None:
    market.play(trade.swap(terms=POSTED))
    assert market.failed["legs"] == ["kept waiting on a lane whose destination mints at once"]


def test_minted__on_a_posted_lane__legs() -> None:
    with trade.market() as market:
        market.agree(POSTED)
        market.play(trade.swap())
        assert market.failed["legs"] == ["minted on a lane whose destination keeps its points elsewhere"]


def test_waiting__for_longer__legs() -> None:
    with trade.market() as market:
        market.agree(POSTED)
        swap = trade.swap(terms=POSTED)
        assert isinstance(swap.ending, SwapPending)
        swap.end(pending=replace(swap.ending.pending, refundable_from=NOW + 8 * DAY))
        market.play(swap)
        assert market.failed == {"legs": ["what waits is not what was burnt, or not for seven days"]}


# ---- debts


@pytest.mark.parametrize(
    ("debts", "says"),
    [
        ([], "no DebtBooked of 2 goes with it"),
        ([(GROCER, FUEL, 3)], "3, although the swap's settlement is 2"),
        ([(FUEL, GROCER, 2)], "not between the source and the destination of the swap's lane"),
        ([(GROCER, FUEL, 2), (GROCER, FUEL, 2)], "of this transaction leaves that"),
    ],
)
def test_debt__not_the_swaps__debts(market: Market, debts: list[tuple[bytes, bytes, int]], says: str) -> None:
    swap = trade.swap(100)
    swap.debts = [DebtBooked(*trade.where(HOUSE), 1, *debt, swap.burnt.swap_id) for debt in debts]
    market.play(swap)
    assert says in market.failed["debts"][0]


@pytest.mark.parametrize("kind", [DebtBooked, DebtReserved])
def test_debt__without_a_swap__debts(market: Market, kind: type[ChainEvent]) -> None:
    alone: ChainEvent = DebtBooked(*trade.where(HOUSE), 1, GROCER, FUEL, 7, REF)
    if kind is DebtReserved:
        alone = DebtReserved(*trade.where(HOUSE), GROCER, FUEL, 7, REF)
    market.rules.apply([], {}, [alone], NOW)
    assert list(market.failed) == ["debts"]


def test_debt__settlement_of_nothing__nothing_booked() -> None:
    terms = replace(TERMS, settlement_price=0)
    with trade.market() as market:
        market.agree(terms)
        swap = trade.swap(terms=terms)
        swap.debts = []
        market.play(swap)
        assert market.failed == {}
