"""The burn leg: a holder's points are burnt here, and a message says to the destination what to mint."""

from dataclasses import replace

import pytest
from brownie import web3

from tests.contracts.support.clock import DAY_SECONDS
from tests.contracts.support.crossing import (
    COUNTERPART,
    MAX_TRANSIT_SECONDS,
    MINT,
    PENDING,
    CrosschainSwap,
    sent_swap,
)
from tests.contracts.support.gateway import OTHER_CHAIN, REMOTE_CHAIN, REMOTE_GATEWAY, hexed
from tests.contracts.support.lanes import NO_HASH, NO_QUOTE, Requests, swap_id
from tests.contracts.support.messages import Message, Route, id_of, interoperable
from tests.contracts.support.outcomes import logs, plain, reverts
from tests.contracts.support.points import LOT_LIMIT, NOBODY, lots_of, ref
from tests.contracts.support.world import Standing, standing_of

MONTH_SECONDS = 30 * DAY_SECONDS


@pytest.fixture
def nothing_sent(open_out, gateway, alice):
    """Checks that nothing left Alice's account, and nothing this chain."""

    def check():
        assert open_out.source.token.balanceOf(alice) == 1_000
        assert gateway.sentCount(REMOTE_CHAIN) == 0
        assert open_out.exchange.sentCount(open_out.id) == 0
        assert open_out.exchange.availableOut(open_out.id) == 100_000

    return check


class TestDone:
    @pytest.mark.spec("CX-10", "CX-11", "CX-13")
    def test_burnt_and_sent__logged_in_order(self, crosschain, gateway, open_out, requests, alice, clock):
        to = "0x" + "70" * 20
        request = requests.of(to, 101)
        transaction = crosschain.swap(request, NO_QUOTE, {"from": alice})
        this, order = swap_id(crosschain, alice, ref("swap")), ref("swap")
        burnt = ((clock.epoch, 100),)
        swap = CrosschainSwap(this, open_out.id, 1, str(alice), to, 100, 50, 0, request[-1], MONTH_SECONDS, 4, burnt)
        payload = swap.payload(MINT)
        route = Route(web3.eth.chain_id, gateway.address, REMOTE_CHAIN, REMOTE_GATEWAY)
        message = hexed(id_of(route, Message(1, crosschain.address, COUNTERPART, payload)))
        own, there = (
            hexed(interoperable(chain, address))
            for chain, address in ((web3.eth.chain_id, crosschain.address), (REMOTE_CHAIN, COUNTERPART))
        )
        assert logs(transaction) == [
            ("LotTransferred", alice, NOBODY, *burnt[0]),
            ("Transfer", alice, NOBODY, 100),
            ("CrosschainBurn", alice, 100, crosschain),
            ("SwapBurnt", this, open_out.id, alice, order, 1, NO_HASH, (100, 50, 50, 400), burnt),
            ("MessageQueued", message, REMOTE_CHAIN, 1),
            ("MessageSent", message, own, there, hexed(payload), 0, ()),
            ("SwapSent", this, open_out.id, message, plain(tuple(vars(swap).values()))),
        ]
        assert plain(transaction.return_value) == (this, (100, 50, 50, 400))
        assert crosschain.statusOf(this) == PENDING

    @pytest.mark.spec("CX-13")
    def test_here__nothing_minted_and_nothing_owed(self, world, open_out, send, alice):
        send(1_000)
        assert open_out.source.token.totalSupply() == 0
        assert open_out.destination.token.totalSupply() == 0
        assert standing_of(world.house, open_out.source) == Standing()
        for programme in world.programmes:
            assert programme.token.balanceOf(open_out.exchange) == 0

    @pytest.mark.spec("CX-11")
    def test_lots_of_several_months__with_their_calendar(self, open_out, send, issue_to, alice, clock):
        first = clock.epoch
        second = clock.pass_epochs(1)
        issue_to(open_out.source, alice, 500)
        swap = sent_swap(send(1_200))
        assert swap.lots == ((first, 1_000), (second, 200))
        assert (swap.epoch_length, swap.validity) == (MONTH_SECONDS, 4)
        assert lots_of(open_out.source.token, alice) == {second: 300}

    @pytest.mark.spec("CX-11")
    def test_expiry_carried__the_same_message(self, open_out, send, terms):
        open_out.stop()
        open_out.agree(replace(terms, carry_expiry=True))
        swap = sent_swap(send(100))
        assert (swap.epoch_length, swap.validity) == (MONTH_SECONDS, 4)

    @pytest.mark.spec("CX-12")
    def test_numbers__each_lane_s_own__without_gaps(
        self, crossing, open_out, send, terms, issue_to, pharmacy, fuel, alice
    ):
        other = crossing.lane(pharmacy, fuel)
        other.agree(terms)
        issue_to(pharmacy, alice, 100)
        numbers = [sent_swap(send(10)).number]
        with reverts("InsufficientOutput", 5, 6):
            send(10, min_out=6)
        numbers += [sent_swap(send(10)).number for _ in range(2)]
        assert numbers == [1, 2, 3]
        assert sent_swap(send(10, lane_id=other.id)).number == 1
        assert crossing.exchange.sentCount(open_out.id) == 3

    @pytest.mark.spec("CX-14")
    def test_deadline__seven_days__not_one_second_more(self, open_out, requests, alice, clock, nothing_sent):
        now = clock.now_seconds + 60
        late = requests.of(alice, 10, deadline=now + MAX_TRANSIT_SECONDS + 1)
        clock.next_block_at(now)
        with reverts("DeadlineTooFar", late[-1], late[-1] - 1):
            open_out.exchange.swap(late, NO_QUOTE, {"from": alice})
        nothing_sent()
        clock.next_block_at(now + 1)
        open_out.exchange.swap(late, NO_QUOTE, {"from": alice})
        assert open_out.exchange.sentCount(open_out.id) == 1

    @pytest.mark.spec("CX-15")
    def test_last_second_of_the_deadline(self, open_out, requests, alice, clock, nothing_sent):
        request = requests.of(alice, 10)
        clock.next_block_at(request[-1] + 1)
        with reverts("SwapExpired", request[-1]):
            open_out.exchange.swap(request, NO_QUOTE, {"from": alice})
        nothing_sent()

    @pytest.mark.spec("CX-15")
    def test_one_second_earlier__goes(self, open_out, requests, alice, clock):
        request = requests.of(alice, 10)
        clock.next_block_at(request[-1])
        assert sent_swap(open_out.exchange.swap(request, NO_QUOTE, {"from": alice})).deadline == request[-1]

    @pytest.mark.spec("CX-19")
    def test_any_receiver__is_the_destination_s_to_judge(self, world, open_out, send):
        for to in (open_out.exchange, world.programmes[0].token, COUNTERPART):
            assert sent_swap(send(10, to=str(to))).to == to

    @pytest.mark.spec("CX-16")
    def test_cap__counted_here(self, open_out, send, terms, alice):
        open_out.stop()
        open_out.agree(replace(terms, daily_cap_out=100))
        send(200)
        assert open_out.exchange.availableOut(open_out.id) == 0
        with reverts("DailyCapExceeded", open_out.id, 1, 0):
            send(2)
        assert open_out.source.token.balanceOf(alice) == 800


class TestRefused:
    @pytest.mark.spec("CX-17")
    def test_destination_s_home_not_linked(self, crosschain, grocer, pharmacy, terms, issue_to, alice, crossing):
        crosschain.declareHome(pharmacy.id, OTHER_CHAIN, {"from": pharmacy.negotiator})
        lane = crossing.lane(grocer, pharmacy)
        lane.agree(terms)
        issue_to(grocer, alice, 100)
        request = Requests(lane, crossing.now).of(alice, 10)
        with reverts("NotLinked", OTHER_CHAIN):
            crosschain.swap(request, NO_QUOTE, {"from": alice})

    @pytest.mark.spec("CX-18")
    def test_source_at_home_elsewhere(self, world, crossing, open_in, issue_to, alice):
        issue_to(open_in.source, alice, 100)
        request = Requests(open_in, crossing.now).of(alice, 10)
        with reverts("NotCrosschain", *open_in.ends):
            crossing.exchange.swap(request, NO_QUOTE, {"from": alice})

    @pytest.mark.spec("CX-19")
    def test_receiver_nobody(self, send, nothing_sent):
        with reverts("InvalidReceiver", NOBODY):
            send(10, to=NOBODY)
        nothing_sent()

    @pytest.mark.spec("CX-20")
    def test_ref_used__said_before_anything_else(self, open_out, send, alice):
        send(100, ref=ref("order"))
        open_out.stop()
        with reverts("SwapRefUsed", ref("order"), alice):
            send(50, ref=ref("order"))

    @pytest.mark.spec("CX-20")
    def test_refused_swap__leaves_its_ref(self, send, nothing_sent):
        with reverts("InsufficientOutput", 50, 60):
            send(100, min_out=60, ref=ref("order"))
        nothing_sent()
        assert sent_swap(send(100, ref=ref("order"))).points_in == 100

    @pytest.mark.spec("CX-21")
    def test_lane_never_agreed__or_run_out(self, open_out, into, send, terms, clock):
        with reverts("LaneNotOpen", into.id):
            send(10, lane_id=into.id)
        clock.go_to(terms.valid_until)
        clock.next_block_at(terms.valid_until + 1)
        with reverts("LaneNotOpen", open_out.id):
            send(10, deadline=terms.valid_until + 1)
        assert open_out.exchange.sentCount(open_out.id) == 0

    @pytest.mark.spec("CX-21")
    def test_lane_stopped_here(self, open_out, send):
        open_out.stop()
        with reverts("LaneNotOpen", open_out.id):
            send(10)

    @pytest.mark.spec("CX-21")
    @pytest.mark.parametrize("side", ["source", "destination"])
    def test_programme_suspended_here(self, world, open_out, send, issuer, nothing_sent, side):
        suspended = getattr(open_out, side)
        world.registry.suspend(suspended.id, {"from": issuer})
        with reverts("ProgrammeNotActive", suspended.id):
            send(10)
        nothing_sent()

    @pytest.mark.spec("CX-21")
    @pytest.mark.parametrize("points", [0, 1, LOT_LIMIT])
    def test_gives_nothing_or_fits_no_lot(self, send, nothing_sent, points):
        with reverts("InvalidSwapAmount", points):
            send(points, min_out=0)
        nothing_sent()

    @pytest.mark.spec("CX-21")
    def test_below_the_minimum(self, open_out, send, terms, nothing_sent):
        open_out.stop()
        open_out.agree(replace(terms, minimum_in=100))
        with reverts("BelowMinimum", 98, 100):
            send(99)
        nothing_sent()

    @pytest.mark.spec("CX-21")
    def test_more_than_live__or_source_paused(self, open_out, send, alice, nothing_sent):
        with reverts("ERC20InsufficientBalance", alice, 1_000, 1_002):
            send(1_002)
        open_out.source.token.pause({"from": open_out.source.pauser})
        with reverts("EnforcedPause"):
            send(10)
        nothing_sent()

    @pytest.mark.spec("CX-22")
    def test_gateway_paused__or_no_application(self, open_out, gateway, send, admin, pauser, nothing_sent):
        gateway.pause({"from": pauser})
        with reverts("EnforcedPause"):
            send(10)
        gateway.unpause({"from": pauser})
        gateway.setApplication(open_out.exchange, False, {"from": admin})
        with reverts("NotAnApplication", open_out.exchange):
            send(10)
        nothing_sent()

    @pytest.mark.spec("CX-23")
    def test_exchange_without_its_role_at_the_token(self, open_out, send, admin, nothing_sent):
        token = open_out.source.token
        token.revokeRole(token.EXCHANGE_ROLE(), open_out.exchange, {"from": admin})
        with reverts("AccessControlUnauthorizedAccount", open_out.exchange, token.EXCHANGE_ROLE()):
            send(10)
        nothing_sent()
