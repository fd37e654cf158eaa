"""What a clearing house must not do is seen in logs that say it did."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from backend.audit.positions import Positions
from backend.audit.report import Report
from backend.chain import clearing_events as logs
from backend.chain.event_types import ChainEvent
from backend.chain.manifest import ClearingEntry, CurrencyEntry
from tests.unit.audit.trade import BOB, CHAIN_ID, DAY, FUEL, GROCER, HOUSE, NOW

ADDRESS = "0x" + HOUSE.hex()
SWAP_ID = b"\x05" * 32


class House:
    """A house with two programmes and collateral of 100 each, opened at NOW; each event is a transaction."""

    def __init__(self) -> None:
        self.report = Report(CHAIN_ID, "0x" + "00" * 32, 0, 9)
        self.report.add_clearing_checks()
        currency = CurrencyEntry(address=ADDRESS, symbol="TUSD", decimals=6, code="USD")
        entry = ClearingEntry(
            address=ADDRESS,
            code_hash="0x" + "00" * 32,
            block=1,
            admin=ADDRESS,
            currency=currency,
            cycle_seconds=7 * DAY,
            payment_seconds=2 * DAY,
            keeper=ADDRESS,
        )
        self.positions = Positions(self.report, entry)
        self.positions.start(NOW)
        self.log_index = 0
        self.now = NOW
        self.say(lambda at: logs.ProgrammeJoined(*at, GROCER, 0))
        self.say(lambda at: logs.ProgrammeJoined(*at, FUEL, 1))
        self.say(lambda at: logs.CollateralDeposited(*at, GROCER, BOB, 100))
        self.say(lambda at: logs.CollateralDeposited(*at, FUEL, BOB, 100))

    def say(self, *makes: Callable[[tuple[bytes, int, bytes, int]], ChainEvent]) -> None:
        """A transaction with these logs."""
        events = []
        transaction_hash = self.log_index.to_bytes(32)
        for make in makes:
            self.log_index += 1
            events.append(make((HOUSE, 9, transaction_hash, self.log_index)))
        self.positions.apply(events, self.now)

    def book(self, amount: int, cycle: int = 1) -> None:
        self.say(lambda at: logs.DebtBooked(*at, cycle, GROCER, FUEL, amount, SWAP_ID))

    @property
    def failed(self) -> list[str]:
        return [finding.detail for finding in self.report.check("clearing").findings]


def test_house__within_its_rules__nothing_found() -> None:
    house = House()
    house.book(60)
    house.say(lambda at: logs.CreditLineChanged(*at, FUEL, GROCER, 0, 50))
    house.book(90)
    assert house.failed == []
    assert house.report.check("clearing").examined == 7


@pytest.mark.parametrize("amount", [101, 1_000])
def test_house__debt_that_nothing_covers__clearing(amount: int) -> None:
    house = House()
    house.book(amount)
    assert house.failed == [f"grocer owes {amount - 100} that nothing covers"]


def test_house__debt_in_another_cycle__clearing() -> None:
    house = House()
    house.book(10, cycle=2)
    assert house.failed == ["cycle 1 is open"]


def test_house__collateral_withdrawn_that_covers__clearing() -> None:
    house = House()
    house.book(60)
    house.say(lambda at: logs.CollateralWithdrawn(*at, GROCER, BOB, 41))
    assert "41 withdrawn, 40 could be" in house.failed


def test_house__closed_too_early__clearing() -> None:
    house = House()
    house.now = NOW + 7 * DAY - 1
    house.say(
        lambda at: logs.CycleClosed(*at, 1, house.now + 2 * DAY),
        lambda at: logs.CycleSettled(*at, 1, 0),
    )
    assert house.failed == [f"could not be closed before {NOW + 7 * DAY}"]


def test_house__net_advised_wrongly__clearing() -> None:
    house = House()
    house.book(60)
    house.now = NOW + 7 * DAY
    house.say(
        lambda at: logs.CycleClosed(*at, 1, house.now + 2 * DAY),
        lambda at: logs.PositionAdvised(*at, 1, GROCER, -59),
        lambda at: logs.PositionAdvised(*at, 1, FUEL, 60),
    )
    assert house.failed


def test_house__settled_with_a_debt_unpaid__clearing() -> None:
    house = House()
    house.book(60)
    house.now = NOW + 7 * DAY
    house.say(
        lambda at: logs.CycleClosed(*at, 1, house.now + 2 * DAY),
        lambda at: logs.PositionAdvised(*at, 1, GROCER, -60),
        lambda at: logs.PositionAdvised(*at, 1, FUEL, 60),
    )
    assert house.failed == []
    house.say(lambda at: logs.CycleSettled(*at, 1, 60))
    assert house.failed


def test_house__default_before_the_deadline__clearing() -> None:
    house = House()
    house.say(lambda at: logs.CreditLineChanged(*at, FUEL, GROCER, 0, 500))
    house.book(300)
    house.now = NOW + 7 * DAY
    house.say(
        lambda at: logs.CycleClosed(*at, 1, house.now + 2 * DAY),
        lambda at: logs.PositionAdvised(*at, 1, GROCER, -300),
        lambda at: logs.PositionAdvised(*at, 1, FUEL, 300),
    )
    house.say(lambda at: logs.DefaultDeclared(*at, 1, GROCER))
    assert any("deadline" in detail for detail in house.failed)


def test_house__reservation_ended_twice__clearing() -> None:
    house = House()
    house.say(lambda at: logs.DebtReserved(*at, GROCER, FUEL, 40, SWAP_ID))
    house.say(lambda at: logs.ReservationEnded(*at, SWAP_ID, 40, False))
    assert house.failed == []
    house.say(lambda at: logs.ReservationEnded(*at, SWAP_ID, 40, False))
    assert house.failed
