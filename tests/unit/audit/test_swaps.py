"""What an exchange must not do is seen in logs that say it did."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from backend.audit.legs import Leg
from backend.chain.clearing_events import DebtBooked, DebtReserved
from backend.chain.event_types import ChainEvent, Lot, Paused, Unpaused
from backend.chain.exchange_events import (
    LaneAgreed,
    LaneProposed,
    LaneStopped,
    ProposalWithdrawn,
    SwapMinted,
    SwapPending,
)
from backend.chain.exchange_types import Price
from backend.chain.points_exchange import lane_id
from tests.unit.audit import trade
from tests.unit.audit.trade import ALICE, BOB, DAY, FUEL, GROCER, HOUSE, LANE, NOTICE, NOW, TERMS, TOKENS, Market, Swap

REF, OTHER_REF = b"\x01" * 32, b"\x02" * 32
QUOTE_ID = b"\x0a" * 32
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


# ---- lanes


def test_lane__agreed_as_nobody_proposed__lanes(market: Market) -> None:
    proposed = LaneProposed(*trade.where(), LANE, GROCER, FUEL, GROCER, TERMS)
    agreed = LaneAgreed(*trade.where(), LANE, 2, NOW + NOTICE, replace(TERMS, fee_bps=99))
    market.rules.apply([proposed, agreed], {}, [], NOW)
    assert market.failed == {"lanes": ["the agreed terms are not those that were proposed"]}


def test_lane__agreed_after_withdrawal__lanes(market: Market) -> None:
    proposed = LaneProposed(*trade.where(), LANE, GROCER, FUEL, GROCER, TERMS)
    withdrawn = ProposalWithdrawn(*trade.where(), LANE, GROCER)
    agreed = LaneAgreed(*trade.where(), LANE, 2, NOW + NOTICE, TERMS)
    market.rules.apply([proposed, withdrawn, agreed], {}, [], NOW)
    assert market.failed == {"lanes": ["the agreed terms are not those that were proposed"]}


def test_lane__proposal_accepted_twice__lanes(market: Market) -> None:
    again = LaneAgreed(*trade.where(), LANE, 2, NOW + NOTICE, TERMS)
    market.rules.apply([again], {}, [], NOW)
    assert market.failed == {"lanes": ["the agreed terms are not those that were proposed"]}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"version": 3}, "version 3 follows 1"),
        ({"version": 1}, "version 1 follows 1"),
        ({"effective_from": NOW + NOTICE - 1}, "a notice of 3599 s instead of 3600 s"),
        ({"effective_from": NOW}, "a notice of 0 s instead of 3600 s"),
    ],
)
def test_lane__agreed_against_the_rules__lanes(market: Market, changes: dict[str, int], says: str) -> None:
    market.agree(**({"version": 2, "effective_from": NOW + NOTICE} | changes))  # type: ignore[arg-type]
    assert market.failed == {"lanes": [says]}


def test_lane__in_force_before_it_was_agreed__lanes() -> None:
    with trade.market() as market:
        market.agree(effective_from=NOW - 5)
        assert market.failed == {"lanes": ["in force 5 s before it was agreed"]}


def test_lane__reopened_after_a_stop__at_once(market: Market) -> None:
    market.rules.apply([LaneStopped(*trade.where(), LANE, FUEL)], {}, [], NOW)
    market.agree(version=2)
    market.play(trade.swap(version=2))
    assert market.failed == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"rate_numerator": 0},
        {"fee_bps": 10_000},
        {"max_bonus_bps": 10_001},
        {"minimum_in": 0},
        {"valid_until": NOW - 1},
    ],
)
def test_lane__term_out_of_range__lanes(changes: dict[str, int]) -> None:
    with trade.market() as market:
        market.agree(replace(TERMS, **changes))  # type: ignore[arg-type]
        assert market.failed == {"lanes": ["a term is outside its range"]}


@pytest.mark.parametrize(("numerator", "found"), [(67, []), (68, ["lanes"])])
def test_lane__opposite_gains__lanes(market: Market, numerator: int, found: list[str]) -> None:
    """3:2 less 1 % is 1.485; back at 0.67 loses, at 0.68 gains."""
    back = replace(TERMS, rate_numerator=numerator, rate_denominator=100, fee_bps=0)
    opposite = lane_id(trade.CHAIN_ID, FUEL, GROCER)
    proposed = LaneProposed(*trade.where(), opposite, FUEL, GROCER, GROCER, back)
    market.rules.apply([proposed, LaneAgreed(*trade.where(), opposite, 1, NOW, back)], {}, [], NOW)
    assert list(market.failed) == found


@pytest.mark.parametrize(
    ("event", "says"),
    [
        (LaneProposed(*trade.where(), REF, GROCER, FUEL, GROCER, TERMS), "the lane's id is not that of its two"),
        (LaneProposed(*trade.where(), LANE, GROCER, FUEL, BOB.ljust(32), TERMS), "proposed terms for a lane of others"),
        (LaneStopped(*trade.where(), LANE, b"other".ljust(32, b"\0")), "other stopped a lane of others"),
        (LaneStopped(*trade.where(), REF, GROCER), "a lane was stopped that never had a proposal"),
        (ProposalWithdrawn(*trade.where(), LANE, FUEL), "there was no such proposal"),
    ],
)
def test_lane__log_of_others__lanes(market: Market, event: ChainEvent, says: str) -> None:
    market.rules.apply([event], {}, [], NOW)
    assert says in market.failed["lanes"][0]


def test_swap__two_in_one_transaction__each_its_own(market: Market) -> None:
    one, other = trade.swap(100), trade.swap(50, ref=OTHER_REF, to=ALICE)
    assert one.mint is not None
    assert other.mint is not None
    legs = {TOKENS[GROCER]: [one.burn, other.burn], TOKENS[FUEL]: [one.mint, other.mint]}
    events = [one.burnt, one.ending, other.burnt, other.ending]
    market.rules.apply(events, legs, [*one.debts, *other.debts], NOW)
    assert market.failed == {}
    assert isinstance(one.ending, SwapMinted)
