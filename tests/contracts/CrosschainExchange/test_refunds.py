"""A swap that was refused comes back: the original lots are restored, once."""

from dataclasses import replace

import pytest

from tests.contracts.support.clock import DAY_SECONDS
from tests.contracts.support.crossing import (
    COUNTERPART,
    MINT,
    PENDING,
    REFUND,
    REFUNDED,
    sent_swap,
)
from tests.contracts.support.gateway import OTHER_CHAIN, REMOTE_CHAIN, RemoteChain
from tests.contracts.support.messages import interoperable
from tests.contracts.support.outcomes import logs, reverts
from tests.contracts.support.points import NOBODY, lots_of, ref

CHANGES = {
    "swap_id": ref("another"),
    "lane_id": None,
    "number": 2,
    "account": None,
    "to": "0x" + "31" * 20,
    "points_in": 101,
    "points_out": 51,
    "bonus_bps": 1,
    "deadline": 1,
    "epoch_length": 86_400,
    "validity": 29,
    "lots": None,
}


@pytest.fixture
def sent(send):
    """A swap of a hundred of Alice's thousand points, on its way for fifty."""
    return sent_swap(send(100))


class TestDone:
    @pytest.mark.spec("CX-61", "CX-62")
    def test_original_lots_back__logged(self, crossing, open_out, sent, alice, clock):
        message = crossing.message(sent, REFUND)
        transaction = crossing.deliver(message)
        assert logs(transaction) == [
            ("LotTransferred", NOBODY, alice, clock.epoch, 100),
            ("Transfer", NOBODY, alice, 100),
            ("CrosschainMint", alice, 100, crossing.exchange),
            ("SwapRefunded", sent.swap_id, open_out.id, alice, sent.lots, 0),
            ("MessageDelivered", crossing.remote.id_of(message), REMOTE_CHAIN, message.nonce),
        ]
        assert crossing.exchange.statusOf(sent.swap_id) == REFUNDED
        assert lots_of(open_out.source.token, alice) == {clock.epoch: 1_000}

    @pytest.mark.spec("CX-61")
    def test_months_later__the_original_expiry(self, crossing, open_out, send, issue_to, alice, clock):
        first = clock.epoch
        second = clock.pass_epochs(1)
        issue_to(open_out.source, alice, 500)
        sent = sent_swap(send(1_200))
        clock.pass_epochs(2)
        transaction = crossing.arrive(sent, REFUND)
        assert logs(transaction, "SwapRefunded")[0][4:] == (((first, 1_000), (second, 200)), 0)
        assert lots_of(open_out.source.token, alice) == {first: 1_000, second: 500}

    @pytest.mark.spec("CX-62")
    def test_expired_meanwhile__counted_and_not_given(self, crossing, open_out, send, issue_to, alice, clock):
        first = clock.epoch
        second = clock.pass_epochs(1)
        issue_to(open_out.source, alice, 500)
        sent = sent_swap(send(1_200))
        clock.go_to(clock.ends(first + 4) - 5)
        message = crossing.message(sent, REFUND)
        clock.next_block_at(clock.ends(first + 4) + 1)
        transaction = crossing.deliver(message)
        assert logs(transaction, "SwapRefunded")[0][4:] == (((second, 200),), 1_000)
        assert lots_of(open_out.source.token, alice) == {second: 500}
        assert crossing.exchange.statusOf(sent.swap_id) == REFUNDED

    @pytest.mark.spec("CX-62")
    def test_last_second_of_its_lots__given(self, crossing, open_out, sent, alice, clock):
        epoch = sent.lots[0][0]
        clock.go_to(clock.ends(epoch + 4) - 5)
        message = crossing.message(sent, REFUND)
        clock.next_block_at(clock.ends(epoch + 4))
        assert logs(crossing.deliver(message), "SwapRefunded")[0][4:] == (((epoch, 100),), 0)

    @pytest.mark.spec("CX-62")
    def test_all_expired__refunded_with_nothing(self, crossing, open_out, sent, alice, clock):
        clock.pass_epochs(5)
        transaction = crossing.arrive(sent, REFUND)
        assert logs(transaction, "SwapRefunded")[0][4:] == ((), 100)
        assert open_out.source.token.balanceOf(alice) == 0

    @pytest.mark.spec("CX-67")
    def test_past_the_supply_cap(self, crossing, open_out, sent, alice, admin):
        open_out.source.token.setSupplyCap(1, {"from": admin})
        crossing.arrive(sent, REFUND)
        assert open_out.source.token.balanceOf(alice) == 1_000

    @pytest.mark.spec("CX-69")
    def test_what_went_out__goes_on_counting(self, crossing, open_out, sent):
        crossing.arrive(sent, REFUND)
        assert open_out.exchange.availableOut(open_out.id) == 100_000 - 50

    @pytest.mark.spec("CX-65")
    def test_paused__suspended__stopped__run_out__all_the_same(
        self, world, crossing, open_out, sent, terms, issuer, pauser, alice, clock
    ):
        crossing.exchange.pause({"from": pauser})
        open_out.stop()
        for programme in (open_out.source, open_out.destination):
            world.registry.suspend(programme.id, {"from": issuer})
        crossing.arrive(sent, REFUND)
        assert open_out.source.token.balanceOf(alice) == 1_000

    @pytest.mark.spec("CX-66")
    @pytest.mark.parametrize("why", ["paused", "role"])
    def test_token_that_refuses__waits_and_works_once(self, crossing, open_out, sent, alice, admin, mallory, why):
        source, role = open_out.source, open_out.source.token.EXCHANGE_ROLE()
        if why == "paused":
            source.token.pause({"from": source.pauser})
        else:
            source.token.revokeRole(role, crossing.exchange, {"from": admin})
        message = crossing.message(sent, REFUND)
        assert crossing.deliver(message).return_value == 0
        assert crossing.exchange.statusOf(sent.swap_id) == PENDING
        if why == "paused":
            source.token.unpause({"from": source.pauser})
        else:
            source.token.grantRole(role, crossing.exchange, {"from": admin})
        crossing.retry(message, mallory)
        with reverts("NotFailed", crossing.remote.id_of(message)):
            crossing.retry(message, mallory)
        assert source.token.balanceOf(alice) == 1_000


class TestRefused:
    @pytest.mark.spec("CX-63")
    @pytest.mark.parametrize("field", CHANGES)
    def test_a_field_changed(self, crossing, open_out, sent, into, alice, mallory, terms, field):
        into.agree(terms)
        changed = {
            "lane_id": into.id,
            "account": str(mallory),
            "lots": ((sent.lots[0][0] - 1, 100),),
        }.get(field, CHANGES[field])
        transaction = crossing.arrive(sent.but(**{field: changed}), REFUND)
        named = changed if field == "swap_id" else sent.swap_id
        expected = ("WrongRoute", into.id, REMOTE_CHAIN) if field == "lane_id" else ("PendingMismatch", named)
        assert crossing.why(transaction) == [expected]
        assert open_out.source.token.balanceOf(alice) == 900
        assert crossing.exchange.statusOf(sent.swap_id) == PENDING

    @pytest.mark.spec("CX-63")
    def test_a_second_time(self, crossing, open_out, sent, alice):
        crossing.arrive(sent, REFUND)
        assert crossing.why(crossing.arrive(sent, REFUND)) == [("PendingMismatch", sent.swap_id)]
        assert open_out.source.token.balanceOf(alice) == 1_000

    @pytest.mark.spec("CX-63")
    def test_never_sent(self, crossing, open_out, sent, alice):
        invented = sent.but(swap_id=ref("invented"), number=7)
        assert crossing.why(crossing.arrive(invented, REFUND)) == [("PendingMismatch", ref("invented"))]
        assert open_out.source.token.balanceOf(alice) == 900

    @pytest.mark.spec("CX-64")
    def test_from_another_linked_chain(self, crossing, gateway, open_out, sent, alice, admin):
        crossing.exchange.link(OTHER_CHAIN, gateway, COUNTERPART, {"from": admin})
        other = RemoteChain(gateway, chain_id=OTHER_CHAIN)
        message = other.message(COUNTERPART, crossing.exchange, sent.payload(REFUND))
        transaction = other.deliver(other.delivery(message), crossing.relayer)
        assert crossing.why(transaction) == [("WrongRoute", open_out.id, OTHER_CHAIN)]
        assert crossing.exchange.statusOf(sent.swap_id) == PENDING

    @pytest.mark.spec("CX-64")
    @pytest.mark.parametrize("actor", ["alice", "mallory", "admin", "guardian"])
    def test_not_by_message(self, crossing, sent, actor, request):
        caller = request.getfixturevalue(actor)
        sender = interoperable(REMOTE_CHAIN, COUNTERPART)
        with reverts("ERC7786RecipientUnauthorizedGateway", caller, sender):
            crossing.exchange.receiveMessage(ref("any"), sender, sent.payload(REFUND), {"from": caller})

    @pytest.mark.spec("CX-64")
    def test_of_an_unknown_lane(self, crossing, sent):
        unknown = sent.but(lane_id=ref("unknown lane"))
        assert crossing.why(crossing.arrive(unknown, REFUND)) == [("WrongRoute", ref("unknown lane"), REMOTE_CHAIN)]

    @pytest.mark.spec("CX-60")
    def test_sent_here_asked_to_be_minted_here(self, crossing, open_out, sent, alice):
        """The message that went out, come back as it is: the source mints nothing for it."""
        assert crossing.why(crossing.arrive(sent, MINT)) == [("WrongRoute", open_out.id, REMOTE_CHAIN)]
        assert open_out.destination.token.totalSupply() == 0
        assert crossing.exchange.statusOf(sent.swap_id) == PENDING


class TestRefundsOfThieves:
    """Every swap that was minted stays pending here; a gateway that lies refunds a cap and a swap more a window."""

    @pytest.fixture
    def capped(self, open_out, terms):
        """At most a hundred points out a day."""
        open_out.stop()
        open_out.agree(replace(terms, rate_denominator=1, daily_cap_out=100))
        return open_out

    @pytest.fixture
    def sent_over_days(self, capped, send, clock):
        """Swaps of sixty points each, sent on different days."""
        swaps = []
        for _ in range(4):
            swaps.append(sent_swap(send(60)))
            clock.go_to(clock.now_seconds + 2 * DAY_SECONDS)
        return swaps

    @pytest.mark.spec("CX-68")
    def test_beyond_the_cap__waits_for_the_next_window(self, crossing, capped, sent_over_days, alice, mallory, clock):
        messages = [crossing.message(swap, REFUND) for swap in sent_over_days]
        clock.go_to(clock.now_seconds // 21_600 * 21_600 + 21_600)
        transaction = crossing.deliver(*messages)
        assert crossing.why(transaction) == [("RefundCapExceeded", capped.id, 120, 100)] * 2
        start = clock.now_seconds // 21_600 * 21_600
        assert capped.source.token.balanceOf(alice) == 1_000 - 120
        clock.next_block_at(start + 5 * 21_600 - 1)
        with reverts("RefundCapExceeded", capped.id, 120, 100):
            crossing.retry(messages[2], mallory)
        clock.next_block_at(start + 5 * 21_600)
        crossing.retry(messages[2], mallory)
        assert capped.source.token.balanceOf(alice) == 1_000 - 60

    @pytest.mark.spec("CX-68")
    def test_cap_lowered_below_a_swap__the_first_of_a_window_passes(
        self, crossing, capped, sent_over_days, terms, alice
    ):
        capped.stop()
        capped.agree(replace(terms, daily_cap_out=10))
        messages = [crossing.message(swap, REFUND) for swap in sent_over_days[:2]]
        transaction = crossing.deliver(*messages)
        assert transaction.return_value == 1
        assert crossing.why(transaction) == [("RefundCapExceeded", capped.id, 60, 10)]
        assert capped.source.token.balanceOf(alice) == 1_000 - 180

    @pytest.mark.spec("CX-68")
    def test_refunds_and_swaps__counted_apart(self, crossing, capped, send, alice):
        first = sent_swap(send(100))
        crossing.arrive(first, REFUND)
        assert capped.exchange.availableOut(capped.id) == 0
        assert capped.source.token.balanceOf(alice) == 1_000
