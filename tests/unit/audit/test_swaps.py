"""What an exchange must not do is seen in logs that say it did."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from backend.audit.legs import Leg
from backend.chain.event_types import Lot, Paused, Unpaused
from backend.chain.exchange_events import (
    LaneStopped,
    SwapMinted,
)
from backend.chain.exchange_types import Price
from tests.unit.audit import trade
from tests.unit.audit.trade import ALICE, BOB, DAY, FUEL, GROCER, LANE, NOTICE, NOW, TERMS, TOKENS, Market, Swap

REF, OTHER_REF = b"\x01" * 32, b"\x02" * 32
QUOTE_ID = b"\x0a" * 32


@pytest.fixture
def market() -> Iterator[Market]:
    with trade.market() as market:
        market.agree()
        yield market


def test_swaps__fair_play__nothing_found(market: Market) -> None:
    market.play(trade.swap(100))
    market.play(trade.swap(777, ref=OTHER_REF, quote_id=QUOTE_ID, bonus_bps=1_500))
    assert market.failed == {}
    (figures,) = market.context.report.lanes
    assert (figures.swaps, figures.points_in, figures.points_out) == (2, 877, 148 + 1_326)
    assert figures.bonus_points == 1_326 - 1_153
    assert figures.settlement == 2 + 15


@pytest.mark.parametrize("points", [10, 11, 12, 13, 99, 1_000, 6_734])
@pytest.mark.parametrize("carry_expiry", [True, False])
def test_swaps__any_amount__agrees_with_what_prices_it(points: int, carry_expiry: bool) -> None:
    terms = replace(TERMS, carry_expiry=carry_expiry)
    with trade.market() as market:
        market.agree(terms)
        market.play(trade.swap(points, terms=terms))
        assert market.failed == {}


# ---- terms


def _price(change: Callable[[Price], Price]) -> Callable[[Swap], None]:
    return lambda swap: swap.log(price=change(swap.burnt.price))


@pytest.mark.parametrize(
    ("alter", "check", "says"),
    [
        (_price(lambda p: replace(p, points_out=p.points_out + 1)), "swaps", "100 points in give 148 out, not 149"),
        (_price(lambda p: replace(p, points_in=p.points_in + 1)), "swaps", "148 points out need 100 in, not 101"),
        (_price(lambda p: replace(p, base_out=1)), "swaps", "without the bonus it is 148 points out, not 1"),
        (_price(lambda p: replace(p, settlement=1)), "swaps", "2 is owed for it, not 1"),
        (lambda swap: swap.log(version=2), "swaps", "on version 2 of the terms, in force was 1"),
        (lambda swap: swap.log(swap_id=OTHER_REF), "swaps", "its id does not follow from account and ref"),
        (lambda swap: swap.log(ref=OTHER_REF), "swaps", "its id does not follow from account and ref"),
        (lambda swap: swap.log(lane_id=OTHER_REF), "swaps", "nobody ever proposed this lane"),
        (lambda swap: swap.log(account=BOB), "legs", "points of another account were burnt"),
        (lambda swap: swap.log(lots=(Lot(33, 100),)), "legs", "the lots that it logs are not those that were burnt"),
        (lambda swap: swap.end(points_out=149), "legs", "149 points were given, 148 were due"),
        (lambda swap: swap.end(to=ALICE), "legs", "what was minted is not what it logs"),
        (lambda swap: swap.end(lots=(Lot(141, 148),)), "legs", "the lots given do not carry the expiry of those burnt"),
        (lambda swap: swap.end(lane_id=OTHER_REF), "legs", "no burn of its transaction belongs to it"),
        (lambda swap: swap.end(swap_id=OTHER_REF), "legs", "no burn of its transaction belongs to it"),
    ],
)
def test_swap__one_thing_altered__the_check_for_it(
    market: Market, alter: Callable[[Swap], None], check: str, says: str
) -> None:
    swap = trade.swap(100)
    alter(swap)
    market.play(swap)
    assert says in market.failed[check]


def test_swap__too_small__swaps() -> None:
    with trade.market() as market:
        market.agree(replace(TERMS, minimum_in=101))
        market.play(trade.swap(100))
        assert market.failed["swaps"] == ["100 points in are fewer than the lane's minimum of 101"]


def test_swap__ref_used_before__swaps(market: Market) -> None:
    market.play(trade.swap(100))
    market.play(trade.swap(100))
    assert market.failed == {"swaps": [f"the account had used the ref 0x{REF.hex()} before"]}


def test_swap__lane_stopped__swaps(market: Market) -> None:
    market.rules.apply([LaneStopped(*trade.where(), LANE, FUEL)], {}, [], NOW)
    market.play(trade.swap(100))
    assert market.failed == {"swaps": ["no terms were in force"]}


@pytest.mark.parametrize(("late_seconds", "found"), [(0, {}), (1, {"swaps": ["no terms were in force"]})])
def test_swap__at_the_end_of_the_terms(market: Market, late_seconds: int, found: dict[str, list[str]]) -> None:
    now = TERMS.valid_until + late_seconds
    market.play(trade.swap(100, now=now), now)
    assert market.failed == found


def test_swap__exchange_paused__pauses(market: Market) -> None:
    market.rules.apply([Paused(*trade.where(), BOB)], {}, [], NOW)
    market.play(trade.swap(100))
    assert market.failed == {"pauses": ["a swap while the exchange was paused"]}
    market.rules.apply([Unpaused(*trade.where(), BOB)], {}, [], NOW)
    market.play(trade.swap(100, ref=OTHER_REF))
    assert len(market.failed["pauses"]) == 1


def test_swap__programme_suspended__swaps(market: Market) -> None:
    market.suspended.add(FUEL)
    market.play(trade.swap(100))
    assert market.failed == {"swaps": ["fuel was suspended"]}


def test_swap__on_the_next_terms_before_their_time__swaps(market: Market) -> None:
    terms = replace(TERMS, fee_bps=0)
    market.agree(terms, version=2, effective_from=NOW + NOTICE)
    market.play(trade.swap(100, terms=terms, version=2))
    assert "on version 2 of the terms, in force was 1" in market.failed["swaps"]
    found = len(market.failed["swaps"])
    market.play(trade.swap(100, terms=terms, version=2, ref=OTHER_REF, now=NOW + NOTICE), NOW + NOTICE)
    assert len(market.failed["swaps"]) == found


# ---- legs


def test_legs__not_the_earliest__legs(market: Market) -> None:
    swap = trade.swap(100)
    swap.burn = Leg(swap.burn.event, swap.burn.lots, (Lot(31, 100),))
    market.play(swap)
    assert market.failed == {"legs": ["the burnt lots were not the account's earliest"]}


def test_legs__other_amount_burnt__legs(market: Market) -> None:
    swap = trade.swap(100)
    swap.burn = trade.leg(TOKENS[GROCER], (Lot(33, 99),), account=ALICE, burn=True)
    market.play(swap)
    assert "99 points were burnt, its price is 100" in market.failed["legs"]


def test_legs__nothing_burnt__legs(market: Market) -> None:
    swap = trade.swap(100)
    assert swap.mint is not None
    market.rules.apply([swap.burnt, swap.ending], {TOKENS[FUEL]: [swap.mint]}, swap.debts, NOW)
    assert market.failed == {"legs": ["nothing was burnt for it"]}


def test_legs__nothing_minted__legs(market: Market) -> None:
    swap = trade.swap(100)
    swap.mint = None
    market.play(swap)
    assert market.failed == {"legs": ["nothing was minted for it"]}


def test_legs__burnt_and_forgotten__legs(market: Market) -> None:
    swap = trade.swap(100)
    market.rules.apply([swap.burnt], {TOKENS[GROCER]: [swap.burn]}, [], NOW)
    assert market.failed == {"legs": ["the points were burnt, and neither minted nor kept waiting"]}


def test_legs__minted_twice__legs(market: Market) -> None:
    swap = trade.swap(100)
    assert swap.mint is not None
    legs = {TOKENS[GROCER]: [swap.burn], TOKENS[FUEL]: [swap.mint, swap.mint]}
    market.rules.apply([swap.burnt, swap.ending, swap.ending], legs, swap.debts, NOW)
    assert market.failed["legs"] == [
        "no burn of its transaction belongs to it",
        "148 points, and no swap that they belong to",
    ]


@pytest.mark.parametrize("burn", [True, False])
def test_legs__exchange_without_a_swap__legs(market: Market, burn: bool) -> None:
    alone = trade.leg(TOKENS[GROCER], (Lot(33, 5),), account=ALICE, burn=burn)
    market.rules.apply([], {TOKENS[GROCER]: [alone]}, [], NOW)
    assert market.failed == {"legs": ["5 points, and no swap that they belong to"]}


def test_legs__another_exchange__legs(market: Market) -> None:
    alone = trade.leg(TOKENS[GROCER], (Lot(33, 5),), account=ALICE, burn=False, caller=BOB)
    market.rules.apply([], {TOKENS[GROCER]: [alone]}, [], NOW)
    assert market.failed == {"legs": [f"5 points by 0x{BOB.hex()}, who is not the exchange"]}


def test_legs__fresh_lane_gives_old_points__legs() -> None:
    terms = replace(TERMS, carry_expiry=False)
    with trade.market() as market:
        market.agree(terms)
        swap = trade.swap(100, terms=terms)
        lots = (Lot(NOW // (7 * DAY) - 1, 148),)
        swap.end(lots=lots)
        swap.mint = trade.leg(TOKENS[FUEL], lots, account=BOB, burn=False)
        market.play(swap)
        assert market.failed == {"legs": ["the points given are not new ones"]}


def test_legs__points_that_end_too_soon__legs(market: Market) -> None:
    """A lot of fuel lives 77 days; one of grocer's that ends tomorrow has no counterpart there."""
    swap = trade.swap(100)
    now = (swap.burnt.lots[0].epoch + 5) * 30 * DAY - 1
    market.play(swap, now)
    assert "a burnt lot ends before any lot of the destination could" in market.failed["legs"]


# ---- caps


def test_caps__within_five_buckets__lane_caps(market: Market) -> None:
    market.play(trade.swap(6_000))
    market.play(trade.swap(700, ref=OTHER_REF, now=NOW + DAY), NOW + DAY)
    assert market.failed == {}
    market.play(trade.swap(100, ref=b"\x03" * 32, now=NOW + DAY), NOW + DAY)
    assert market.failed == {"lane_caps": ["10097 points out within a day with a cap of 10000"]}


def test_caps__thirty_hours_later__free_again(market: Market) -> None:
    market.play(trade.swap(6_000))
    later = NOW + 30 * 3_600
    market.play(trade.swap(6_000, ref=OTHER_REF, now=later), later)
    assert market.failed == {}


# ---- quotes


def test_quote__twice__quotes(market: Market) -> None:
    market.play(trade.swap(100, quote_id=QUOTE_ID, bonus_bps=500))
    market.play(trade.swap(100, quote_id=QUOTE_ID, bonus_bps=500, ref=OTHER_REF))
    assert market.failed == {"quotes": [f"the quote 0x{QUOTE_ID.hex()} was used before"]}


def test_quote__bonus_above_the_lanes__quotes(market: Market) -> None:
    generous = replace(TERMS, max_bonus_bps=5_000)
    market.play(trade.swap(1_000, terms=generous, quote_id=QUOTE_ID, bonus_bps=2_500))
    assert market.failed["quotes"][0].startswith("a bonus of 2")


def test_bonus__without_a_quote__swaps(market: Market) -> None:
    swap = trade.swap(1_000, quote_id=QUOTE_ID, bonus_bps=1_000)
    swap.log(quote_id=bytes(32))
    market.play(swap)
    assert "points in give" in market.failed["swaps"][0]


def test_swap__two_in_one_transaction__each_its_own(market: Market) -> None:
    one, other = trade.swap(100), trade.swap(50, ref=OTHER_REF, to=ALICE)
    assert one.mint is not None
    assert other.mint is not None
    legs = {TOKENS[GROCER]: [one.burn, other.burn], TOKENS[FUEL]: [one.mint, other.mint]}
    events = [one.burnt, one.ending, other.burnt, other.ending]
    market.rules.apply(events, legs, [*one.debts, *other.debts], NOW)
    assert market.failed == {}
    assert isinstance(one.ending, SwapMinted)
