"""Collateral, credit lines, and currencies that don't do what they should."""

import pytest

from tests.contracts.support.outcomes import logs, reverts
from tests.contracts.support.points import NOBODY, ref
from tests.contracts.support.world import Containers, Standing, deploy_world, standing_of

LARGEST_COLLATERAL = 2**112 - 1
HONEST, TAKES_FEE, MOVES_NOTHING, RETURNS_FALSE, RETURNS_NOTHING = range(5)


class TestDeposit:
    @pytest.mark.spec("CH-10")
    @pytest.mark.parametrize("amount", [0, LARGEST_COLLATERAL + 1, 2**256 - 1])
    def test_amount_out_of_range__refused(self, world, house, grocer, amount):
        world.fund(grocer.treasurer, 1)
        with reverts("InvalidClearingAmount", amount):
            house.deposit(grocer.id, amount, {"from": grocer.treasurer})

    @pytest.mark.spec("CH-10")
    def test_collateral_beyond_its_field__refused(self, world, house, grocer):
        world.deposit(grocer, LARGEST_COLLATERAL)
        world.fund(grocer.treasurer, 1)
        with reverts("InvalidClearingAmount", 1):
            house.deposit(grocer.id, 1, {"from": grocer.treasurer})

    @pytest.mark.spec("CH-10")
    def test_more_than_allowed__refused(self, house, grocer, alice):
        with reverts("ERC20InsufficientAllowance", house, 0, 5):
            house.deposit(grocer.id, 5, {"from": alice})

    @pytest.mark.spec("CH-10")
    def test_anyone__becomes_collateral(self, world, house, grocer, alice):
        world.fund(alice, 7)
        transaction = house.deposit(grocer.id, 5, {"from": alice})
        assert logs(transaction) == [
            ("CollateralDeposited", grocer.id, alice, 5),
            ("Transfer", alice, house, 5),
        ]
        assert standing_of(house, grocer) == Standing(collateral=5)
        assert world.currency.balanceOf(house) == 5
        assert house.withdrawable(grocer.id) == 5


class TestWithdraw:
    @pytest.fixture
    def endowed(self, world, grocer):
        world.deposit(grocer, 100)
        return grocer

    @pytest.mark.spec("CH-11")
    @pytest.mark.parametrize("actor", ["admin", "exchange", "mallory"])
    def test_not_the_treasurer__refused(self, house, endowed, fuel, actor, request):
        for caller in (request.getfixturevalue(actor), endowed.issuer, fuel.treasurer):
            with reverts("NotTreasurer", endowed.id, caller):
                house.withdraw(endowed.id, caller, 1, {"from": caller})

    @pytest.mark.spec("CH-11")
    def test_nothing__refused(self, house, endowed):
        with reverts("InvalidClearingAmount", 0):
            house.withdraw(endowed.id, endowed.treasurer, 0, {"from": endowed.treasurer})

    @pytest.mark.spec("CH-12")
    def test_more_than_covers_nothing__refused(self, house, endowed, fuel, book, alice):
        book(endowed, fuel, 40)
        assert house.withdrawable(endowed.id) == 60
        with reverts("CollateralInUse", endowed.id, 61, 60):
            house.withdraw(endowed.id, alice, 61, {"from": endowed.treasurer})

    @pytest.mark.spec("CH-12")
    def test_reserved__refused(self, house, endowed, fuel, exchange, alice):
        house.reserve(endowed.id, fuel.id, 30, ref("swap"), {"from": exchange})
        with reverts("CollateralInUse", endowed.id, 71, 70):
            house.withdraw(endowed.id, alice, 71, {"from": endowed.treasurer})

    @pytest.mark.spec("CH-13")
    def test_owing_in_the_closed_cycle__refused(self, house, endowed, fuel, book, close, pay, alice):
        book(endowed, fuel, 40)
        close()
        assert house.withdrawable(endowed.id) == 0
        with reverts("PaymentOutstanding", endowed.id, 40):
            house.withdraw(endowed.id, alice, 1, {"from": endowed.treasurer})
        pay(endowed, 40)
        house.withdraw(endowed.id, alice, 100, {"from": endowed.treasurer})
        assert standing_of(house, endowed).collateral == 0

    @pytest.mark.spec("CH-11", "CH-12")
    def test_what_covers_nothing__goes_out(self, world, house, endowed, fuel, book, alice, sums_to_zero):
        book(endowed, fuel, 40)
        transaction = house.withdraw(endowed.id, alice, 60, {"from": endowed.treasurer})
        assert logs(transaction) == [
            ("CollateralWithdrawn", endowed.id, alice, 60),
            ("Transfer", house, alice, 60),
        ]
        assert world.currency.balanceOf(alice) == 60
        assert standing_of(house, endowed).collateral == 40
        sums_to_zero()

    @pytest.mark.spec("CH-11")
    def test_zero_address__refused(self, house, endowed):
        with reverts("ERC20InvalidReceiver", NOBODY):
            house.withdraw(endowed.id, NOBODY, 1, {"from": endowed.treasurer})


class TestCreditLine:
    @pytest.mark.spec("CH-14")
    @pytest.mark.parametrize("actor", ["admin", "exchange", "mallory"])
    def test_not_the_creditor_s_treasurer__refused(self, house, grocer, fuel, actor, request):
        for caller in (request.getfixturevalue(actor), grocer.treasurer, fuel.issuer):
            with reverts("NotTreasurer", fuel.id, caller):
                house.setCreditLine(fuel.id, grocer.id, 1, {"from": caller})

    @pytest.mark.spec("CH-14")
    def test_for_itself__refused(self, house, fuel):
        with reverts("SameParty", fuel.id):
            house.setCreditLine(fuel.id, fuel.id, 1, {"from": fuel.treasurer})

    @pytest.mark.spec("CH-14")
    def test_beyond_its_field__refused(self, house, fuel, grocer, grant):
        with reverts("InvalidClearingAmount", 2**128):
            grant(fuel, grocer, 2**128)
        grant(fuel, grocer, 2**128 - 1)
        assert house.creditLineOf(fuel.id, grocer.id) == 2**128 - 1

    @pytest.mark.spec("CH-14")
    def test_changed__logged_with_the_previous(self, house, fuel, grocer, grant):
        assert logs(grant(fuel, grocer, 50)) == [("CreditLineChanged", fuel.id, grocer.id, 0, 50)]
        assert logs(grant(fuel, grocer, 20)) == [("CreditLineChanged", fuel.id, grocer.id, 50, 20)]
        assert house.creditLineOf(fuel.id, grocer.id) == 20
        assert house.creditLineOf(grocer.id, fuel.id) == 0

    @pytest.mark.spec("CH-15")
    def test_lowered_below_what_is_owed__refused_unless_covered(self, world, house, fuel, grocer, grant, book):
        grant(fuel, grocer, 50)
        book(grocer, fuel, 50)
        with reverts("CreditLineInUse", fuel.id, grocer.id):
            grant(fuel, grocer, 49)
        world.deposit(grocer, 10)
        grant(fuel, grocer, 40)
        with reverts("CreditLineInUse", fuel.id, grocer.id):
            grant(fuel, grocer, 39)
        assert standing_of(house, grocer).uncovered == 10

    @pytest.mark.spec("CH-15")
    def test_lowered_while_a_cycle_is_settled__both_cycles_count(self, world, fuel, grocer, grant, book, close, house):
        grant(fuel, grocer, 50)
        book(grocer, fuel, 30)
        close()
        book(grocer, fuel, 20)
        with reverts("CreditLineInUse", fuel.id, grocer.id):
            grant(fuel, grocer, 49)
        world.deposit(grocer, 25)
        grant(fuel, grocer, 25)
        assert standing_of(house, grocer) == Standing(open=-20, due=-30, collateral=25, uncovered=25)
        grant(fuel, grocer, 40)
        assert standing_of(house, grocer).uncovered == 10

    @pytest.mark.spec("CH-15")
    def test_raised__frees_collateral(self, world, house, fuel, grocer, grant, book):
        world.deposit(grocer, 100)
        book(grocer, fuel, 100)
        assert house.withdrawable(grocer.id) == 0
        grant(fuel, grocer, 30)
        assert house.withdrawable(grocer.id) == 30
        assert standing_of(house, grocer) == Standing(open=-100, collateral=100, uncovered=70, uncovered_open=70)


class TestOddCurrency:
    """A currency that does not deliver is refused when it happens, and keeps nobody's money in the books."""

    @pytest.fixture
    def market(self, PointsToken, ProgrammeRegistry, OddDollar, ClearingHouse, PointsExchange, accounts):
        containers = Containers(PointsToken, ProgrammeRegistry, OddDollar, ClearingHouse, PointsExchange)
        market = deploy_world(containers, accounts)
        market.deposit(market.programmes[0], 1_000)
        market.fund(accounts[5], 1_000)
        return market

    @pytest.mark.spec("CH-16")
    @pytest.mark.parametrize(("oddity", "received"), [(TAKES_FEE, 99), (MOVES_NOTHING, 0)])
    def test_delivers_less__refused(self, market, alice, oddity, received):
        market.currency.behave(oddity, {"from": alice})
        with reverts("CurrencyMismatch", 100, received):
            market.house.deposit(market.programmes[0].id, 100, {"from": alice})
        assert standing_of(market.house, market.programmes[0]) == Standing(collateral=1_000)

    @pytest.mark.spec("CH-16")
    def test_says_no__refused(self, market, alice):
        market.currency.behave(RETURNS_FALSE, {"from": alice})
        programme = market.programmes[0]
        for call in (
            lambda: market.house.deposit(programme.id, 100, {"from": alice}),
            lambda: market.house.withdraw(programme.id, alice, 100, {"from": programme.treasurer}),
        ):
            with reverts("SafeERC20FailedOperation", market.currency):
                call()

    @pytest.mark.spec("CH-16")
    def test_moves_nothing_out__refused(self, market, alice):
        market.currency.behave(MOVES_NOTHING, {"from": alice})
        programme = market.programmes[0]
        with reverts("CurrencyMismatch", 100, 0):
            market.house.withdraw(programme.id, alice, 100, {"from": programme.treasurer})
        assert standing_of(market.house, programme) == Standing(collateral=1_000)

    @pytest.mark.spec("CH-16")
    def test_delivers_less_of_a_payment__refused(self, market, alice, exchange, clock):
        house, (debtor, creditor, _) = market.house, market.programmes
        house.book(debtor.id, creditor.id, 100, ref("swap"), {"from": exchange})
        clock.go_to(house.closesAt())
        house.closeCycle({"from": alice})
        market.currency.behave(TAKES_FEE, {"from": alice})
        with reverts("CurrencyMismatch", 100, 99):
            house.pay(debtor.id, 100, {"from": alice})
        assert standing_of(house, debtor).paid == 0

    @pytest.mark.spec("CH-17")
    def test_takes_a_fee_on_the_way_out__does_not_lock_money_in(self, market, alice):
        programme = market.programmes[0]
        market.currency.behave(TAKES_FEE, {"from": alice})
        market.house.withdraw(programme.id, alice, 1_000, {"from": programme.treasurer})
        assert standing_of(market.house, programme) == Standing()
        assert market.currency.balanceOf(alice) == 1_990

    @pytest.mark.spec("CH-17")
    def test_says_nothing__accepted(self, market, alice):
        programme = market.programmes[0]
        market.currency.behave(RETURNS_NOTHING, {"from": alice})
        market.house.deposit(programme.id, 100, {"from": alice})
        market.house.withdraw(programme.id, alice, 1_100, {"from": programme.treasurer})
        assert market.currency.balanceOf(alice) == 2_000

    @pytest.mark.spec("CH-18")
    @pytest.mark.parametrize("name", ["deposit", "withdraw", "pay"])
    def test_calls_back__refused(self, market, alice, name):
        house, programme = market.house, market.programmes[0]
        arguments = {"deposit": (programme.id, 1), "withdraw": (programme.id, alice, 1), "pay": (programme.id, 1)}[name]
        data = getattr(house, name).encode_input(*arguments)
        market.currency.callBack(house, data, {"from": alice})
        for call in (
            lambda: house.deposit(programme.id, 100, {"from": alice}),
            lambda: house.withdraw(programme.id, alice, 100, {"from": programme.treasurer}),
        ):
            with reverts("ReentrancyGuardReentrantCall"):
                call()
        assert standing_of(house, programme) == Standing(collateral=1_000)
