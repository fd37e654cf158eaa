"""Burns held against what became of them elsewhere: each thing that can be wrong, broken once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from backend.audit.crossings import Arrival, Calendar, CrossingReport, Crossings, open_crossings
from backend.chain.event_types import Lot
from backend.chain.exchange_types import CrosschainSwap, LaneTerms, RefusalReason
from backend.chain.programme_registry import programme_id

HERE, THERE = 31337, 1337
DAY = 86_400
NOW = 1_700_000_000
LANE = b"\x01" * 32
ENDS = (programme_id("grocer"), programme_id("fuel"))
TERMS = LaneTerms(1, 2, 0, 1_000, 10, 10_000, 1 << 40, 8_000_000, carry_expiry=False, posted=False)
CALENDAR = Calendar(30 * DAY, 4)
SWAP = CrosschainSwap(
    swap_id=b"\x02" * 32,
    lane_id=LANE,
    number=1,
    account=b"\x03" * 20,
    to=b"\x04" * 20,
    points_in=100,
    points_out=50,
    bonus_bps=0,
    deadline=NOW + 3_600,
    epoch_length=30 * DAY,
    validity=4,
    lots=(Lot(NOW // (30 * DAY), 100),),
)
MINTED = Arrival(
    swap_id=SWAP.swap_id,
    chain_id=THERE,
    lane_id=LANE,
    terms=TERMS,
    calendar=CALENDAR,
    timestamp_seconds=NOW,
    block=9,
    recipient=SWAP.to,
    points_out=50,
    lots=(Lot(NOW // (30 * DAY), 50),),
    debt=400,
)
REFUSED = replace(
    MINTED, reason=RefusalReason.LANE_NOT_OPEN, terms=None, recipient=b"", points_out=0, lots=(), debt=None
)


@pytest.fixture
def crossings() -> Iterator[Crossings]:
    with open_crossings() as found:
        for chain_id in (HERE, THERE):
            found.add_chain(chain_id)
        yield found


def send(crossings: Crossings, swap: CrosschainSwap = SWAP) -> None:
    crossings.add_sent(HERE, ENDS, THERE, swap, 7)


def details(report: CrossingReport) -> list[str]:
    return [finding.detail for check in report.checks for finding in check.findings]


def test_judge__minted_as_due__passes_and_counts(crossings: Crossings) -> None:
    send(crossings)
    assert crossings.add_arrival(MINTED)
    report = crossings.judge()
    assert (report.passed, details(report)) == (True, [])
    (lane,) = report.lanes
    assert (lane.source, lane.destination, lane.burnt, lane.minted, lane.minted_points) == ("grocer", "fuel", 1, 1, 50)


def test_judge__refused_and_given_back__passes(crossings: Crossings) -> None:
    send(crossings)
    crossings.add_arrival(REFUSED)
    assert crossings.judge().lanes[0].returning == 1
    assert crossings.add_refund(SWAP.swap_id, HERE, 11)
    report = crossings.judge()
    assert report.passed
    assert (report.lanes[0].refunded, report.lanes[0].returning, report.lanes[0].under_way) == (1, 0, 0)


def test_judge__under_way__passes_and_says_since_when(crossings: Crossings) -> None:
    send(crossings)
    report = crossings.judge()
    assert report.passed
    assert (report.lanes[0].under_way, report.lanes[0].oldest_under_way_block) == (1, 7)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"recipient": b"\x05" * 20}, "another account"),
        ({"points_out": 51}, "51 points were minted, 50 were due"),
        ({"timestamp_seconds": SWAP.deadline + 2}, "2 s after its deadline"),
        ({"debt": 399}, "a debt of 399 was booked, 400 is due"),
        ({"lots": (Lot(1, 50),)}, "the lots minted are not those"),
        ({"terms": replace(TERMS, rate_denominator=3)}, "by the destination's terms"),
        ({"terms": replace(TERMS, minimum_in=101)}, "fewer than the lane's minimum"),
        ({"terms": replace(TERMS, carry_expiry=True), "lots": (Lot(3, 50),)}, "the lots minted are not those"),
        ({"chain_id": HERE}, "another chain or lane"),
        ({"lane_id": b"\x09" * 32}, "another chain or lane"),
        ({"swap_id": b"\x09" * 32}, "no audited chain burnt points for it"),
    ],
)
def test_judge__a_mint_that_does_not_follow__found(
    crossings: Crossings, changes: dict[str, object], found: str
) -> None:
    send(crossings)
    crossings.add_arrival(replace(MINTED, **changes))  # type: ignore[arg-type]
    report = crossings.judge()
    assert not report.passed
    assert any(found in detail for detail in details(report)), details(report)


def test_judge__more_bonus_than_allowed__found(crossings: Crossings) -> None:
    send(crossings, replace(SWAP, bonus_bps=2_000, points_out=60))
    crossings.add_arrival(replace(MINTED, points_out=60, lots=(Lot(NOW // (30 * DAY), 60),)))
    assert any("the lane allows 1000" in detail for detail in details(crossings.judge()))


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"reason": RefusalReason.DEADLINE_PAST}, "refused as late 3600 s before its deadline"),
        ({"reason": RefusalReason.LANE_NOT_OPEN, "terms": TERMS}, "although its lane was open"),
        ({"reason": RefusalReason.PRICE_DIFFERS, "terms": TERMS}, "refused for its price"),
    ],
)
def test_judge__a_refusal_without_cause__found(crossings: Crossings, changes: dict[str, object], found: str) -> None:
    send(crossings)
    crossings.add_arrival(replace(REFUSED, **changes))  # type: ignore[arg-type]
    assert any(found in detail for detail in details(crossings.judge()))


@pytest.mark.parametrize(
    "changes",
    [
        {"reason": RefusalReason.DEADLINE_PAST, "timestamp_seconds": SWAP.deadline + 1},
        {"reason": RefusalReason.PRICE_DIFFERS, "terms": replace(TERMS, rate_denominator=3)},
        {"reason": RefusalReason.PRICE_DIFFERS, "terms": replace(TERMS, minimum_in=101)},
    ],
)
def test_judge__a_refusal_with_cause__passes(crossings: Crossings, changes: dict[str, object]) -> None:
    send(crossings)
    crossings.add_arrival(replace(REFUSED, **changes))  # type: ignore[arg-type]
    assert crossings.judge().passed


def test_facts__twice__said(crossings: Crossings) -> None:
    send(crossings)
    assert crossings.add_arrival(MINTED)
    assert not crossings.add_arrival(REFUSED)
    assert crossings.add_refund(SWAP.swap_id, HERE, 11)
    assert not crossings.add_refund(SWAP.swap_id, HERE, 12)
    assert crossings.sent(SWAP.swap_id) == SWAP
    assert crossings.sent(bytes(32)) is None


def test_judge__minted_and_given_back__found(crossings: Crossings) -> None:
    send(crossings)
    crossings.add_arrival(MINTED)
    crossings.add_refund(SWAP.swap_id, HERE, 11)
    found = details(crossings.judge())
    assert "minted, and given back on chain 31337" in found
    assert "50 points minted and 50 refunded of 50" in found


def test_judge__given_back_unrefused__found(crossings: Crossings) -> None:
    send(crossings)
    crossings.add_refund(SWAP.swap_id, HERE, 11)
    assert details(crossings.judge()) == ["given back, and its destination never refused it"]


def test_judge__messages__each_sent_once_under_its_number(crossings: Crossings) -> None:
    crossings.add_queued(b"\x01" * 32, HERE, THERE, 1)
    crossings.add_taken(b"\x01" * 32, THERE, HERE, 1, 5)
    crossings.add_taken(b"\x07" * 32, THERE, 999, 1, 5)  # Of a chain that is not audited.
    assert crossings.judge().passed
    crossings.add_taken(b"\x02" * 32, THERE, HERE, 2, 6)
    crossings.add_taken(b"\x01" * 32, THERE, HERE, 1, 8)
    found = details(crossings.judge())
    assert found == ["chain 31337 never sent it as its number 2", "was taken more than once"]
