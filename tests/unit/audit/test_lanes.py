"""Lanes that were not agreed to as they should be are seen in logs that claim them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from backend.audit.lanes import BUCKET_SECONDS, LaneState
from backend.chain.event_types import ChainEvent
from backend.chain.exchange_events import (
    LaneAgreed,
    LaneProposed,
    LaneStopped,
    ProposalWithdrawn,
)
from backend.chain.points_exchange import lane_id
from tests.unit.audit import trade
from tests.unit.audit.trade import BOB, FUEL, GROCER, LANE, NOTICE, NOW, TERMS, Market

REF = b"\x01" * 32


@pytest.fixture
def market() -> Iterator[Market]:
    with trade.market() as market:
        market.agree()
        yield market


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


def test_count_back__a_day_of_refunds__says_what_came_before() -> None:
    lane = LaneState(GROCER, FUEL)
    assert [lane.count_back(points, NOW) for points in (70, 50, 1)] == [0, 70, 120]
    assert lane.count_back(5, NOW + 6 * BUCKET_SECONDS) == 0
