"""What exchanges do: book debts within the bounds, and set collateral aside."""

import pytest

from tests.contracts.support.lanes import slug
from tests.contracts.support.outcomes import logs, reverts
from tests.contracts.support.points import ref
from tests.contracts.support.world import Standing, owed, standing_of

LARGEST_DEBT = 2**111 - 1
SWAP = ref("swap")


@pytest.fixture
def reserve(house, exchange):
    def set_aside(debtor, creditor, amount, swap=SWAP):
        return house.reserve(debtor.id, creditor.id, amount, swap, {"from": exchange})

    return set_aside


@pytest.fixture
def end(house, exchange):
    """Ends a reservation by `bookReserved` or `release`."""

    def end_reservation(how, debtor, creditor, amount, swap=SWAP):
        return getattr(house, how)(debtor.id, creditor.id, amount, swap, {"from": exchange})

    return end_reservation


@pytest.mark.spec("CH-20")
@pytest.mark.parametrize("name", ["book", "reserve", "bookReserved", "release"])
@pytest.mark.parametrize("actor", ["admin", "issuer", "mallory"])
def test_not_an_exchange__refused(house, grocer, fuel, name, actor, request):
    for caller in (request.getfixturevalue(actor), grocer.treasurer):
        with reverts("AccessControlUnauthorizedAccount", caller, house.EXCHANGE_ROLE()):
            getattr(house, name)(grocer.id, fuel.id, 1, SWAP, {"from": caller})


class TestBook:
    @pytest.mark.spec("CH-21")
    def test_to_itself_or_nobody__refused(self, house, grocer, book, exchange):
        with reverts("SameParty", grocer.id):
            book(grocer, grocer, 1)
        for pair in ((slug("nobody"), grocer.id), (grocer.id, slug("nobody"))):
            with reverts("NotJoined", slug("nobody")):
                house.book(*pair, 1, SWAP, {"from": exchange})

    @pytest.mark.spec("CH-21")
    @pytest.mark.parametrize("amount", [0, LARGEST_DEBT + 1, 2**256 - 1])
    def test_amount_out_of_range__refused(self, grocer, fuel, grant, book, amount):
        grant(fuel, grocer, 2**128 - 1)
        with reverts("InvalidClearingAmount", amount):
            book(grocer, fuel, amount)

    @pytest.mark.spec("CH-21")
    def test_sum_beyond_its_field__refused(self, house, grocer, fuel, grant, book):
        grant(fuel, grocer, 2**128 - 1)
        book(grocer, fuel, LARGEST_DEBT)
        assert house.availableTo(grocer.id, fuel.id) == 0
        with reverts("InvalidClearingAmount", 1):
            book(grocer, fuel, 1)
        assert owed(house, fuel, grocer) == (-LARGEST_DEBT, 0)

    @pytest.mark.spec("CH-22", "CH-23")
    def test_no_line_no_collateral__refused(self, house, grocer, fuel, book):
        assert house.availableTo(grocer.id, fuel.id) == 0
        with reverts("DebitCapExceeded", grocer.id, fuel.id, 1, 0):
            book(grocer, fuel, 1)

    @pytest.mark.spec("CH-22", "CH-23")
    def test_line_and_collateral__to_the_last_unit(self, world, house, grocer, fuel, grant, book, sums_to_zero):
        grant(fuel, grocer, 60)
        world.deposit(grocer, 40)
        assert house.availableTo(grocer.id, fuel.id) == 100
        with reverts("DebitCapExceeded", grocer.id, fuel.id, 101, 100):
            book(grocer, fuel, 101)
        assert logs(book(grocer, fuel, 100)) == [("DebtBooked", 1, grocer.id, fuel.id, 100, ref("swap 2"))]
        assert house.availableTo(grocer.id, fuel.id) == 0
        assert standing_of(house, grocer) == Standing(open=-100, collateral=40, uncovered=40, uncovered_open=40)
        assert standing_of(house, fuel) == Standing(open=100)
        sums_to_zero()

    @pytest.mark.spec("CH-24")
    def test_line_of_somebody_else__does_not_count(self, house, grocer, fuel, pharmacy, grant, book):
        grant(pharmacy, grocer, 1_000_000)
        assert house.availableTo(grocer.id, fuel.id) == 0
        with reverts("DebitCapExceeded", grocer.id, fuel.id, 1, 0):
            book(grocer, fuel, 1)

    @pytest.mark.spec("CH-24")
    def test_collateral__is_used_up_over_all_partners(self, world, house, grocer, fuel, pharmacy, book):
        world.deposit(grocer, 100)
        book(grocer, fuel, 70)
        with reverts("DebitCapExceeded", grocer.id, pharmacy.id, 31, 30):
            book(grocer, pharmacy, 31)
        book(grocer, pharmacy, 30)
        assert standing_of(house, grocer).uncovered == 100

    @pytest.mark.spec("CH-24")
    def test_claims_on_others__cover_nothing(self, world, house, grocer, fuel, pharmacy, grant, book):
        grant(grocer, pharmacy, 500)
        book(pharmacy, grocer, 500)
        with reverts("DebitCapExceeded", grocer.id, fuel.id, 1, 0):
            book(grocer, fuel, 1)

    @pytest.mark.spec("CH-22")
    def test_debts_to_each_other__are_set_off(self, house, grocer, fuel, grant, book, sums_to_zero):
        grant(fuel, grocer, 50)
        book(grocer, fuel, 50)
        book(fuel, grocer, 50)
        assert standing_of(house, grocer) == standing_of(house, fuel) == Standing()
        assert owed(house, grocer, fuel) == (0, 0)
        sums_to_zero()

    @pytest.mark.spec("CH-25")
    def test_owed_in_the_closed_cycle__counts_until_it_is_settled(
        self, house, grocer, fuel, grant, book, close, pay, relayer
    ):
        grant(fuel, grocer, 100)
        book(grocer, fuel, 80)
        close()
        assert house.availableTo(grocer.id, fuel.id) == 20
        with reverts("DebitCapExceeded", grocer.id, fuel.id, 21, 20):
            book(grocer, fuel, 21)
        book(grocer, fuel, 20)
        pay(grocer, 80)
        assert house.availableTo(grocer.id, fuel.id) == 80
        house.settleCycle({"from": relayer})
        assert house.availableTo(grocer.id, fuel.id) == 80

    @pytest.mark.spec("CH-25")
    def test_owed_to_it_in_the_closed_cycle__covers_nothing_of_the_open_one(
        self, house, grocer, fuel, grant, book, close
    ):
        grant(grocer, fuel, 80)
        book(fuel, grocer, 80)
        close()
        assert house.availableTo(grocer.id, fuel.id) == 0
        with reverts("DebitCapExceeded", grocer.id, fuel.id, 1, 0):
            book(grocer, fuel, 1)

    @pytest.mark.spec("CH-26")
    def test_debtor_may_owe_less_than_before__always(self, house, grocer, fuel, grant, book):
        grant(fuel, grocer, 50)
        book(grocer, fuel, 50)
        assert house.availableTo(fuel.id, grocer.id) == 50
        with reverts("DebitCapExceeded", fuel.id, grocer.id, 51, 50):
            book(fuel, grocer, 51)
        book(fuel, grocer, 50)
        assert owed(house, grocer, fuel) == (0, 0)


class TestReserve:
    @pytest.mark.spec("CH-27")
    def test_more_than_free_collateral__refused(self, world, house, grocer, fuel, grant, book, reserve):
        grant(fuel, grocer, 1_000)
        world.deposit(grocer, 100)
        with reverts("DebitCapExceeded", grocer.id, fuel.id, 101, 100):
            reserve(grocer, fuel, 101)
        book(grocer, fuel, 1_030)
        with reverts("DebitCapExceeded", grocer.id, fuel.id, 71, 70):
            reserve(grocer, fuel, 71)
        assert logs(reserve(grocer, fuel, 70)) == [("DebtReserved", grocer.id, fuel.id, 70, SWAP)]
        assert standing_of(house, grocer).reserved == 70
        assert house.withdrawable(grocer.id) == 0

    @pytest.mark.spec("CH-27")
    def test_reserved__covers_no_debt(self, world, grocer, pharmacy, fuel, book, reserve):
        world.deposit(grocer, 100)
        reserve(grocer, fuel, 60)
        with reverts("DebitCapExceeded", grocer.id, pharmacy.id, 41, 40):
            book(grocer, pharmacy, 41)

    @pytest.mark.spec("CH-21")
    def test_nothing_to_itself_or_nobody__refused(self, house, grocer, fuel, reserve, exchange):
        with reverts("InvalidClearingAmount", 0):
            reserve(grocer, fuel, 0)
        with reverts("SameParty", grocer.id):
            reserve(grocer, grocer, 1)
        with reverts("NotJoined", slug("nobody")):
            house.reserve(grocer.id, slug("nobody"), 1, SWAP, {"from": exchange})

    @pytest.mark.spec("CH-28")
    def test_same_swap_twice__refused(self, world, grocer, fuel, reserve):
        world.deposit(grocer, 100)
        reserve(grocer, fuel, 10)
        with reverts("ReservationMismatch", SWAP):
            reserve(grocer, fuel, 10)

    @pytest.mark.spec("CH-28")
    @pytest.mark.parametrize("how", ["bookReserved", "release"])
    def test_other_than_reserved__refused(self, world, house, grocer, fuel, pharmacy, reserve, end, how):
        world.deposit(grocer, 100)
        reserve(grocer, fuel, 10)
        for other in ((grocer, fuel, 11), (grocer, pharmacy, 10), (fuel, grocer, 10), (grocer, fuel, 10, ref("x"))):
            with reverts("ReservationMismatch", other[3] if len(other) > 3 else SWAP):
                end(how, *other)
        assert standing_of(house, grocer).reserved == 10

    @pytest.mark.spec("CH-28")
    @pytest.mark.parametrize("how", ["bookReserved", "release"])
    def test_ended__not_again(self, world, grocer, fuel, reserve, end, how):
        world.deposit(grocer, 100)
        reserve(grocer, fuel, 10)
        end(how, grocer, fuel, 10)
        for again in ("bookReserved", "release"):
            with reverts("ReservationMismatch", SWAP):
                end(again, grocer, fuel, 10)

    @pytest.mark.spec("CH-29")
    def test_booked__turns_into_a_debt(self, world, house, grocer, fuel, reserve, end, sums_to_zero):
        world.deposit(grocer, 100)
        reserve(grocer, fuel, 100)
        assert logs(end("bookReserved", grocer, fuel, 100)) == [
            ("DebtBooked", 1, grocer.id, fuel.id, 100, SWAP),
            ("ReservationEnded", SWAP, 100, False),
        ]
        assert standing_of(house, grocer) == Standing(open=-100, collateral=100, uncovered=100, uncovered_open=100)
        sums_to_zero()

    @pytest.mark.spec("CH-29")
    def test_booked_after_a_close__owed_in_the_open_cycle(
        self, world, house, grocer, fuel, pharmacy, grant, book, reserve, end, close
    ):
        grant(pharmacy, fuel, 5)
        book(fuel, pharmacy, 5)
        world.deposit(grocer, 100)
        reserve(grocer, fuel, 100)
        close()
        assert logs(end("bookReserved", grocer, fuel, 100))[0] == ("DebtBooked", 2, grocer.id, fuel.id, 100, SWAP)
        assert owed(house, grocer, fuel) == (100, 0)

    @pytest.mark.spec("CH-30")
    def test_released__free_again(self, world, house, grocer, fuel, reserve, end):
        world.deposit(grocer, 100)
        reserve(grocer, fuel, 100)
        assert logs(end("release", grocer, fuel, 100)) == [("ReservationEnded", SWAP, 100, False)]
        assert standing_of(house, grocer) == Standing(collateral=100)
        assert house.withdrawable(grocer.id) == 100

    @pytest.mark.spec("CH-29")
    def test_debt_does_not_fit__paid_at_once(self, world, house, grocer, fuel, grant, book, reserve, end, sums_to_zero):
        grant(fuel, grocer, 2**128 - 1)
        world.deposit(grocer, 100)
        reserve(grocer, fuel, 100)
        book(grocer, fuel, LARGEST_DEBT)
        assert logs(end("bookReserved", grocer, fuel, 100)) == [("ReservationEnded", SWAP, 100, True)]
        assert standing_of(house, fuel).collateral == 100
        sums_to_zero()
