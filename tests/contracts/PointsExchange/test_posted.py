"""Posted lanes: the burn leg waits for the destination, and ends in exactly one of posted and refunded."""

from dataclasses import replace

import pytest

from tests.contracts.support.clock import DAY_SECONDS
from tests.contracts.support.lanes import NO_HASH, NO_QUOTE, Quotes, Requests, swap_id
from tests.contracts.support.outcomes import logs, plain, reverts
from tests.contracts.support.points import NOBODY, lots_of, ref
from tests.contracts.support.world import Standing, declare_default, owed, standing_of

NONE, COMPLETED, PENDING, REFUNDED = range(4)
POSTING_WINDOW_SECONDS = 7 * DAY_SECONDS
COLLATERAL = 1_000
FIELDS = ("lane_id", "account", "to", "points_out", "settlement", "refundable_from", "lots")


@pytest.fixture
def posted(posted_lane, terms, world, issue_to, alice):
    """The posted lane with terms in force, a thousand of collateral, and Alice with a thousand points of its source."""
    posted_lane.agree(replace(terms, posted=True))
    world.deposit(posted_lane.source, COLLATERAL)
    issue_to(posted_lane.source, alice, 1_000)
    return posted_lane


@pytest.fixture
def posted_requests(posted_lane, clock):
    return Requests(posted_lane, lambda: clock.now_seconds)


@pytest.fixture
def this(posted, alice):
    """Id of Alice's swap."""
    return swap_id(posted.exchange, alice, ref("swap"))


@pytest.fixture
def pending(posted, posted_requests, alice, bob):
    """What Alice's swap of a hundred points to Bob waits with."""
    transaction = posted.exchange.swap(posted_requests.of(bob, 100), NO_QUOTE, {"from": alice})
    return logs(transaction, "SwapPending")[0][3]


@pytest.fixture
def confirm(posted, this, pending):
    def send(by=None, shown=pending):
        return posted.exchange.confirmPosted(this, shown, {"from": by or posted.destination.issuer})

    return send


@pytest.fixture
def refund(posted, this, pending):
    def send(by=None, shown=pending):
        return posted.exchange.refundPending(this, shown, {"from": by or posted.destination.issuer})

    return send


def changed(pending, field):
    """What is shown with one field changed."""
    values = dict(zip(FIELDS, pending, strict=True))
    values[field] = {
        "lane_id": ref("another lane"),
        "account": values["to"],
        "to": values["account"],
        "points_out": values["points_out"] + 1,
        "settlement": values["settlement"] - 1,
        "refundable_from": values["refundable_from"] - POSTING_WINDOW_SECONDS,
        "lots": ((values["lots"][0][0], values["lots"][0][1] + 1),),
    }[field]
    return tuple(values.values())


class TestBurnLeg:
    @pytest.mark.spec("EX-100", "EX-101")
    def test_burns_reserves_and_waits__logged_in_order(self, world, posted, posted_requests, this, alice, bob, clock):
        transaction = posted.exchange.swap(posted_requests.of(bob, 101), NO_QUOTE, {"from": alice})
        lots = ((clock.epoch, 100),)
        price = (100, 50, 50, 400)
        waits = (posted.id, alice.address, bob.address, 50, 400, clock.now_seconds + POSTING_WINDOW_SECONDS, lots)
        assert plain(transaction.return_value) == (this, price)
        assert logs(transaction) == [
            ("LotTransferred", alice, NOBODY, *lots[0]),
            ("Transfer", alice, NOBODY, 100),
            ("CrosschainBurn", alice, 100, posted.exchange),
            ("SwapBurnt", this, posted.id, alice, ref("swap"), 1, NO_HASH, price, lots),
            ("DebtReserved", posted.source.id, posted.destination.id, 400, this),
            ("SwapPending", this, posted.id, waits),
        ]
        assert posted.exchange.statusOf(this) == PENDING
        assert posted.source.token.balanceOf(alice) == 900
        assert posted.destination.token.totalSupply() == 0
        assert standing_of(world.house, posted.source) == Standing(collateral=COLLATERAL, reserved=400)
        assert owed(world.house, posted.source, posted.destination) == (0, 0)

    @pytest.mark.spec("EX-100")
    def test_supply_cap_of_zero__does_not_matter(self, posted, posted_requests, this, alice, admin):
        posted.destination.token.setSupplyCap(0, {"from": admin})
        posted.exchange.swap(posted_requests.of(alice, 100), NO_QUOTE, {"from": alice})
        assert posted.exchange.statusOf(this) == PENDING

    @pytest.mark.spec("EX-100")
    def test_paused_destination_token__does_not_matter(self, posted, posted_requests, this, alice):
        posted.destination.token.pause({"from": posted.destination.pauser})
        posted.exchange.swap(posted_requests.of(alice, 100), NO_QUOTE, {"from": alice})
        assert posted.exchange.statusOf(this) == PENDING

    @pytest.mark.spec("EX-102")
    def test_more_than_free_collateral__refused(self, world, posted, posted_requests, alice):
        world.house.setCreditLine(
            posted.destination.id, posted.source.id, 10_000, {"from": posted.destination.treasurer}
        )
        with reverts("DebitCapExceeded", *posted.ends, 1_008, COLLATERAL):
            posted.exchange.swap(posted_requests.of(alice, 252), NO_QUOTE, {"from": alice})
        assert posted.source.token.balanceOf(alice) == 1_000
        posted.exchange.swap(posted_requests.of(alice, 250), NO_QUOTE, {"from": alice})
        assert standing_of(world.house, posted.source).reserved == COLLATERAL

    @pytest.mark.spec("EX-103")
    def test_cap__counts_what_waits(self, posted, terms, posted_requests, alice):
        posted.stop()
        posted.agree(replace(terms, posted=True, daily_cap_out=50))
        with reverts("DailyCapExceeded", posted.id, 51, 50):
            posted.exchange.swap(posted_requests.of(alice, 102), NO_QUOTE, {"from": alice})
        posted.exchange.swap(posted_requests.of(alice, 100), NO_QUOTE, {"from": alice})
        assert posted.exchange.availableOut(posted.id) == 0

    @pytest.mark.spec("EX-100", "EX-60")
    def test_with_a_quote__the_bonus_waits_too(self, world, posted, posted_requests, alice, clock):
        quote = Quotes(posted, world.domain, lambda: clock.now_seconds).of(alice)
        transaction = posted.exchange.swap(posted_requests.of(alice, 100), quote, {"from": alice})
        assert logs(transaction, "SwapPending")[0][3][3:5] == (55, 400)
        assert posted.exchange.isQuoteUsed(posted.destination.id, quote[0])

    @pytest.mark.spec("EX-100", "EX-94")
    def test_lane_that_carries_expiry__waits_whatever_the_lots(
        self, posted, terms, posted_requests, this, alice, clock
    ):
        posted.stop()
        posted.agree(replace(terms, posted=True, carry_expiry=True))
        clock.pass_epochs(4)
        posted.exchange.swap(posted_requests.of(alice, 100), NO_QUOTE, {"from": alice})
        assert posted.exchange.statusOf(this) == PENDING

    @pytest.mark.spec("EX-100")
    def test_lane_without_a_price__reserves_nothing(self, world, posted, terms, posted_requests, this, alice):
        posted.stop()
        posted.agree(replace(terms, posted=True, settlement_price=0))
        transaction = posted.exchange.swap(posted_requests.of(alice, 100), NO_QUOTE, {"from": alice})
        assert logs(transaction, "DebtReserved") == []
        shown = logs(transaction, "SwapPending")[0][3]
        posted.exchange.confirmPosted(this, shown, {"from": posted.destination.issuer})
        assert posted.exchange.statusOf(this) == COMPLETED
        assert owed(world.house, posted.source, posted.destination) == (0, 0)


class TestConfirm:
    @pytest.mark.spec("EX-104")
    @pytest.mark.parametrize("actor", ["admin", "issuer", "alice", "mallory"])
    def test_not_the_destination_s_issuer__refused(self, posted, confirm, actor, request):
        for caller in (request.getfixturevalue(actor), posted.source.issuer, posted.destination.custodian):
            with reverts("NotAuthorized", posted.destination.id, caller):
                confirm(caller)

    @pytest.mark.spec("EX-105")
    @pytest.mark.parametrize("field", FIELDS)
    def test_a_field_changed__refused(self, this, pending, confirm, field):
        with reverts("PendingMismatch", this):
            confirm(shown=changed(pending, field))

    @pytest.mark.spec("EX-105")
    def test_under_another_id__refused(self, posted, pending, alice):
        other = swap_id(posted.exchange, alice, ref("other"))
        with reverts("PendingMismatch", other):
            posted.exchange.confirmPosted(other, pending, {"from": posted.destination.issuer})

    @pytest.mark.spec("EX-105")
    def test_completed_swap_of_an_ordinary_lane__refused(self, funded, requests, alice, clock):
        funded.exchange.swap(requests.of(alice, 100), NO_QUOTE, {"from": alice})
        this = swap_id(funded.exchange, alice, ref("swap"))
        shown = (funded.id, alice.address, alice.address, 50, 400, 0, ((clock.epoch, 100),))
        for end in (funded.exchange.confirmPosted, funded.exchange.refundPending):
            with reverts("PendingMismatch", this):
                end(this, shown, {"from": funded.destination.issuer})

    @pytest.mark.spec("EX-106", "EX-101")
    def test_books_the_debt__logged_in_order(self, world, posted, this, confirm, alice, bob):
        transaction = confirm()
        assert logs(transaction) == [
            ("SwapPosted", this, posted.id),
            ("DebtBooked", 1, posted.source.id, posted.destination.id, 400, this),
            ("ReservationEnded", this, 400, False),
        ]
        assert posted.exchange.statusOf(this) == COMPLETED
        assert owed(world.house, posted.source, posted.destination) == (400, 0)
        assert standing_of(world.house, posted.source) == Standing(
            open=-400, collateral=COLLATERAL, uncovered=400, uncovered_open=400
        )
        assert posted.source.token.balanceOf(alice) == 900
        assert posted.destination.token.totalSupply() == 0

    @pytest.mark.spec("EX-107")
    def test_ended__neither_again(self, this, confirm, refund):
        confirm()
        for end in (confirm, refund):
            with reverts("PendingMismatch", this):
                end()

    @pytest.mark.spec("EX-108")
    def test_after_the_window__while_nobody_refunded(self, posted, this, pending, confirm, clock):
        clock.go_to(pending[5] + DAY_SECONDS)
        confirm()
        assert posted.exchange.statusOf(this) == COMPLETED

    @pytest.mark.spec("EX-109")
    @pytest.mark.parametrize("obstacle", ["exchange paused", "lane stopped", "programme suspended", "tokens paused"])
    def test_obstacles_to_swaps__are_none(self, world, posted, this, confirm, issuer, pauser, obstacle):
        put(obstacle, world, posted, issuer, pauser)
        confirm()
        assert posted.exchange.statusOf(this) == COMPLETED

    @pytest.mark.spec("EX-110")
    @pytest.mark.parametrize("side", [0, 2])
    def test_one_of_the_two_in_default__paid_at_once(self, world, posted, this, confirm, clock, exchange, side):
        declare_default(world, world.programmes[side], world.programmes[1], exchange, clock)
        before = standing_of(world.house, posted.destination).collateral
        assert ("ReservationEnded", this, 400, True) in logs(confirm())
        assert posted.exchange.statusOf(this) == COMPLETED
        assert standing_of(world.house, posted.destination).collateral == before + 400
        assert standing_of(world.house, posted.source).reserved == 0


def put(obstacle, world, lane, registrar, pauser):
    """Puts something in the way of swaps."""
    if obstacle == "exchange paused":
        lane.exchange.pause({"from": pauser})
    elif obstacle == "lane stopped":
        lane.stop()
    elif obstacle == "programme suspended":
        world.registry.suspend(lane.source.id, {"from": registrar})
        world.registry.suspend(lane.destination.id, {"from": registrar})
    elif obstacle == "tokens paused":
        for programme in (lane.source, lane.destination):
            programme.token.pause({"from": programme.pauser})


class TestRefund:
    @pytest.mark.spec("EX-111")
    @pytest.mark.parametrize("actor", ["admin", "issuer", "alice", "mallory"])
    def test_not_the_destination_s_issuer_before_the_window_ends__refused(
        self, this, posted, pending, refund, clock, actor, request
    ):
        for caller in (request.getfixturevalue(actor), posted.source.issuer, posted.destination.custodian):
            clock.next_block_at(max(pending[5] - 1, clock.now_seconds))
            with reverts("NotRefundableYet", this, pending[5]):
                refund(caller)

    @pytest.mark.spec("EX-111")
    def test_stranger_when_the_window_ends__refunds(self, posted, this, pending, refund, mallory, alice, clock):
        clock.next_block_at(pending[5])
        refund(mallory)
        assert posted.exchange.statusOf(this) == REFUNDED
        assert posted.source.token.balanceOf(alice) == 1_000

    @pytest.mark.spec("EX-105")
    @pytest.mark.parametrize("field", FIELDS)
    def test_a_field_changed__refused(self, this, pending, refund, field):
        with reverts("PendingMismatch", this):
            refund(shown=changed(pending, field))

    @pytest.mark.spec("EX-111", "EX-112", "EX-101")
    def test_by_the_destination__restores_the_lots_and_logs(self, world, posted, this, refund, alice, clock):
        epoch = clock.epoch
        transaction = refund()
        assert logs(transaction) == [
            ("ReservationEnded", this, 400, False),
            ("LotTransferred", NOBODY, alice, epoch, 100),
            ("Transfer", NOBODY, alice, 100),
            ("CrosschainMint", alice, 100, posted.exchange),
            ("SwapRefunded", this, posted.id, alice, ((epoch, 100),), 0),
        ]
        assert posted.exchange.statusOf(this) == REFUNDED
        assert lots_of(posted.source.token, alice) == {epoch: 1_000}
        assert standing_of(world.house, posted.source) == Standing(collateral=COLLATERAL)

    @pytest.mark.spec("EX-112", "EX-113")
    def test_several_lots__the_live_ones_as_they_were(
        self, world, posted, posted_requests, this, issue_to, alice, clock
    ):
        world.deposit(posted.source, 5_000)
        first = clock.epoch
        second = clock.pass_epochs(1)
        issue_to(posted.source, alice, 500)
        transaction = posted.exchange.swap(posted_requests.of(alice, 1_200), NO_QUOTE, {"from": alice})
        shown = logs(transaction, "SwapPending")[0][3]
        assert shown[-1] == ((first, 1_000), (second, 200))
        clock.go_to_epoch(first + 5)
        transaction = posted.exchange.refundPending(this, shown, {"from": posted.destination.issuer})
        assert logs(transaction, "SwapRefunded") == [("SwapRefunded", this, posted.id, alice, ((second, 200),), 1_000)]
        assert lots_of(posted.source.token, alice) == {second: 500}

    @pytest.mark.spec("EX-107", "EX-33")
    def test_ended__neither_again_and_the_ref_stays_used(self, posted, posted_requests, this, confirm, refund, alice):
        refund()
        for end in (confirm, refund):
            with reverts("PendingMismatch", this):
                end()
        with reverts("SwapRefUsed", ref("swap"), alice):
            posted.exchange.swap(posted_requests.of(alice, 100), NO_QUOTE, {"from": alice})

    @pytest.mark.spec("EX-113")
    def test_expired_meanwhile__counted_and_not_given(self, posted, this, refund, alice, clock):
        clock.pass_epochs(5)
        transaction = refund()
        assert logs(transaction) == [
            ("ReservationEnded", this, 400, False),
            ("SwapRefunded", this, posted.id, alice, (), 100),
        ]
        assert posted.exchange.statusOf(this) == REFUNDED
        assert posted.source.token.balanceOf(alice) == 0

    @pytest.mark.spec("EX-112")
    def test_past_the_supply_cap__restored(self, posted, refund, alice, admin):
        posted.source.token.setSupplyCap(900, {"from": admin})
        refund()
        assert posted.source.token.balanceOf(alice) == posted.source.token.totalSupply() == 1_000

    @pytest.mark.spec("EX-109")
    @pytest.mark.parametrize("obstacle", ["exchange paused", "lane stopped", "programme suspended"])
    def test_obstacles_to_swaps__are_none(self, world, posted, this, refund, issuer, pauser, obstacle):
        put(obstacle, world, posted, issuer, pauser)
        refund()
        assert posted.exchange.statusOf(this) == REFUNDED

    @pytest.mark.spec("EX-114")
    def test_paused_source_token__waits_until_it_is_not(self, posted, this, refund, confirm, alice):
        posted.source.token.pause({"from": posted.source.pauser})
        with reverts("EnforcedPause"):
            refund()
        assert posted.exchange.statusOf(this) == PENDING
        posted.source.token.unpause({"from": posted.source.pauser})
        refund()
        with reverts("PendingMismatch", this):
            refund()
        assert posted.source.token.balanceOf(alice) == 1_000

    @pytest.mark.spec("EX-110")
    @pytest.mark.parametrize("side", [0, 2])
    def test_one_of_the_two_in_default__refunded(self, world, posted, this, refund, clock, exchange, alice, side):
        declare_default(world, world.programmes[side], world.programmes[1], exchange, clock)
        refund()
        assert posted.source.token.balanceOf(alice) == 1_000
        assert standing_of(world.house, posted.source).reserved == 0

    @pytest.mark.spec("EX-103")
    def test_cap__goes_on_counting_it(self, posted, refund):
        before = posted.exchange.availableOut(posted.id)
        refund()
        assert posted.exchange.availableOut(posted.id) == before

    @pytest.mark.spec("EX-112", "EX-49")
    def test_managed_account__restored_to_it(self, posted, posted_requests, issue_to, member_key):
        account = posted.source.token.managedAccount(member_key)
        issue_to(posted.source, account, 100)
        request = posted_requests.of(account, 100)
        transaction = posted.exchange.swapManaged(member_key, request, NO_QUOTE, {"from": posted.source.custodian})
        shown = logs(transaction, "SwapPending")[0][3]
        this = swap_id(posted.exchange, account, ref("swap"))
        posted.exchange.refundPending(this, shown, {"from": posted.destination.issuer})
        assert posted.source.token.balanceOf(account) == 100


@pytest.mark.spec("EX-107")
def test_two_swaps__each_ends_once(posted, posted_requests, alice, bob, issue_to):
    issue_to(posted.source, bob, 100)
    waiting = {}
    for account in (alice, bob):
        transaction = posted.exchange.swap(posted_requests.of(account, 100), NO_QUOTE, {"from": account})
        waiting[swap_id(posted.exchange, account, ref("swap"))] = logs(transaction, "SwapPending")[0][3]
    first, second = waiting
    with reverts("PendingMismatch", first):
        posted.exchange.refundPending(first, waiting[second], {"from": posted.destination.issuer})
    posted.exchange.refundPending(first, waiting[first], {"from": posted.destination.issuer})
    posted.exchange.confirmPosted(second, waiting[second], {"from": posted.destination.issuer})
    assert [posted.exchange.statusOf(this) for this in waiting] == [REFUNDED, COMPLETED]
    assert posted.source.token.balanceOf(alice) == 1_000
    assert posted.source.token.balanceOf(bob) == 0
