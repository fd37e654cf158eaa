"""Default: a debtor that does not pay costs nobody more than the line it gave."""

import pytest

from tests.contracts.support.outcomes import logs, reverts
from tests.contracts.support.points import NOBODY, ref
from tests.contracts.support.world import PAYMENT_SECONDS, Standing, owed, standing_of

SWAP = ref("swap")


@pytest.fixture
def indebted(world, grocer, fuel, pharmacy, grant, book):
    """Grocer owes fuel 100 (line 60) and pharmacy 50 (line 50) with a collateral of 70."""
    grant(fuel, grocer, 60)
    grant(pharmacy, grocer, 50)
    world.deposit(grocer, 70)
    book(grocer, fuel, 100)
    book(grocer, pharmacy, 50)


@pytest.fixture
def defaulted(indebted, grocer, close, enforce):
    """Grocer's collateral pays fuel the 40 beyond its line and 30 of the remaining 110 in proportion."""
    close()
    return enforce(grocer)


@pytest.fixture
def distribute(house, relayer):
    return lambda programme: house.distribute(programme.id, {"from": relayer})


class TestEnforce:
    @pytest.mark.spec("CH-44")
    def test_no_cycle_to_settle__refused(self, house, grocer, relayer):
        with reverts("NothingToSettle"):
            house.enforce(grocer.id, {"from": relayer})

    @pytest.mark.spec("CH-50")
    def test_in_the_second_of_the_deadline__refused(self, house, indebted, grocer, close, clock, relayer):
        close()
        deadline = house.paymentDeadline()
        clock.next_block_at(deadline)
        with reverts("DeadlineNotPast", deadline):
            house.enforce(grocer.id, {"from": relayer})

    @pytest.mark.spec("CH-50")
    def test_who_has_paid_or_owes_nothing__refused(self, indebted, grocer, fuel, close, pay, enforce):
        close()
        pay(grocer, 150)
        for programme in (grocer, fuel):
            with reverts("Overpaid", programme.id, 0, 0):
                enforce(programme)

    @pytest.mark.spec("CH-51")
    def test_collateral_suffices__pays(self, world, house, indebted, grocer, close, pay, enforce, sums_to_zero):
        close()
        pay(grocer, 100)
        transaction = enforce(grocer)
        assert logs(transaction) == [
            ("DebtPaid", 1, grocer.id, NOBODY, 50),
            ("CollateralEnforced", 1, grocer.id, 50),
        ]
        assert standing_of(house, grocer) == Standing(due=-150, paid=150, collateral=20, uncovered=40)
        sums_to_zero()

    @pytest.mark.spec("CH-51")
    def test_collateral_that_the_open_cycle_needs__does_not_pay(
        self, house, indebted, grocer, pharmacy, grant, book, close, pay, enforce
    ):
        close()
        pay(grocer, 100)
        grant(pharmacy, grocer, 20)
        book(grocer, pharmacy, 41)
        assert standing_of(house, grocer).uncovered_open == 21
        assert "DefaultDeclared" in [log[0] for log in logs(enforce(grocer))]

    @pytest.mark.spec("CH-52", "CH-53", "CH-54")
    def test_collateral_does_not_suffice__default(
        self, world, house, indebted, grocer, fuel, pharmacy, close, enforce, clock, sums_to_zero
    ):
        close()
        transaction = enforce(grocer)
        deadline = clock.now_seconds + PAYMENT_SECONDS
        assert logs(transaction) == [
            ("DefaultDeclared", 1, grocer.id),
            ("CycleReadvised", 1, deadline),
            ("PositionAdvised", 1, fuel.id, 0),
            ("PositionAdvised", 1, pharmacy.id, 0),
            ("PositionAdvised", 1, grocer.id, 0),
            ("LossAllocated", grocer.id, fuel.id, 100, 40 + 30 * 60 // 110),
            ("LossAllocated", grocer.id, pharmacy.id, 50, 30 * 50 // 110),
        ]
        assert house.paymentDeadline() == deadline
        assert standing_of(house, grocer) == Standing(collateral=1, claims=81, in_default=True)
        assert standing_of(house, fuel) == Standing(collateral=56)
        assert standing_of(house, pharmacy) == Standing(collateral=13)
        assert house.claimOf(fuel.id, grocer.id) == 44
        assert house.claimOf(pharmacy.id, grocer.id) == 37
        assert owed(house, grocer, fuel) == owed(house, grocer, pharmacy) == (0, 0)
        sums_to_zero()

    @pytest.mark.spec("CH-53")
    def test_loss__never_above_the_line_that_was_given(self, house, defaulted, grocer, fuel, pharmacy):
        assert house.claimOf(fuel.id, grocer.id) <= house.creditLineOf(fuel.id, grocer.id)
        assert house.claimOf(pharmacy.id, grocer.id) <= house.creditLineOf(pharmacy.id, grocer.id)

    @pytest.mark.spec("CH-53")
    def test_no_line_was_given__no_loss(self, world, house, grocer, fuel, pharmacy, grant, book, close, enforce):
        """A friend's enormous line lets the debtor owe the friend, and nobody else a unit more."""
        grant(pharmacy, grocer, 1_000_000)
        world.deposit(grocer, 25)
        book(grocer, pharmacy, 1_000_000)
        with reverts("DebitCapExceeded", grocer.id, fuel.id, 26, 25):
            book(grocer, fuel, 26)
        book(grocer, fuel, 25)
        close()
        enforce(grocer)
        assert house.claimOf(fuel.id, grocer.id) == 0
        assert standing_of(house, fuel).collateral == 25
        assert house.claimOf(pharmacy.id, grocer.id) == 1_000_000

    @pytest.mark.spec("CH-53")
    def test_middleman__loses_its_own_line_only(self, house, grocer, fuel, pharmacy, grant, book, close, enforce):
        """Grocer owes fuel, fuel owes pharmacy the same: on balance fuel owes nothing until grocer fails."""
        grant(fuel, grocer, 80)
        grant(pharmacy, fuel, 80)
        book(grocer, fuel, 80)
        book(fuel, pharmacy, 80)
        close()
        transaction = enforce(grocer)
        assert ("PositionAdvised", 1, fuel.id, -80) in logs(transaction)
        assert standing_of(house, fuel) == Standing(due=-80)
        assert standing_of(house, pharmacy) == Standing(due=80)
        assert "DefaultDeclared" in [log[0] for log in logs(enforce(fuel))]
        assert house.claimOf(fuel.id, grocer.id) == 80
        assert house.claimOf(pharmacy.id, fuel.id) == 80

    @pytest.mark.spec("CH-52")
    def test_what_it_paid__goes_back_into_its_collateral_first(
        self, house, indebted, grocer, fuel, pharmacy, close, pay, enforce, sums_to_zero
    ):
        close()
        pay(grocer, 35)
        transaction = enforce(grocer)
        assert logs(transaction, "LossAllocated") == [
            ("LossAllocated", grocer.id, fuel.id, 100, 40 + 65 * 60 // 110),
            ("LossAllocated", grocer.id, pharmacy.id, 50, 65 * 50 // 110),
        ]
        sums_to_zero()

    @pytest.mark.spec("CH-54")
    def test_debts_of_both_cycles__leave_the_netting(
        self, world, house, indebted, grocer, fuel, pharmacy, grant, book, close, enforce, sums_to_zero
    ):
        close()
        grant(fuel, grocer, 100)
        book(grocer, fuel, 30)
        transaction = enforce(grocer)
        assert logs(transaction, "LossAllocated")[0][3] == 130
        assert owed(house, grocer, fuel) == (0, 0)
        assert standing_of(house, fuel).open == 0
        sums_to_zero()

    @pytest.mark.spec("CH-54")
    def test_owed_back_in_the_other_cycle__set_off_first(
        self, house, grocer, fuel, pharmacy, grant, book, close, enforce, sums_to_zero
    ):
        grant(fuel, grocer, 100)
        grant(grocer, fuel, 100)
        book(grocer, fuel, 100)
        close()
        book(fuel, grocer, 30)
        transaction = enforce(grocer)
        assert logs(transaction, "LossAllocated") == [("LossAllocated", grocer.id, fuel.id, 70, 0)]
        assert owed(house, fuel, grocer) == (0, 0)
        sums_to_zero()

    @pytest.mark.spec("CH-54")
    @pytest.mark.parametrize("cycle", ["closed", "open"])
    def test_owed_more_back__stays_where_it_is_owed(
        self, house, grocer, fuel, pharmacy, grant, book, close, enforce, sums_to_zero, cycle
    ):
        for creditor, debtor in ((fuel, grocer), (grocer, fuel), (pharmacy, grocer)):
            grant(creditor, debtor, 1_000)
        book(grocer, pharmacy, 500)
        first, second = ((grocer, fuel, 20), (fuel, grocer, 90))
        book(*(first if cycle == "open" else second))
        close()
        book(*(second if cycle == "open" else first))
        enforce(grocer)
        assert owed(house, fuel, grocer) == ((70, 0) if cycle == "open" else (0, 70))
        assert house.claimOf(fuel.id, grocer.id) == 0
        sums_to_zero()


class TestInDefault:
    @pytest.mark.spec("CH-55")
    def test_nothing_is_booked_or_reserved__in_either_direction(
        self, world, house, defaulted, grocer, fuel, pharmacy, grant, book, exchange
    ):
        grant(grocer, fuel, 0)
        world.deposit(fuel, 1_000)
        world.deposit(grocer, 1_000)
        for debtor, creditor in ((grocer, fuel), (fuel, grocer)):
            assert house.availableTo(debtor.id, creditor.id) == 0
            with reverts("InDefault", grocer.id):
                book(debtor, creditor, 1)
            with reverts("InDefault", grocer.id):
                house.reserve(debtor.id, creditor.id, 1, SWAP, {"from": exchange})
        book(fuel, pharmacy, 1)

    @pytest.mark.spec("CH-55")
    def test_withdraws_nothing(self, world, house, defaulted, grocer):
        world.deposit(grocer, 1_000)
        assert house.withdrawable(grocer.id) == 0
        with reverts("InDefault", grocer.id):
            house.withdraw(grocer.id, grocer.treasurer, 1, {"from": grocer.treasurer})

    @pytest.mark.spec("CH-55")
    def test_grants_nothing_more(self, house, defaulted, grocer, fuel, grant):
        with reverts("InDefault", grocer.id):
            grant(grocer, fuel, 1)
        grant(fuel, grocer, 70)
        assert house.creditLineOf(fuel.id, grocer.id) == 70

    @pytest.mark.spec("CH-52")
    def test_others__have_a_new_deadline(
        self, house, grocer, fuel, pharmacy, grant, book, close, enforce, relayer, clock
    ):
        grant(fuel, grocer, 80)
        grant(pharmacy, fuel, 80)
        book(grocer, fuel, 80)
        book(fuel, pharmacy, 80)
        close()
        enforce(grocer)
        deadline = house.paymentDeadline()
        assert deadline == clock.now_seconds + PAYMENT_SECONDS
        clock.next_block_at(deadline)
        with reverts("DeadlineNotPast", deadline):
            house.enforce(fuel.id, {"from": relayer})

    @pytest.mark.spec("CH-52")
    def test_others__who_paid_too_much_get_it_back(
        self, house, grocer, fuel, pharmacy, grant, book, close, pay, enforce, relayer, sums_to_zero
    ):
        """Fuel owed 90 on balance and paid it; grocer's default sets 60 of another cycle off against it."""
        for creditor, debtor in ((grocer, fuel), (fuel, grocer), (pharmacy, grocer)):
            grant(creditor, debtor, 1_000)
        book(fuel, grocer, 90)
        book(grocer, pharmacy, 500)
        close()
        pay(fuel, 90)
        book(grocer, fuel, 60)
        enforce(grocer)
        assert standing_of(house, fuel) == Standing(due=-30, paid=90)
        sums_to_zero()
        house.settleCycle({"from": relayer})
        assert standing_of(house, fuel) == Standing(collateral=60)
        assert standing_of(house, grocer).collateral == 30
        sums_to_zero()

    @pytest.mark.spec("CH-58")
    @pytest.mark.parametrize("debtor_fails", [True, False], ids=["debtor fails", "creditor fails"])
    @pytest.mark.parametrize("how", ["bookReserved", "release"])
    def test_reservation__is_kept_apart_and_ends(
        self,
        world,
        house,
        grocer,
        fuel,
        pharmacy,
        grant,
        book,
        close,
        enforce,
        exchange,
        sums_to_zero,
        debtor_fails,
        how,
    ):
        failing = grocer if debtor_fails else fuel
        grant(pharmacy, failing, 500)
        world.deposit(grocer, 40)
        house.reserve(grocer.id, fuel.id, 40, SWAP, {"from": exchange})
        book(failing, pharmacy, 500)
        close()
        enforce(failing)
        assert standing_of(house, failing).in_default
        assert standing_of(house, grocer).reserved == standing_of(house, grocer).collateral == 40
        transaction = getattr(house, how)(grocer.id, fuel.id, 40, SWAP, {"from": exchange})
        paid = how == "bookReserved"
        assert logs(transaction) == [("ReservationEnded", SWAP, 40, paid)]
        assert standing_of(house, fuel).collateral == (40 if paid else 0)
        assert standing_of(house, grocer).collateral == (0 if paid else 40)
        sums_to_zero()


class TestDistribute:
    @pytest.mark.spec("CH-56")
    def test_nothing_to_pay_or_to_pay_with__refused(self, world, defaulted, grocer, fuel, distribute):
        for programme in (grocer, fuel):
            with reverts("InvalidClearingAmount", 0):
                distribute(programme)

    @pytest.mark.spec("CH-56")
    def test_part__in_proportion(self, world, house, defaulted, grocer, fuel, pharmacy, distribute, sums_to_zero):
        world.deposit(grocer, 39)
        assert logs(distribute(grocer)) == [
            ("ClaimPaid", grocer.id, fuel.id, 40 * 44 // 81),
            ("ClaimPaid", grocer.id, pharmacy.id, 40 * 37 // 81),
        ]
        assert house.claimOf(fuel.id, grocer.id) == 44 - 21
        assert house.claimOf(pharmacy.id, grocer.id) == 37 - 18
        assert standing_of(house, grocer) == Standing(collateral=1, claims=42, in_default=True)
        sums_to_zero()

    @pytest.mark.spec("CH-57")
    def test_all__ends_the_default(
        self, world, house, defaulted, grocer, fuel, pharmacy, grant, book, distribute, relayer, sums_to_zero
    ):
        world.deposit(grocer, 100)
        assert logs(distribute(grocer)) == [
            ("ClaimPaid", grocer.id, fuel.id, 44),
            ("ClaimPaid", grocer.id, pharmacy.id, 37),
            ("DefaultEnded", grocer.id),
        ]
        assert standing_of(house, grocer) == Standing(collateral=20)
        assert standing_of(house, fuel).collateral == 100
        assert standing_of(house, pharmacy).collateral == 50
        book(grocer, fuel, 60)
        house.settleCycle({"from": relayer})
        house.withdraw(grocer.id, relayer, 20, {"from": grocer.treasurer})
        sums_to_zero()

    @pytest.mark.spec("CH-56", "CH-54")
    def test_what_others_owed_it__comes_in_and_is_distributed(
        self, house, grocer, fuel, pharmacy, grant, book, close, pay, enforce, distribute, relayer, sums_to_zero
    ):
        grant(pharmacy, grocer, 200)
        grant(grocer, fuel, 120)
        book(grocer, pharmacy, 200)
        book(fuel, grocer, 120)
        close()
        transaction = enforce(grocer)
        assert ("PositionAdvised", 1, grocer.id, 120) in logs(transaction)
        pay(fuel, 120)
        house.settleCycle({"from": relayer})
        assert standing_of(house, grocer) == Standing(collateral=120, claims=200, in_default=True)
        assert logs(distribute(grocer)) == [("ClaimPaid", grocer.id, pharmacy.id, 120)]
        assert house.claimOf(pharmacy.id, grocer.id) == 80
        sums_to_zero()

    @pytest.mark.spec("CH-57", "CH-54")
    def test_everything_is_set_off__no_default_remains(
        self, house, grocer, fuel, grant, book, close, enforce, sums_to_zero
    ):
        grant(fuel, grocer, 100)
        grant(grocer, fuel, 100)
        book(grocer, fuel, 100)
        close()
        book(fuel, grocer, 100)
        names = [log[0] for log in logs(enforce(grocer))]
        assert names == ["DefaultDeclared", "CycleReadvised", "PositionAdvised", "PositionAdvised", "DefaultEnded"]
        assert standing_of(house, grocer) == standing_of(house, fuel) == Standing()
        sums_to_zero()
