"""The mint leg: what was burnt elsewhere is minted here, once, on the terms that are in force here."""

from dataclasses import replace

import pytest
from eth_abi import encode

from tests.contracts.support.clock import DAY_SECONDS, request
from tests.contracts.support.crossing import COMPLETED, COUNTERPART, MINT, NONE
from tests.contracts.support.gateway import OTHER_CHAIN, REMOTE_CHAIN, RemoteChain, deploy_gateway
from tests.contracts.support.lanes import Programme, lane_terms, slug
from tests.contracts.support.messages import interoperable
from tests.contracts.support.outcomes import logs, reverts
from tests.contracts.support.points import NOBODY, lots_of, ref
from tests.contracts.support.world import Standing, owed, standing_of

THIEVES = "0x" + "31" * 20


class TestDone:
    @pytest.mark.spec("CX-30", "CX-31", "CX-43")
    def test_minted_and_owed__logged_in_order(self, world, crossing, open_in, bob, outcome, clock):
        swap = crossing.arriving(open_in, bob, 101, 50)
        swap = swap.but(points_in=100, lots=((swap.lots[0][0], 100),))
        message = crossing.message(swap)
        transaction = crossing.deliver(message)
        source, destination = open_in.source, open_in.destination
        assert logs(transaction) == [
            ("DebtBooked", 1, source.id, destination.id, 400, swap.swap_id),
            ("Transfer", NOBODY, bob, 50),
            ("CrosschainMint", bob, 50, crossing.exchange),
            ("SwapMinted", swap.swap_id, open_in.id, bob, 50, ((clock.epoch, 50),)),
            ("MessageDelivered", crossing.remote.id_of(message), REMOTE_CHAIN, message.nonce),
        ]
        assert lots_of(destination.token, bob) == {clock.epoch: 50}
        assert outcome(swap) == COMPLETED
        assert owed(world.house, source, destination) == (400, 0)
        assert standing_of(world.house, destination) == Standing(open=400)

    @pytest.mark.spec("CX-30")
    def test_source_s_branch__and_status_of_this_chain__untouched(self, crossing, open_in, bob):
        swap = crossing.arriving(open_in, bob, 100, 50)
        crossing.arrive(swap)
        assert open_in.source.token.totalSupply() == 0
        assert crossing.exchange.statusOf(swap.swap_id) == NONE
        assert crossing.exchange.sentCount(open_in.id) == 0

    @pytest.mark.spec("CX-43")
    def test_bonus__is_not_settled(self, world, crossing, open_in, bob):
        crossing.arrive(crossing.arriving(open_in, bob, 100, 55, bonus_bps=1_000))
        assert open_in.destination.token.balanceOf(bob) == 55
        assert owed(world.house, *_ends(open_in)) == (400, 0)

    @pytest.mark.spec("CX-43")
    def test_lane_without_a_price__books_nothing(self, world, crossing, open_in, terms, bob):
        open_in.stop()
        open_in.agree(replace(terms, settlement_price=0))
        transaction = crossing.arrive(crossing.arriving(open_in, bob, 100, 50))
        assert logs(transaction, "DebtBooked") == []
        assert open_in.destination.token.balanceOf(bob) == 50

    @pytest.mark.spec("CX-43")
    def test_settled__at_the_price_here(self, world, crossing, open_in, terms, bob):
        """A settlement price that differs from the source's is the destination's word, and changes no points."""
        open_in.stop()
        open_in.agree(replace(terms, settlement_price=1_000_001))
        crossing.arrive(crossing.arriving(open_in, bob, 100, 50))
        assert owed(world.house, *_ends(open_in)) == (51, 0)

    @pytest.mark.spec("CX-34")
    def test_in_any_order__and_with_gaps(self, crossing, open_in, bob):
        for number in (300, 1, 128, 127, 2**256 - 1, 0):
            crossing.arrive(crossing.arriving(open_in, bob, 10, 5, number=number))
        assert open_in.destination.token.balanceOf(bob) == 30
        assert [crossing.exchange.outcomeOf(open_in.id, number) for number in (0, 1, 2, 126, 127, 128, 129)] == [
            COMPLETED,
            COMPLETED,
            NONE,
            NONE,
            COMPLETED,
            COMPLETED,
            NONE,
        ]

    @pytest.mark.spec("CX-42")
    def test_cap__counted_here__exactly(self, crossing, open_in, terms, bob):
        open_in.stop()
        open_in.agree(replace(terms, daily_cap_out=60))
        crossing.arrive(crossing.arriving(open_in, bob, 100, 50))
        assert crossing.exchange.availableOut(open_in.id) == 10
        crossing.arrive(crossing.arriving(open_in, bob, 20, 10))
        assert open_in.destination.token.balanceOf(bob) == 60

    @pytest.mark.spec("CX-30")
    def test_two_lanes_in_one_block(self, crossing, open_in, pharmacy, fuel, terms, bob):
        other = crossing.lane(fuel, pharmacy)
        other.agree(terms)
        swaps = (crossing.arriving(open_in, bob, 100, 50), crossing.arriving(other, bob, 20, 10))
        transaction = crossing.deliver(*(crossing.message(swap) for swap in swaps))
        assert transaction.return_value == 2
        assert pharmacy.token.balanceOf(bob) == 10


def _ends(lane):
    return lane.source, lane.destination


class TestOnce:
    @pytest.mark.spec("CX-34")
    def test_its_number_again__whatever_else_it_says__kept_as_failed(self, crossing, open_in, bob, mallory):
        first = crossing.arriving(open_in, bob, 100, 50)
        crossing.arrive(first)
        for again in (first, first.but(to=str(mallory), swap_id=ref("another")), first.but(deadline=1)):
            assert crossing.why(crossing.arrive(again)) == [("AlreadyArrived", open_in.id, first.number)]
        assert open_in.destination.token.totalSupply() == 50

    @pytest.mark.spec("CX-34", "CX-60")
    def test_refused__never_minted_later(self, crossing, open_in, terms, bob):
        swap = crossing.arriving(open_in, bob, 100, 50)
        open_in.stop()
        crossing.arrive(swap)
        open_in.agree(terms)
        assert crossing.why(crossing.arrive(swap)) == [("AlreadyArrived", open_in.id, swap.number)]
        assert open_in.destination.token.totalSupply() == 0


class TestOneWayIn:
    """Only the linked gateway brings messages, and only those of the counterpart on the source's own chain count."""

    @pytest.mark.spec("CX-32")
    def test_not_the_gateway__refused(self, crossing, open_in, bob, mallory, admin, guardian):
        payload = crossing.arriving(open_in, bob, 100, 50).payload(MINT)
        sender = interoperable(REMOTE_CHAIN, COUNTERPART)
        for caller in (mallory, admin, guardian, open_in.destination.issuer):
            with reverts("ERC7786RecipientUnauthorizedGateway", caller, sender):
                crossing.exchange.receiveMessage(ref("any"), sender, payload, {"from": caller})

    @pytest.mark.spec("CX-32")
    @pytest.mark.parametrize("whose", ["stranger", "same address", "nobody"])
    def test_not_the_counterpart__refused(self, crossing, open_in, bob, nothing_moved, whose):
        sender = {"stranger": THIEVES, "same address": crossing.exchange.address, "nobody": NOBODY}[whose]
        payload = crossing.arriving(open_in, bob, 100, 50).payload(MINT)
        transaction = crossing.deliver(crossing.remote.message(sender, crossing.exchange, payload))
        [(name, gateway, _)] = crossing.why(transaction)
        assert (name, gateway) == ("ERC7786RecipientUnauthorizedGateway", crossing.gateway.address)
        nothing_moved()

    @pytest.mark.spec("CX-32")
    def test_counterpart_s_address_on_another_chain__refused(self, crossing, gateway, open_in, bob, nothing_moved):
        other = RemoteChain(gateway, chain_id=OTHER_CHAIN)
        message = other.message(COUNTERPART, crossing.exchange, crossing.arriving(open_in, bob, 100, 50).payload(MINT))
        transaction = other.deliver(other.delivery(message), crossing.relayer)
        assert crossing.why(transaction)[0][0] == "ERC7786RecipientUnauthorizedGateway"
        nothing_moved()

    @pytest.mark.spec("CX-33")
    def test_counterpart_of_another_linked_chain__reaches_no_lane_but_its_own(
        self, crossing, gateway, open_in, bob, admin, nothing_moved
    ):
        crossing.exchange.link(OTHER_CHAIN, gateway, COUNTERPART, {"from": admin})
        other = RemoteChain(gateway, chain_id=OTHER_CHAIN)
        swap = crossing.arriving(open_in, bob, 100, 50)
        message = other.message(COUNTERPART, crossing.exchange, swap.payload(MINT))
        transaction = other.deliver(other.delivery(message), crossing.relayer)
        assert crossing.why(transaction) == [("WrongRoute", open_in.id, OTHER_CHAIN)]
        nothing_moved()
        crossing.arrive(swap)
        assert open_in.destination.token.balanceOf(bob) == 50

    @pytest.mark.spec("CX-33")
    def test_lane_in_the_other_direction__refused(self, crossing, open_in, out, terms, bob, nothing_moved):
        """Whose source lives here: nobody elsewhere can have burnt its points."""
        out.agree(terms)
        transaction = crossing.arrive(crossing.arriving(out, bob, 100, 50))
        assert crossing.why(transaction) == [("WrongRoute", out.id, REMOTE_CHAIN)]
        nothing_moved()

    @pytest.mark.spec("CX-32")
    def test_through_another_gateway__refused(self, AttestedGateway, crossing, open_in, bob, admin, keeper, pauser):
        twin = deploy_gateway(AttestedGateway, admin, keeper=keeper, pauser=pauser)
        twin.setApplication(crossing.exchange, True, {"from": admin})
        there = RemoteChain(twin)
        message = there.message(COUNTERPART, crossing.exchange, crossing.arriving(open_in, bob, 100, 50).payload(MINT))
        transaction = there.deliver(there.delivery(message), crossing.relayer)
        assert crossing.why(transaction)[0][0] == "ERC7786RecipientUnauthorizedGateway"
        assert open_in.destination.token.totalSupply() == 0


class TestMalformed:
    @pytest.mark.spec("CX-40")
    @pytest.mark.parametrize("lots", [(), ((1, 99),), ((1, 101),), ((1, 50), (2, 51)), ((1, 2**256 - 1), (2, 101))])
    def test_lots_that_do_not_add_up__refused(self, crossing, open_in, bob, nothing_moved, outcome, lots):
        swap = crossing.arriving(open_in, bob, 100, 50, lots=lots)
        transaction = crossing.arrive(swap)
        assert len(logs(transaction, "MessageFailed")) == 1
        if sum(amount for _, amount in lots) < 2**256:
            assert crossing.why(transaction) == [("InvalidMessage",)]
        assert outcome(swap) == NONE
        nothing_moved()

    @pytest.mark.spec("CX-41")
    @pytest.mark.parametrize("how", ["empty", "one word", "unknown kind", "cut off", "other things"])
    def test_payload_that_says_nothing__kept_as_failed(self, crossing, open_in, bob, nothing_moved, how):
        payload = crossing.arriving(open_in, bob, 100, 50).payload(MINT)
        spoilt = {
            "empty": b"",
            "one word": payload[:32],
            "unknown kind": encode(["uint8"], [2]) + payload[32:],
            "cut off": payload[:-32],
            "other things": encode(["uint8", "address", "uint256"], [0, str(bob), 1_000]),
        }[how]
        message = crossing.remote.message(COUNTERPART, crossing.exchange, spoilt)
        assert crossing.deliver(message).return_value == 0
        nothing_moved()


class TestMoney:
    """A gateway that sends ether along with a message: it is not kept."""

    @pytest.mark.spec("CX-41")
    def test_with_a_message__refused(self, crossing, gateway, open_in, bob, accounts, nothing_moved):
        request("anvil_setBalance", gateway.address, hex(10**18))
        payload = crossing.arriving(open_in, bob, 100, 50).payload(MINT)
        sender = interoperable(REMOTE_CHAIN, COUNTERPART)
        by_gateway = {"from": accounts.at(gateway.address, force=True), "value": 1}
        with reverts("InvalidMessage"):
            crossing.exchange.receiveMessage(ref("any"), sender, payload, by_gateway)
        nothing_moved()
        assert crossing.exchange.balance() == 0


class TestStolenKeys:
    """As many attesters' keys as the threshold, stolen: what they invent is bounded by the lane's cap in any window."""

    @pytest.mark.spec("CX-44", "CX-42")
    def test_minted__at_most_the_cap_a_window(self, world, crossing, open_in, terms, mallory, clock):
        open_in.stop()
        open_in.agree(replace(terms, daily_cap_out=100, settlement_price=0))
        parts = (60, 41, 40, 1)
        forged = [crossing.arriving(open_in, mallory, 2 * part, part) for part in parts]
        transaction = crossing.deliver(*(crossing.message(swap) for swap in forged))
        assert crossing.why(transaction) == [
            ("DailyCapExceeded", open_in.id, 41, 40),
            ("DailyCapExceeded", open_in.id, 1, 0),
        ]
        assert open_in.destination.token.balanceOf(mallory) == 100
        clock.go_to(clock.now_seconds + DAY_SECONDS - 6 * 3_600)
        again = crossing.arriving(open_in, mallory, 2, 1, number=1_000)
        assert crossing.why(crossing.arrive(again)) == [("DailyCapExceeded", open_in.id, 1, 0)]
        assert open_in.destination.token.totalSupply() == 100

    @pytest.mark.spec("CX-44", "CX-43")
    def test_minted__at_most_what_the_source_may_owe(self, world, crossing, into, terms, mallory):
        into.agree(terms)
        world.deposit(into.source, 399)
        transaction = crossing.arrive(crossing.arriving(into, mallory, 100, 50))
        assert crossing.why(transaction) == [("DebitCapExceeded", *into.ends, 400, 399)]
        assert into.destination.token.totalSupply() == 0

    @pytest.mark.spec("CX-44")
    def test_nothing_but_points_of_open_lanes(self, crossing, open_in, pharmacy, fuel, mallory):
        """No lane, no points: a programme that agreed to nothing loses nothing."""
        other = crossing.lane(fuel, pharmacy)
        crossing.arrive(crossing.arriving(other, mallory, 100, 50))
        assert pharmacy.token.totalSupply() == 0


class TestOddTokens:
    @pytest.mark.spec("CX-45")
    @pytest.mark.parametrize("carry", [False, True], ids=["fresh", "carried"])
    def test_mints_less__waits(self, OddPoints, world, crossing, fuel, bob, admin, issuer, alice, clock, carry):
        token = OddPoints.deploy({"from": admin})
        world.registry.register(slug("odd"), token, {"from": issuer})
        odd = Programme("odd", token, admin, admin, admin, admin, admin, None)
        lane = crossing.lane(fuel, odd)
        lane.agree(lane_terms(clock.now_seconds, settlement_price=0, carry_expiry=carry))
        token.setMissing(1, {"from": alice})
        message = crossing.message(crossing.arriving(lane, bob, 100, 50))
        assert crossing.why(crossing.deliver(message)) == [("TokenMismatch", token.address, 50, 49)]
        assert token.totalSupply() == 1_000
        token.setMissing(0, {"from": alice})
        crossing.retry(message)
        assert token.totalSupply() == 1_050
