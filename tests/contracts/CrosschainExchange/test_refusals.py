"""What cannot be minted: refused and sent back at once, or kept until somebody tries it again."""

from dataclasses import replace

import pytest

from tests.contracts.support.crossing import (
    COMPLETED,
    COUNTERPART,
    DEADLINE_PAST,
    LANE_NOT_OPEN,
    NONE,
    PRICE_DIFFERS,
    REFUND,
    REFUNDED,
)
from tests.contracts.support.gateway import REMOTE_CHAIN, hexed
from tests.contracts.support.messages import interoperable
from tests.contracts.support.outcomes import logs, reverts
from tests.contracts.support.points import NOBODY, lots_of

THERE = hexed(interoperable(REMOTE_CHAIN, COUNTERPART))
DIFFERING = {
    "one point more out": {"points_out": 51},
    "one point fewer out": {"points_out": 49},
    "points in that give nothing more": {"points_in": 101},
    "fewer points in": {"points_in": 99},
    "nothing out": {"points_out": 0},
    "nothing at all": {"points_in": 0, "points_out": 0},
    "bonus that was not paid": {"bonus_bps": 1_000},
    "bonus not named": {"points_out": 55},
    "bonus above the lane's largest": {"points_out": 62, "bonus_bps": 2_501},
    "bonus of any size": {"points_out": 2**48, "bonus_bps": 2**255},
    "more points in than any lot holds": {"points_in": 2**255, "points_out": 2**254},
    "more points out than any lot holds": {"points_in": 2**49 + 2, "points_out": 2**48 + 1},
}


@pytest.fixture
def refused(crossing, open_in, outcome, reasons, nothing_moved, bob):
    """Checks that a delivery refused a swap for a reason, sent it back as it came, and did nothing else."""

    def check(transaction, swap, reason):
        assert reasons(transaction) == [reason]
        assert crossing.sent_back(transaction) == [(THERE, hexed(swap.payload(REFUND)))]
        assert len(logs(transaction, "MessageDelivered")) == 1
        assert outcome(swap) == REFUNDED
        assert not logs(transaction, "SwapMinted")

    return check


class TestRefused:
    @pytest.mark.spec("CX-50", "CX-53")
    def test_one_second_late__logged_and_sent_back(self, crossing, open_in, bob, refused, nothing_moved, clock):
        swap = crossing.arriving(open_in, bob, 100, 50)
        message = crossing.message(swap)
        clock.next_block_at(swap.deadline + 1)
        transaction = crossing.deliver(message)
        refused(transaction, swap, DEADLINE_PAST)
        answer = logs(transaction, "MessageQueued")[0][1]
        assert [log[0] for log in logs(transaction)] == [
            "MessageQueued",
            "MessageSent",
            "SwapRefused",
            "MessageDelivered",
        ]
        assert logs(transaction, "SwapRefused") == [("SwapRefused", swap.swap_id, open_in.id, answer, DEADLINE_PAST)]
        nothing_moved()

    @pytest.mark.spec("CX-50")
    def test_in_the_last_second__minted(self, crossing, open_in, bob, outcome, clock):
        swap = crossing.arriving(open_in, bob, 100, 50)
        message = crossing.message(swap)
        clock.next_block_at(swap.deadline)
        crossing.deliver(message)
        assert outcome(swap) == COMPLETED

    @pytest.mark.spec("CX-51")
    def test_lane_stopped(self, crossing, open_in, bob, refused, nothing_moved):
        open_in.stop(open_in.source)
        swap = crossing.arriving(open_in, bob, 100, 50)
        refused(crossing.arrive(swap), swap, LANE_NOT_OPEN)

    @pytest.mark.spec("CX-51")
    def test_lane_run_out(self, crossing, open_in, bob, terms, refused, clock):
        clock.go_to(terms.valid_until - 10)
        swap = crossing.arriving(open_in, bob, 100, 50)
        message = crossing.message(swap)
        clock.next_block_at(terms.valid_until + 1)
        refused(crossing.deliver(message), swap, LANE_NOT_OPEN)

    @pytest.mark.spec("CX-51")
    @pytest.mark.parametrize("proposed", [False, True])
    def test_lane_agreed_there_only(self, crossing, into, terms, bob, reasons, outcome, proposed):
        """Nobody agreed to it here: what was burnt for it goes back, once."""
        if proposed:
            into.propose(terms)
        swap = crossing.arriving(into, bob, 100, 50)
        transaction = crossing.arrive(swap)
        assert reasons(transaction) == [LANE_NOT_OPEN]
        assert crossing.sent_back(transaction) == [(THERE, hexed(swap.payload(REFUND)))]
        assert crossing.why(crossing.arrive(swap)) == [("AlreadyArrived", into.id, swap.number)]
        assert into.destination.token.totalSupply() == 0

    @pytest.mark.spec("CX-52")
    @pytest.mark.parametrize("name", DIFFERING)
    def test_points_that_the_terms_here_do_not_give(self, crossing, open_in, bob, refused, nothing_moved, name):
        changes = {"points_in": 100, "points_out": 50} | DIFFERING[name]
        swap = crossing.arriving(open_in, bob, **changes)
        refused(crossing.arrive(swap), swap, PRICE_DIFFERS)
        nothing_moved()

    @pytest.mark.spec("CX-52")
    @pytest.mark.parametrize(
        "change",
        [{"rate_numerator": 2}, {"fee_bps": 100}, {"minimum_in": 101}],
        ids=lambda change: next(iter(change)),
    )
    def test_terms_here_are_others(self, crossing, open_in, terms, bob, refused, change):
        open_in.stop()
        open_in.agree(replace(terms, **change))
        swap = crossing.arriving(open_in, bob, 100, 50)
        refused(crossing.arrive(swap), swap, PRICE_DIFFERS)

    @pytest.mark.spec("CX-52")
    def test_terms_change_under_way(self, crossing, open_in, terms, bob, outcome, refused, clock):
        """What was burnt on the old terms is minted while they hold here, and refused from the second they do not."""
        open_in.agree(replace(terms, fee_bps=100))
        begins = open_in.exchange.laneOf(open_in.id)[6]
        clock.go_to(begins - 10)
        first, second = (crossing.arriving(open_in, bob, 100, 50) for _ in range(2))
        messages = [crossing.message(swap) for swap in (first, second)]
        clock.next_block_at(begins - 1)
        crossing.deliver(messages[0])
        assert outcome(first) == COMPLETED
        clock.next_block_at(begins)
        refused(crossing.deliver(messages[1]), second, PRICE_DIFFERS)

    @pytest.mark.spec("CX-52")
    def test_largest_bonus__minted(self, crossing, open_in, bob, outcome):
        swap = crossing.arriving(open_in, bob, 96, 60, bonus_bps=2_500)
        crossing.arrive(swap)
        assert outcome(swap) == COMPLETED
        assert open_in.destination.token.balanceOf(bob) == 60

    @pytest.mark.spec("CX-54")
    @pytest.mark.parametrize("why", ["late", "stopped", "price"])
    def test_while_paused_and_suspended__too(self, world, crossing, open_in, bob, pauser, issuer, refused, clock, why):
        swap = crossing.arriving(open_in, bob, 100, 51 if why == "price" else 50)
        message = crossing.message(swap)
        crossing.exchange.pause({"from": pauser})
        open_in.destination.token.pause({"from": open_in.destination.pauser})
        world.registry.suspend(open_in.source.id, {"from": issuer})
        if why == "stopped":
            open_in.stop()
        if why == "late":
            clock.go_to(swap.deadline + 1)
        reason = {"late": DEADLINE_PAST, "stopped": LANE_NOT_OPEN, "price": PRICE_DIFFERS}[why]
        refused(crossing.deliver(message), swap, reason)

    @pytest.mark.spec("CX-53")
    def test_as_it_came__every_field(self, crossing, open_in, bob, reasons):
        """Also what the destination has no use for comes back, or the source would not know its own swap."""
        lots = ((7, 40), (8, 0), (9, 60))
        changes = {"epoch_length": 12_345, "validity": 77, "lots": lots, "deadline": 1}
        swap = crossing.arriving(open_in, bob, 100, 50, **changes)
        transaction = crossing.arrive(swap)
        assert reasons(transaction) == [DEADLINE_PAST]
        assert crossing.sent_back(transaction) == [(THERE, hexed(swap.payload(REFUND)))]


@pytest.fixture
def cause(world, crossing, open_in, terms, admin, issuer, pauser):
    """Causes that keep a swap of 100 points for 50 from being minted: what begins and ends each, and the error."""
    exchange, destination = crossing.exchange, open_in.destination
    token, registry = destination.token, world.registry

    def capped(cap):
        open_in.stop()
        open_in.agree(replace(terms, daily_cap_out=cap))

    def collateral(amount):
        world.deposit(open_in.source, amount)

    def drained():
        world.house.withdraw(open_in.source.id, admin, 10_000_000_000, {"from": open_in.source.treasurer})

    role = token.EXCHANGE_ROLE()
    return {
        "exchange paused": (
            lambda: exchange.pause({"from": pauser}),
            lambda: exchange.unpause({"from": pauser}),
            ("EnforcedPause",),
        ),
        "token paused": (
            lambda: token.pause({"from": destination.pauser}),
            lambda: token.unpause({"from": destination.pauser}),
            ("EnforcedPause",),
        ),
        "source suspended": (
            lambda: registry.suspend(open_in.source.id, {"from": issuer}),
            lambda: registry.resume(open_in.source.id, {"from": issuer}),
            ("ProgrammeNotActive", open_in.source.id),
        ),
        "destination suspended": (
            lambda: registry.suspend(destination.id, {"from": issuer}),
            lambda: registry.resume(destination.id, {"from": issuer}),
            ("ProgrammeNotActive", destination.id),
        ),
        "cap": (lambda: capped(49), lambda: capped(50), ("DailyCapExceeded", open_in.id, 50, 49)),
        "supply cap": (
            lambda: token.setSupplyCap(49, {"from": admin}),
            lambda: token.setSupplyCap(50, {"from": admin}),
            ("SupplyCapExceeded", 50, 49),
        ),
        "debit cap": (drained, lambda: collateral(400), ("DebitCapExceeded", *open_in.ends, 400, 0)),
        "role taken away": (
            lambda: token.revokeRole(role, exchange, {"from": admin}),
            lambda: token.grantRole(role, exchange, {"from": admin}),
            ("AccessControlUnauthorizedAccount", exchange.address, str(role)),
        ),
    }


CAUSES = (
    "exchange paused",
    "token paused",
    "source suspended",
    "destination suspended",
    "cap",
    "supply cap",
    "debit cap",
    "role taken away",
)


class TestWaits:
    @pytest.mark.spec("CX-55", "CX-56")
    @pytest.mark.parametrize("name", CAUSES)
    def test_until_the_cause_is_over__then_minted_once(self, crossing, open_in, bob, mallory, cause, outcome, name):
        begin, end, error = cause[name]
        begin()
        swap = crossing.arriving(open_in, bob, 100, 50)
        message = crossing.message(swap)
        transaction = crossing.deliver(message)
        assert crossing.why(transaction) == [error]
        assert crossing.sent_back(transaction) == []
        assert outcome(swap) == NONE
        assert open_in.destination.token.totalSupply() == 0
        end()
        crossing.retry(message, mallory)
        assert outcome(swap) == COMPLETED
        assert open_in.destination.token.balanceOf(bob) == 50
        with reverts("NotFailed", crossing.remote.id_of(message)):
            crossing.retry(message, mallory)

    @pytest.mark.spec("CX-57")
    @pytest.mark.parametrize("name", ["exchange paused", "cap", "debit cap", "source suspended"])
    def test_past_its_deadline__refused_by_the_next_try(
        self, crossing, open_in, bob, mallory, cause, outcome, reasons, clock, name
    ):
        begin, _, error = cause[name]
        begin()
        swap = crossing.arriving(open_in, bob, 100, 50)
        message = crossing.message(swap)
        crossing.deliver(message)
        clock.next_block_at(swap.deadline)
        with reverts(*error):
            crossing.retry(message, mallory)
        clock.next_block_at(swap.deadline + 1)
        transaction = crossing.retry(message, mallory)
        assert reasons(transaction) == [DEADLINE_PAST]
        assert crossing.sent_back(transaction) == [(THERE, hexed(swap.payload(REFUND)))]
        assert outcome(swap) == REFUNDED

    @pytest.mark.spec("CX-55", "CX-57")
    @pytest.mark.parametrize("whom", ["nobody", "exchange", "token"])
    def test_receiver_nobody_can_be__refused_after_the_deadline(self, crossing, open_in, outcome, reasons, clock, whom):
        to = {"nobody": NOBODY, "exchange": crossing.exchange.address, "token": open_in.destination.token.address}[whom]
        swap = crossing.arriving(open_in, to, 100, 50)
        message = crossing.message(swap)
        assert crossing.why(crossing.deliver(message)) == [("InvalidReceiver", to)]
        clock.go_to(swap.deadline + 1)
        assert reasons(crossing.retry(message)) == [DEADLINE_PAST]
        assert outcome(swap) == REFUNDED

    @pytest.mark.spec("CX-56", "CX-58")
    def test_retried_later__fresh_points_of_then(self, crossing, open_in, bob, pauser, clock):
        """New points are of the epoch in which they are minted, whenever they were burnt."""
        clock.go_to(clock.ends(clock.epoch) - 1_000)
        crossing.exchange.pause({"from": pauser})
        message = crossing.message(crossing.arriving(open_in, bob, 100, 50))
        crossing.deliver(message)
        crossing.exchange.unpause({"from": pauser})
        clock.go_to(clock.starts(clock.epoch + 1))
        crossing.retry(message)
        assert lots_of(open_in.destination.token, bob) == {clock.epoch: 50}
