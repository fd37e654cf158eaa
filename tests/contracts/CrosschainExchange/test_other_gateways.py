"""The exchange through other ERC-7786 gateways than ours: nothing of it depends on which one is linked."""

import pytest
from brownie.exceptions import VirtualMachineError

from tests.contracts.support.crossing import (
    COMPLETED,
    COUNTERPART,
    DEADLINE_PAST,
    MINT,
    PENDING,
    REFUND,
    REFUNDED,
    Crossing,
    deploy_crosschain,
    sent_swap,
)
from tests.contracts.support.gateway import REMOTE_CHAIN, RemoteChain, hexed
from tests.contracts.support.lanes import NO_HASH, NO_QUOTE, Requests
from tests.contracts.support.messages import interoperable
from tests.contracts.support.outcomes import logs, reverts
from tests.contracts.support.points import NOBODY, ref

THERE = interoperable(REMOTE_CHAIN, COUNTERPART)


@pytest.fixture
def through(CrosschainExchange, world, fuel, admin, guardian, pauser, relayer, clock):
    """An exchange linked through a gateway to a counterpart on the pretended chain, where fuel lives."""

    def deploy(gateway, counterpart=COUNTERPART):
        exchange = deploy_crosschain(CrosschainExchange, world, admin, guardian=guardian, pauser=pauser)
        exchange.link(REMOTE_CHAIN, gateway, counterpart, {"from": admin})
        exchange.declareHome(fuel.id, REMOTE_CHAIN, {"from": fuel.negotiator})
        return Crossing(world, exchange, gateway, RemoteChain(gateway), relayer, lambda: clock.now_seconds)

    return deploy


@pytest.fixture
def leave(grocer, fuel, terms, issue_to, alice):
    """Alice swaps a hundred of the grocer's points for points there."""

    def swap(crossing):
        lane = crossing.lane(grocer, fuel)
        lane.agree(terms)
        issue_to(grocer, alice, 100)
        return crossing.exchange.swap(Requests(lane, crossing.now).of(alice, 100), NO_QUOTE, {"from": alice})

    return swap


class TestRelayed:
    """A gateway that hands over what it is given, and keeps no failed messages."""

    @pytest.fixture
    def relayed(self, RelayedGateway, through, admin):
        return through(RelayedGateway.deploy({"from": admin}))

    @pytest.fixture
    def relay(self, relayed, mallory):
        def hand_over(number, payload, sender=THERE):
            return relayed.gateway.relay(ref(number), sender, relayed.exchange, payload, {"from": mallory})

        return hand_over

    @pytest.mark.spec("CX-76")
    def test_leaves__and_comes_back(self, relayed, relay, leave, grocer, alice):
        transaction = leave(relayed)
        [(_, send_id, _, recipient, payload, *_)] = logs(transaction, "MessageSent")
        swap = sent_swap(transaction)
        assert (recipient, payload) == (hexed(THERE), hexed(swap.payload(MINT)))
        assert logs(transaction, "SwapSent")[0][3] == send_id
        assert relayed.exchange.statusOf(swap.swap_id) == PENDING
        relay("back", swap.payload(REFUND))
        assert relayed.exchange.statusOf(swap.swap_id) == REFUNDED
        assert grocer.token.balanceOf(alice) == 100

    @pytest.mark.spec("CX-76")
    def test_arrives__minted_or_refused(self, world, relayed, relay, grocer, fuel, terms, bob):
        lane = relayed.lane(fuel, grocer)
        lane.agree(terms)
        world.deposit(fuel, 400)
        swap = relayed.arriving(lane, bob, 100, 50)
        relay("first", swap.payload(MINT))
        assert relayed.exchange.outcomeOf(lane.id, swap.number) == COMPLETED
        assert grocer.token.balanceOf(bob) == 50
        with reverts("AlreadyArrived", lane.id, swap.number):
            relay("again", swap.payload(MINT))
        late = relayed.arriving(lane, bob, 100, 50, deadline=1)
        transaction = relay("late", late.payload(MINT))
        assert [log[4] for log in logs(transaction, "SwapRefused")] == [DEADLINE_PAST]
        assert [log[4] for log in logs(transaction, "MessageSent")] == [hexed(late.payload(REFUND))]

    @pytest.mark.spec("CX-76", "CX-32")
    def test_another_sender__refused(self, relayed, relay, grocer, fuel, terms, bob):
        lane = relayed.lane(fuel, grocer)
        lane.agree(terms)
        payload = relayed.arriving(lane, bob, 100, 50).payload(MINT)
        for sender in (
            interoperable(REMOTE_CHAIN, "0x" + "31" * 20),
            interoperable(10, COUNTERPART),
            interoperable(REMOTE_CHAIN, NOBODY),
            THERE + b"\x00",
            THERE[:-1],
            b"",
        ):
            with reverts("ERC7786RecipientUnauthorizedGateway", relayed.gateway, sender):
                relay("forged", payload, sender)


class TestLoopback:
    """A gateway that hands over at once, within the sending: its messages have no id, and there is nothing to retry."""

    @pytest.fixture
    def loopback(self, LoopbackGateway, OddRecipient, through, admin):
        """Linked to a recipient on this chain that the gateway takes for one there."""
        counterpart = OddRecipient.deploy({"from": admin})
        return through(LoopbackGateway.deploy({"from": admin}), counterpart), counterpart

    @pytest.mark.spec("CX-76")
    def test_leaves__without_an_id(self, loopback, leave):
        crossing, counterpart = loopback
        transaction = leave(crossing)
        swap = sent_swap(transaction)
        [received] = [event for event in transaction.events if event.name == "Received"]
        assert received.address == counterpart
        assert hexed(received["payload"]) == hexed(swap.payload(MINT))
        assert logs(transaction, "SwapSent")[0][3] == NO_HASH
        assert crossing.exchange.statusOf(swap.swap_id) == PENDING

    @pytest.mark.spec("CX-76", "CX-22")
    def test_counterpart_that_refuses__nothing_leaves(self, loopback, leave, grocer, alice):
        crossing, counterpart = loopback
        counterpart.behave((True, "0x00000000", 0, 0, NOBODY, "0x"), {"from": alice})
        with pytest.raises(VirtualMachineError):
            leave(crossing)
        assert grocer.token.balanceOf(alice) == 100
        assert crossing.exchange.sentCount(crossing.lane(*crossing.world.programmes[:2]).id) == 0
