"""Who can stop what, what a pause keeps, and that nobody else can do anything."""

from dataclasses import replace

import pytest
from brownie import web3
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts.support.crossing import COMPLETED, COUNTERPART, REFUND, sent_swap
from tests.contracts.support.examples import examples
from tests.contracts.support.gateway import OTHER_CHAIN, REMOTE_CHAIN
from tests.contracts.support.lanes import NO_HASH, NO_QUOTE, NOTHING_NEXT, lane_of, order_fields
from tests.contracts.support.outcomes import logs, reverts
from tests.contracts.support.points import NOBODY, ref
from tests.contracts.support.questions import answers
from tests.contracts.support.selectors import Scene, calldata_of, functions_of, send_all
from tests.contracts.support.world import role_of, standing_of


class TestPause:
    @pytest.mark.spec("CX-70")
    @pytest.mark.parametrize("actor", ["admin", "guardian", "mallory"])
    def test_not_the_pauser__refused(self, crosschain, grocer, pauser, actor, request):
        for caller in (request.getfixturevalue(actor), grocer.pauser):
            with reverts("AccessControlUnauthorizedAccount", caller, role_of("PAUSER_ROLE")):
                crosschain.pause({"from": caller})
        crosschain.pause({"from": pauser})
        with reverts("AccessControlUnauthorizedAccount", caller, role_of("PAUSER_ROLE")):
            crosschain.unpause({"from": caller})

    @pytest.mark.spec("CX-71")
    def test_paused__no_swap_of_any_kind__lanes_can_be_agreed_and_stopped(
        self, crosschain, open_out, requests, terms, domain, member_key, dora, pauser, alice, relayer
    ):
        crosschain.pause({"from": pauser})
        request = requests.of(alice, 100)
        signature = domain.sign(dora, "Swap", *order_fields(dora.address, request))
        calls = (
            lambda: crosschain.swap(request, NO_QUOTE, {"from": alice}),
            lambda: crosschain.swapWithSignature(dora.address, request, NO_QUOTE, signature, {"from": relayer}),
            lambda: crosschain.swapManaged(member_key, request, NO_QUOTE, {"from": open_out.source.custodian}),
        )
        for call in calls:
            with reverts("EnforcedPause"):
                call()
        open_out.stop()
        open_out.agree(replace(terms, fee_bps=1))
        assert lane_of(open_out)[2] == 2

    @pytest.mark.spec("CX-72")
    def test_unpaused__drains_exactly_once(self, crossing, open_in, bob, outcome, pauser, mallory):
        """A block of arrivals under a pause of the exchange; then everybody tries all of them again and again."""
        swaps = [crossing.arriving(open_in, bob, 10, 5) for _ in range(4)]
        messages = [crossing.message(swap) for swap in swaps]
        delivery = crossing.remote.delivery(*messages)
        crossing.exchange.pause({"from": pauser})
        crossing.remote.deliver(delivery, mallory)
        crossing.exchange.unpause({"from": pauser})
        with reverts("NothingToDeliver"):
            crossing.remote.deliver(delivery, mallory)
        for message in messages:
            crossing.retry(message, mallory)
            with reverts("NotFailed", crossing.remote.id_of(message)):
                crossing.retry(message, mallory)
            again = crossing.why(crossing.deliver(replace(message, nonce=message.nonce + 100)))
            assert [name for name, *_ in again] == ["AlreadyArrived"]
        assert [outcome(swap) for swap in swaps] == [COMPLETED] * 4
        assert open_in.destination.token.balanceOf(bob) == 20

    @pytest.mark.spec("CX-72")
    def test_gateway_unpaused__drains_exactly_once(self, crossing, gateway, open_in, bob, pauser, mallory):
        delivery = crossing.remote.delivery(
            *(crossing.message(crossing.arriving(open_in, bob, 10, 5)) for _ in range(3))
        )
        gateway.pause({"from": pauser})
        with reverts("EnforcedPause"):
            crossing.remote.deliver(delivery, mallory)
        gateway.unpause({"from": pauser})
        assert crossing.remote.deliver(delivery, mallory).return_value == 3
        with reverts("NothingToDeliver"):
            crossing.remote.deliver(delivery, mallory)
        assert open_in.destination.token.balanceOf(bob) == 15


class TestGuardian:
    @pytest.mark.spec("CX-73")
    @pytest.mark.parametrize("actor", ["admin", "pauser", "mallory"])
    def test_not_the_guardian__refused(self, crosschain, open_in, actor, request):
        for caller in (request.getfixturevalue(actor), open_in.source.negotiator, open_in.destination.pauser):
            with reverts("AccessControlUnauthorizedAccount", caller, role_of("GUARDIAN_ROLE")):
                crosschain.halt(open_in.id, {"from": caller})

    @pytest.mark.spec("CX-73")
    def test_unknown_lane__refused(self, crosschain, guardian):
        with reverts("LaneNotOpen", ref("unknown")):
            crosschain.halt(ref("unknown"), {"from": guardian})

    @pytest.mark.spec("CX-73")
    def test_halted__terms_and_proposals_end__until_both_agree_anew(
        self, crosschain, crossing, open_in, terms, guardian, bob, reasons
    ):
        open_in.agree(replace(terms, fee_bps=1))
        open_in.propose(replace(terms, fee_bps=2))
        assert logs(crosschain.halt(open_in.id, {"from": guardian})) == [("LaneStopped", open_in.id, NO_HASH)]
        told = lane_of(open_in)
        assert (told[3], told[5:]) == (False, NOTHING_NEXT)
        assert str(crosschain.proposalOf(open_in.id, open_in.source.id)) == NO_HASH
        assert len(reasons(crossing.arrive(crossing.arriving(open_in, bob, 100, 50)))) == 1
        open_in.agree(terms)
        crossing.arrive(crossing.arriving(open_in, bob, 100, 50))
        assert open_in.destination.token.balanceOf(bob) == 50

    @pytest.mark.spec("CX-73", "CX-65")
    def test_halted_out__nothing_leaves__refunds_come_back(self, crosschain, crossing, open_out, send, guardian, alice):
        sent = sent_swap(send(100))
        crosschain.halt(open_out.id, {"from": guardian})
        with reverts("LaneNotOpen", open_out.id):
            send(100)
        crossing.arrive(sent, REFUND)
        assert open_out.source.token.balanceOf(alice) == 1_000

    @pytest.mark.spec("CX-73")
    def test_another_lane__goes_on(self, crosschain, crossing, open_in, open_out, send, guardian):
        crosschain.halt(open_in.id, {"from": guardian})
        assert sent_swap(send(100)).points_in == 100


class TestStop:
    @pytest.mark.spec("CX-74")
    @pytest.mark.parametrize("side", ["source", "destination"])
    @pytest.mark.parametrize("role", ["negotiator", "pauser"])
    def test_either_programme_s_negotiator_or_pauser(self, open_in, side, role):
        programme = getattr(open_in, side)
        transaction = open_in.exchange.stop(*open_in.ends, programme.id, {"from": getattr(programme, role)})
        assert logs(transaction) == [("LaneStopped", open_in.id, programme.id)]
        assert not lane_of(open_in)[3]

    @pytest.mark.spec("CX-74")
    def test_nobody_else(self, open_in, pharmacy, guardian, mallory):
        with reverts("NotAuthorized", pharmacy.id, pharmacy.negotiator):
            open_in.stop(pharmacy)
        for caller in (mallory, guardian, open_in.source.issuer):
            with reverts("NotAuthorized", open_in.source.id, caller):
                open_in.exchange.stop(*open_in.ends, open_in.source.id, {"from": caller})


class TestStranger:
    @pytest.fixture
    def scene(self, crossing, open_in, open_out, send, member_key, alice, bob, mallory):
        """Both lanes open, a swap on its way, one that arrived, one that waits."""
        sent = sent_swap(send(100))
        arrived = crossing.arriving(open_in, bob, 100, 50)
        crossing.arrive(arrived)
        crossing.arrive(crossing.arriving(open_in, NOBODY, 100, 50))
        accounts = [alice.address, bob.address, mallory.address, COUNTERPART, crossing.gateway.address, NOBODY]
        accounts += [crossing.exchange.address, open_in.destination.token.address, open_in.source.token.address]
        keys = [open_in.id, open_out.id, sent.swap_id, arrived.swap_id, member_key]
        keys += [programme.id for programme in crossing.world.programmes]
        return Scene(accounts=accounts, words=[1, 2, 50, 100, 31337, REMOTE_CHAIN, OTHER_CHAIN], keys=keys)

    @pytest.fixture
    def state(self, world, crossing, scene, open_in, open_out):
        """All points, standings, lanes, swaps and messages that a stranger could want to change."""
        exchange, programmes = crossing.exchange, world.programmes
        questions = [("paused",), ("defaultAdmin",), ("pendingDefaultAdmin",)]
        questions += [("statusOf", key) for key in scene.keys]
        questions += [("homeOf", programme.id) for programme in programmes]
        for lane in (open_in, open_out):
            questions += [(name, lane.id) for name in ("laneOf", "availableOut", "sentCount")]
            questions += [("outcomeOf", lane.id, number) for number in range(4)]
            questions += [("proposalOf", lane.id, programme.id) for programme in programmes]
        of_points = [("totalSupply",), *(("lotsOf", holder) for holder in scene.accounts)]

        def read():
            return (
                [answers(programme.token, of_points) for programme in programmes],
                [standing_of(world.house, programme) for programme in programmes],
                answers(exchange, questions),
                answers(crossing.gateway, [("sentCount", chain) for chain in (REMOTE_CHAIN, OTHER_CHAIN)]),
            )

        return read

    @pytest.mark.spec("CX-75")
    def test_every_selector__changes_nothing(self, crosschain, scene, state, mallory):
        functions = functions_of(crosschain)
        assert len(functions) > 45
        before = state()

        @settings(max_examples=examples(6), deadline=None, database=None)
        @given(st.tuples(*(calldata_of(function, scene) for function in functions)))
        def call_everything(calls):
            send_all(mallory, crosschain, [(data, 0) for data in calls])
            assert state() == before

        call_everything()

    @pytest.mark.spec("CX-75")
    def test_unknown_selectors_and_ether__changes_nothing(self, crosschain, state, mallory):
        before = state()

        @settings(max_examples=examples(6), deadline=None, database=None)
        @given(st.lists(st.tuples(st.binary(max_size=100), st.integers(0, 1)), max_size=20))
        def call_anything(calls):
            send_all(mallory, crosschain, calls)
            assert state() == before

        call_anything()
        assert web3.eth.get_balance(crosschain.address) == 0
