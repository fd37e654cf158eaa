"""Breaches that the contracts refuse to commit are still seen in logs that claim them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from backend.audit.report import ProgrammeFigures, Report
from backend.audit.rules import TokenRules, latest_first
from backend.audit.spool import Redemption, open_spool
from backend.chain.event_types import (
    ZERO_ADDRESS,
    BatchIssued,
    ChainEvent,
    HoldCaptured,
    HoldReleased,
    Lot,
    LotTransferred,
    Paused,
    PointsClawedBack,
    PointsHeld,
    PointsIssued,
    PointsRedeemed,
    PointsRefunded,
    SupplyCapChanged,
    Transfer,
    Unpaused,
)
from backend.chain.points_token import hold_account

TOKEN, ALICE, BOB = b"\x10" * 20, b"\xa1" * 20, b"\xb0" * 20
DAY_SECONDS = 86_400
NOW = 100 * DAY_SECONDS
REF, OTHER_REF = b"\x01" * 32, b"\x02" * 32
HOLD = hold_account(TOKEN, ALICE, REF)
_logs = count()


def where() -> tuple[bytes, int, bytes, int]:
    return TOKEN, 9, b"\x99" * 32, next(_logs)


@pytest.fixture
def rules() -> Iterator[TokenRules]:
    """A token with lots of a day that live three more, where alice has been issued 10 points."""
    report = Report(1, "0x" + "00" * 32, 0, 9)
    figures = ProgrammeFigures("grocer", "Grocer", "GRO", "0x" + TOKEN.hex(), 0)
    with open_spool() as spool:
        rules = TokenRules(
            report,
            figures,
            token=TOKEN,
            epoch_length_seconds=DAY_SECONDS,
            validity_epochs=3,
            clawback_epochs=1,
            spool=spool,
        )
        rules.apply([SupplyCapChanged(*where(), 0, 50)], NOW)
        rules.apply(issue(10, b"\x77" * 32), NOW)
        yield rules


def issue(amount: int, ref: bytes) -> list[ChainEvent]:
    return [Transfer(*where(), ZERO_ADDRESS, ALICE, amount), PointsIssued(*where(), ref)]


def redeem(amount: int, ref: bytes, epoch: int = 100) -> list[ChainEvent]:
    lots = (Lot(epoch, amount),)
    return [Transfer(*where(), ALICE, ZERO_ADDRESS, amount), PointsRedeemed(*where(), ref, ALICE, amount, lots)]


def refund(amount: int, ref: bytes, *lots: Lot, expired: int = 0) -> list[ChainEvent]:
    named: list[ChainEvent] = [LotTransferred(*where(), ZERO_ADDRESS, ALICE, lot.epoch, lot.amount) for lot in lots]
    named += [Transfer(*where(), ZERO_ADDRESS, ALICE, amount - expired)] if lots else []
    return [*named, PointsRefunded(*where(), ref, ALICE, amount, expired, lots)]


def hold(amount: int, deadline: int = NOW + 60, account: bytes = HOLD) -> list[ChainEvent]:
    return [Transfer(*where(), ALICE, account, amount), PointsHeld(*where(), REF, ALICE, account, amount, deadline)]


def capture(captured: int, released: int) -> list[ChainEvent]:
    return [
        Transfer(*where(), HOLD, ZERO_ADDRESS, captured),
        *([Transfer(*where(), HOLD, ALICE, released)] if released else []),
        PointsRedeemed(*where(), REF, ALICE, captured, (Lot(100, captured),)),
        HoldCaptured(*where(), REF, ALICE, captured, released),
    ]


def failed(rules: TokenRules) -> dict[str, list[str]]:
    return {check.id: [each.detail for each in check.findings] for check in rules.report.checks if not check.passed}


def test_rules__fair_play__nothing_found(rules: TokenRules) -> None:
    rules.apply(redeem(4, REF), NOW)
    rules.apply(refund(1, REF, Lot(100, 1)), NOW)
    rules.apply([Paused(*where(), BOB), Unpaused(*where(), BOB)], NOW)
    rules.apply(issue(1, OTHER_REF), NOW)
    assert failed(rules) == {}
    assert (rules.figures.issued, rules.figures.redeemed, rules.figures.refunded) == (11, 4, 1)


def test_refs__issue_twice__refs(rules: TokenRules) -> None:
    rules.apply(issue(1, REF), NOW)
    rules.apply(issue(1, REF), NOW)
    assert list(failed(rules)) == ["refs"]


def test_refs__batch_under_an_issue_ref__refs(rules: TokenRules) -> None:
    rules.apply(issue(1, REF), NOW)
    rules.apply([Transfer(*where(), ZERO_ADDRESS, BOB, 1), BatchIssued(*where(), REF, 1, 1)], NOW)
    assert list(failed(rules)) == ["refs"]


def test_refs__redemption_under_an_issue_ref__allowed(rules: TokenRules) -> None:
    rules.apply(issue(1, REF), NOW)
    rules.apply(redeem(1, REF), NOW)
    assert failed(rules) == {}


def test_refs__hold_after_redemption_of_the_same_ref__refs(rules: TokenRules) -> None:
    rules.apply(redeem(1, REF), NOW)
    rules.apply(hold(1), NOW)
    assert list(failed(rules)) == ["refs"]


def test_refund__more_than_redeemed__refunds(rules: TokenRules) -> None:
    rules.apply(redeem(4, REF), NOW)
    rules.apply(refund(3, REF, Lot(100, 3)), NOW)
    rules.apply(refund(3, REF, Lot(100, 3)), NOW)
    assert "3 points were refunded of 1 that were left" in failed(rules)["refunds"]


def test_refund__without_redemption__refunds(rules: TokenRules) -> None:
    rules.apply(refund(3, REF, Lot(100, 3)), NOW)
    assert list(failed(rules)) == ["refunds"]


def test_refund__earliest_lot_first__refunds(rules: TokenRules) -> None:
    later = NOW + DAY_SECONDS
    rules.apply(issue(5, OTHER_REF), later)
    lots = (Lot(100, 10), Lot(101, 2))
    spent = [Transfer(*where(), ALICE, ZERO_ADDRESS, 12), PointsRedeemed(*where(), REF, ALICE, 12, lots)]
    rules.apply(spent, later)
    rules.apply(refund(2, REF, Lot(100, 2)), later)
    assert failed(rules)["refunds"] == ["the lots given back are not the latest-expiring of the redemption"]


def test_refund__expired_meanwhile__counts_but_gives_nothing(rules: TokenRules) -> None:
    rules.apply(redeem(4, REF), NOW)
    rules.apply(refund(4, REF, expired=4), NOW + 4 * DAY_SECONDS)
    assert failed(rules) == {}


def test_redemption__other_lots_logged__redemptions(rules: TokenRules) -> None:
    rules.apply(redeem(4, REF, epoch=99), NOW)
    assert list(failed(rules)) == ["redemptions"]


@pytest.mark.parametrize(("days", "check"), [(1, []), (2, ["clawbacks"])])
def test_clawback__window(rules: TokenRules, days: int, check: list[str]) -> None:
    taken = [LotTransferred(*where(), ALICE, ZERO_ADDRESS, 100, 3), Transfer(*where(), ALICE, ZERO_ADDRESS, 3)]
    rules.apply([*taken, PointsClawedBack(*where(), REF, ALICE, 100, 3, 3)], NOW + days * DAY_SECONDS)
    assert list(failed(rules)) == check


def test_clawback__less_than_was_there__clawbacks(rules: TokenRules) -> None:
    rules.apply([PointsClawedBack(*where(), REF, ALICE, 100, 3, 0)], NOW)
    assert failed(rules)["clawbacks"] == ["10 points of the lot were left although more was asked for"]


def test_hold__captured_in_part__conserved(rules: TokenRules) -> None:
    rules.apply(hold(6), NOW)
    rules.apply(capture(4, 2), NOW + 60)
    assert failed(rules) == {}
    assert rules.book.lots[ALICE] == {100: 6}


def test_hold__captured_late__holds(rules: TokenRules) -> None:
    rules.apply(hold(6), NOW)
    rules.apply(capture(6, 0), NOW + 61)
    assert failed(rules)["holds"] == ["captured 1 s after its deadline"]


def test_hold__points_left_behind__holds(rules: TokenRules) -> None:
    rules.apply(hold(6), NOW)
    rules.apply([HoldReleased(*where(), REF, ALICE, 0)], NOW)
    assert failed(rules)["holds"] == ["points stayed behind in the hold's account"]


def test_hold__released_twice__holds(rules: TokenRules) -> None:
    rules.apply(hold(6), NOW)
    rules.apply([Transfer(*where(), HOLD, ALICE, 6), HoldReleased(*where(), REF, ALICE, 6)], NOW)
    rules.apply([HoldReleased(*where(), REF, ALICE, 0)], NOW)
    assert list(failed(rules)) == ["holds"]


def test_hold__in_another_account__holds(rules: TokenRules) -> None:
    rules.apply(hold(6, account=BOB), NOW)
    assert failed(rules)["holds"] == ["the points went to an account that is not the hold's"]


@pytest.mark.parametrize("deadline", [NOW - 1, NOW + 90 * DAY_SECONDS + 1])
def test_hold__deadline_out_of_range__holds(rules: TokenRules, deadline: int) -> None:
    rules.apply(hold(6, deadline), NOW)
    assert list(failed(rules)) == ["holds"]


def test_cap__issued_above__caps(rules: TokenRules) -> None:
    rules.apply(issue(40, REF), NOW)
    assert failed(rules) == {}
    rules.apply(issue(1, OTHER_REF), NOW)
    assert failed(rules)["caps"] == ["51 points were live with a cap of 50"]


def test_cap__expired_points__do_not_count(rules: TokenRules) -> None:
    rules.apply(issue(50, REF), NOW + 4 * DAY_SECONDS)
    assert failed(rules) == {}


def test_pause__movement__pauses(rules: TokenRules) -> None:
    rules.apply([Paused(*where(), BOB)], NOW)
    rules.apply(issue(1, REF), NOW)
    assert list(failed(rules)) == ["pauses"]


def test_mint__without_operation__mints(rules: TokenRules) -> None:
    rules.apply([Transfer(*where(), ZERO_ADDRESS, BOB, 1)], NOW)
    assert failed(rules)["mints"] == ["no operation explains this mint or burn"]


def test_batch__wrong_total__batches(rules: TokenRules) -> None:
    rules.apply([Transfer(*where(), ZERO_ADDRESS, BOB, 1), BatchIssued(*where(), REF, 1, 2)], NOW)
    assert list(failed(rules)) == ["batches"]


def test_latest_first__after_earlier_refunds__goes_on_where_they_ended() -> None:
    redemption = Redemption((Lot(1, 5), Lot(2, 5), Lot(3, 5)), remaining_points=8)
    assert latest_first(redemption, 4) == [Lot(2, 3), Lot(1, 1)]
