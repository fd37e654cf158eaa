"""Cycles: close, pay, settle, withdraw; and disputes."""

import pytest

from tests.contracts.support.clock import DAY_SECONDS
from tests.contracts.support.outcomes import logs, reverts
from tests.contracts.support.points import NOBODY, ref
from tests.contracts.support.world import CYCLE_SECONDS, PAYMENT_SECONDS, Standing, owed, standing_of


@pytest.fixture
def debts(grocer, fuel, pharmacy, grant, book):
    """Grocer owes fuel 100, fuel owes pharmacy 70, pharmacy owes grocer 20: on balance -80, +30, +50."""
    for creditor in (grocer, fuel, pharmacy):
        for debtor in (grocer, fuel, pharmacy):
            if creditor is not debtor:
                grant(creditor, debtor, 1_000)
    book(grocer, fuel, 100)
    book(fuel, pharmacy, 70)
    book(pharmacy, grocer, 20)


@pytest.fixture
def closed(debts, close):
    """The first cycle, closed."""
    close()


@pytest.fixture
def settle(house, relayer):
    return lambda: house.settleCycle({"from": relayer})


class TestClose:
    @pytest.mark.spec("CH-40")
    def test_one_second_early__refused(self, house, clock, relayer):
        closes_at = house.closesAt()
        clock.next_block_at(closes_at - 1)
        with reverts("CycleStillOpen", closes_at):
            house.closeCycle({"from": relayer})

    @pytest.mark.spec("CH-40", "CH-41")
    def test_in_its_second__advises_the_nets_and_opens_the_next(
        self, house, debts, clock, relayer, grocer, fuel, pharmacy, sums_to_zero
    ):
        closes_at = house.closesAt()
        clock.next_block_at(closes_at)
        transaction = house.closeCycle({"from": relayer})
        deadline = closes_at + PAYMENT_SECONDS
        assert logs(transaction) == [
            ("CycleClosed", 1, deadline),
            ("PositionAdvised", 1, grocer.id, -80),
            ("PositionAdvised", 1, fuel.id, 30),
            ("PositionAdvised", 1, pharmacy.id, 50),
        ]
        assert (house.openCycle(), house.closesAt()) == (2, closes_at + CYCLE_SECONDS)
        assert (house.isSettling(), house.paymentDeadline()) == (True, deadline)
        assert standing_of(house, grocer) == Standing(due=-80)
        assert owed(house, grocer, fuel) == (0, 100)
        assert owed(house, grocer, pharmacy) == (0, -20)
        sums_to_zero()

    @pytest.mark.spec("CH-40")
    def test_before_the_former_is_settled__refused(self, house, closed, clock, relayer):
        clock.go_to(house.closesAt())
        with reverts("CycleNotSettled", 1):
            house.closeCycle({"from": relayer})

    @pytest.mark.spec("CH-42")
    @pytest.mark.parametrize("late_seconds", [CYCLE_SECONDS - 1, CYCLE_SECONDS, 3 * CYCLE_SECONDS + DAY_SECONDS])
    def test_late__later_cycles_stay_on_the_grid(self, house, debts, clock, relayer, late_seconds):
        first = house.closesAt()
        clock.next_block_at(first + late_seconds)
        house.closeCycle({"from": relayer})
        assert house.closesAt() > clock.now_seconds
        assert (house.closesAt() - first) % CYCLE_SECONDS == 0
        assert house.closesAt() - clock.now_seconds <= CYCLE_SECONDS

    @pytest.mark.spec("CH-43")
    def test_nobody_owes_on_balance__settled_at_once(self, house, close, grant, book, grocer, fuel, pharmacy):
        for debtor, creditor in ((grocer, fuel), (fuel, pharmacy), (pharmacy, grocer)):
            grant(creditor, debtor, 10)
            book(debtor, creditor, 10)
        assert logs(close())[1:] == [("CycleSettled", 1, 0)]
        assert not house.isSettling()
        assert house.paymentDeadline() == 0
        assert owed(house, grocer, fuel) == (0, 0)
        assert standing_of(house, grocer) == Standing()

    @pytest.mark.spec("CH-43")
    def test_nothing_happened__settled_at_once(self, house, close):
        for cycle in (1, 2, 3):
            assert [log[:2] for log in logs(close())] == [("CycleClosed", cycle), ("CycleSettled", cycle)]

    @pytest.mark.spec("CH-25", "CH-41")
    def test_debts_of_the_open_cycle__stand_beside_the_closed(
        self, house, closed, book, grocer, fuel, pharmacy, sums_to_zero
    ):
        book(fuel, grocer, 30)
        book(grocer, pharmacy, 5)
        assert owed(house, grocer, fuel) == (-30, 100)
        assert owed(house, grocer, pharmacy) == (5, -20)
        assert standing_of(house, grocer) == Standing(open=25, due=-80)
        sums_to_zero()


class TestPay:
    @pytest.mark.spec("CH-44")
    def test_no_cycle_to_settle__refused(self, house, grocer, pay):
        with reverts("NothingToSettle"):
            pay(grocer, 1)
        with reverts("NothingToSettle"):
            house.payFromCollateral(grocer.id, 1, {"from": grocer.treasurer})

    @pytest.mark.spec("CH-45")
    def test_more_than_owed__refused(self, closed, grocer, fuel, pay):
        with reverts("Overpaid", grocer.id, 81, 80):
            pay(grocer, 81)
        pay(grocer, 50)
        with reverts("Overpaid", grocer.id, 31, 30):
            pay(grocer, 31)
        with reverts("Overpaid", fuel.id, 1, 0):
            pay(fuel, 1)

    @pytest.mark.spec("CH-45")
    def test_nothing__refused(self, closed, grocer, pay):
        with reverts("InvalidClearingAmount", 0):
            pay(grocer, 0)

    @pytest.mark.spec("CH-46")
    def test_by_anyone_in_parts__logged(self, world, house, closed, grocer, pay, alice, sums_to_zero):
        pay(grocer, 50)
        transaction = pay(grocer, 30, alice)
        assert logs(transaction) == [("DebtPaid", 1, grocer.id, alice, 30), ("Transfer", alice, house, 30)]
        assert standing_of(house, grocer) == Standing(due=-80, paid=80)
        sums_to_zero()

    @pytest.mark.spec("CH-46")
    def test_after_the_deadline__accepted(self, house, closed, grocer, pay, clock):
        clock.go_to(house.paymentDeadline() + DAY_SECONDS)
        pay(grocer, 80)
        assert standing_of(house, grocer).paid == 80

    @pytest.mark.spec("CH-47")
    @pytest.mark.parametrize("actor", ["admin", "exchange", "mallory"])
    def test_from_collateral__only_by_the_treasurer(self, world, house, closed, grocer, fuel, actor, request):
        world.deposit(grocer, 100)
        for caller in (request.getfixturevalue(actor), fuel.treasurer):
            with reverts("NotTreasurer", grocer.id, caller):
                house.payFromCollateral(grocer.id, 1, {"from": caller})

    @pytest.mark.spec("CH-47")
    def test_from_collateral__logged(self, world, house, closed, grocer, sums_to_zero):
        world.deposit(grocer, 100)
        transaction = house.payFromCollateral(grocer.id, 80, {"from": grocer.treasurer})
        assert logs(transaction) == [("DebtPaid", 1, grocer.id, NOBODY, 80)]
        assert standing_of(house, grocer) == Standing(due=-80, paid=80, collateral=20)
        sums_to_zero()

    @pytest.mark.spec("CH-47")
    def test_from_collateral_that_the_open_cycle_needs__refused(
        self, world, house, closed, grocer, fuel, grant, book, exchange
    ):
        world.deposit(grocer, 100)
        book(grocer, fuel, 930)
        house.reserve(grocer.id, fuel.id, 20, ref("reserved"), {"from": exchange})
        grant(fuel, grocer, 960)
        assert standing_of(house, grocer).uncovered_open == 0
        grant(fuel, grocer, 950)
        assert standing_of(house, grocer).uncovered == 80
        with reverts("Overpaid", grocer.id, 81, 80):
            house.payFromCollateral(grocer.id, 81, {"from": grocer.treasurer})
        house.payFromCollateral(grocer.id, 80, {"from": grocer.treasurer})
        assert standing_of(house, grocer).collateral == 20

    @pytest.mark.spec("CH-47")
    def test_from_collateral_beyond_what_is_free_of_the_open_cycle__refused(
        self, world, house, closed, grocer, pharmacy, grant, book
    ):
        world.deposit(grocer, 100)
        grant(pharmacy, grocer, 0)
        book(grocer, pharmacy, 60)
        assert standing_of(house, grocer).uncovered_open == 60
        with reverts("CollateralInUse", grocer.id, 41, 40):
            house.payFromCollateral(grocer.id, 41, {"from": grocer.treasurer})
        house.payFromCollateral(grocer.id, 40, {"from": grocer.treasurer})
        assert standing_of(house, grocer).paid == 40


class TestSettle:
    @pytest.mark.spec("CH-44")
    def test_no_cycle_to_settle__refused(self, settle):
        with reverts("NothingToSettle"):
            settle()

    @pytest.mark.spec("CH-48")
    def test_somebody_has_not_paid__refused(self, closed, grocer, pay, settle):
        with reverts("PaymentOutstanding", grocer.id, 80):
            settle()
        pay(grocer, 79)
        with reverts("PaymentOutstanding", grocer.id, 1):
            settle()

    @pytest.mark.spec("CH-49")
    def test_all_have_paid__creditors_can_withdraw(
        self, world, house, closed, grocer, fuel, pharmacy, pay, settle, alice, sums_to_zero
    ):
        pay(grocer, 80)
        assert logs(settle()) == [("CycleSettled", 1, 80)]
        assert not house.isSettling()
        assert [standing_of(house, programme) for programme in world.programmes] == [
            Standing(),
            Standing(collateral=30),
            Standing(collateral=50),
        ]
        assert owed(house, grocer, fuel) == (0, 0)
        sums_to_zero()
        house.withdraw(fuel.id, alice, 30, {"from": fuel.treasurer})
        house.withdraw(pharmacy.id, alice, 50, {"from": pharmacy.treasurer})
        assert world.currency.balanceOf(alice) == 80
        assert world.currency.balanceOf(house) == 0

    @pytest.mark.spec("CH-49")
    def test_debts_of_the_open_cycle__stay(self, house, closed, grocer, fuel, book, pay, settle, close):
        book(fuel, grocer, 35)
        pay(grocer, 80)
        settle()
        assert owed(house, fuel, grocer) == (35, 0)
        assert ("PositionAdvised", 2, fuel.id, -35) in logs(close())

    @pytest.mark.spec("CH-49")
    def test_several_cycles__each_by_itself(
        self, house, debts, grocer, fuel, pharmacy, book, pay, close, settle, sums_to_zero
    ):
        for cycle in (1, 2, 3):
            close()
            for programme in (grocer, fuel, pharmacy):
                outstanding = max(0, -standing_of(house, programme).due)
                if outstanding:
                    pay(programme, outstanding)
            assert logs(settle(), "CycleSettled")[0][1] == cycle
            book(fuel, grocer, 40 * cycle)
            book(grocer, pharmacy, 15)
            sums_to_zero()
        assert house.openCycle() == 4


class TestDispute:
    NOTE = ref("a note")

    @pytest.mark.spec("CH-60")
    @pytest.mark.parametrize("actor", ["admin", "exchange", "mallory"])
    def test_not_the_treasurer__refused(self, house, closed, grocer, fuel, actor, request):
        for caller in (request.getfixturevalue(actor), fuel.treasurer):
            with reverts("NotTreasurer", grocer.id, caller):
                house.dispute(1, grocer.id, self.NOTE, {"from": caller})

    @pytest.mark.spec("CH-60")
    @pytest.mark.parametrize("cycle", [0, 2, 3])
    def test_cycle_that_is_not_closed__refused(self, house, closed, grocer, cycle):
        with reverts("UnknownCycle", cycle):
            house.dispute(cycle, grocer.id, self.NOTE, {"from": grocer.treasurer})

    @pytest.mark.spec("CH-61")
    def test_logged__and_stops_nothing(self, world, house, closed, grocer, pharmacy, pay, settle):
        before = [standing_of(house, programme) for programme in world.programmes]
        transaction = house.dispute(1, pharmacy.id, self.NOTE, {"from": pharmacy.treasurer})
        assert logs(transaction) == [("CycleDisputed", 1, pharmacy.id, self.NOTE)]
        assert [standing_of(house, programme) for programme in world.programmes] == before
        pay(grocer, 80)
        settle()
        house.dispute(1, grocer.id, self.NOTE, {"from": grocer.treasurer})
