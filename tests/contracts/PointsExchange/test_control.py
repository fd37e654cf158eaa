"""Who can stop swaps, whom the exchange deals with, and that nobody else can do anything."""

from dataclasses import replace

import pytest
from brownie import web3
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts.support.examples import examples
from tests.contracts.support.lanes import NO_HASH, NO_QUOTE, Lane, Programme, Requests, lane_terms, slug, swap_id
from tests.contracts.support.outcomes import logs, reverts
from tests.contracts.support.points import NOBODY, ref
from tests.contracts.support.questions import answers
from tests.contracts.support.selectors import Scene, calldata_of, functions_of, send_all
from tests.contracts.support.world import standing_of


class TestPause:
    @pytest.mark.spec("EX-120")
    @pytest.mark.parametrize("actor", ["admin", "issuer", "mallory"])
    def test_not_the_pauser__refused(self, world, points_exchange, pauser, actor, request):
        for caller in (request.getfixturevalue(actor), world.programmes[0].pauser):
            with reverts("AccessControlUnauthorizedAccount", caller, points_exchange.PAUSER_ROLE()):
                points_exchange.pause({"from": caller})
        points_exchange.pause({"from": pauser})
        with reverts("AccessControlUnauthorizedAccount", caller, points_exchange.PAUSER_ROLE()):
            points_exchange.unpause({"from": caller})

    @pytest.mark.spec("EX-121")
    def test_paused__no_swap_of_any_kind(self, world, funded, requests, member_key, dora, pauser, alice, relayer):
        funded.exchange.pause({"from": pauser})
        request = requests.of(alice, 100)
        fields = (dora.address, *request[:5], NO_HASH, request[5])
        signature = world.domain.sign(dora, "Swap", *fields)
        calls = (
            lambda: funded.exchange.swap(request, NO_QUOTE, {"from": alice}),
            lambda: funded.exchange.swapWithSignature(dora.address, request, NO_QUOTE, signature, {"from": relayer}),
            lambda: funded.exchange.swapManaged(member_key, request, NO_QUOTE, {"from": funded.source.custodian}),
        )
        for call in calls:
            with reverts("EnforcedPause"):
                call()
        assert funded.source.token.balanceOf(alice) == 1_000

    @pytest.mark.spec("EX-121", "EX-14")
    def test_paused__lanes_can_be_agreed_and_stopped(self, funded, terms, pauser):
        funded.exchange.pause({"from": pauser})
        funded.stop()
        funded.agree(replace(terms, fee_bps=1))
        assert funded.exchange.laneOf(funded.id)[2] == 2

    @pytest.mark.spec("EX-122")
    def test_unpaused__what_was_signed_before_works_once(
        self, world, funded, requests, issue_to, dora, pauser, relayer
    ):
        issue_to(funded.source, dora.address, 100)
        request = requests.of(dora.address, 100)
        signature = world.domain.sign(dora, "Swap", dora.address, *request[:5], NO_HASH, request[5])
        order = (dora.address, request, NO_QUOTE, signature)
        funded.exchange.pause({"from": pauser})
        with reverts("EnforcedPause"):
            funded.exchange.swapWithSignature(*order, {"from": relayer})
        funded.exchange.unpause({"from": pauser})
        funded.exchange.swapWithSignature(*order, {"from": relayer})
        with reverts("SwapRefUsed", ref("swap"), dora.address):
            funded.exchange.swapWithSignature(*order, {"from": relayer})
        assert funded.destination.token.balanceOf(dora.address) == 50

    @pytest.mark.spec("EX-120")
    def test_logged(self, points_exchange, pauser):
        assert logs(points_exchange.pause({"from": pauser})) == [("Paused", pauser)]
        assert points_exchange.paused()
        assert logs(points_exchange.unpause({"from": pauser})) == [("Unpaused", pauser)]


class TestOddTokens:
    """A registered contract that burns and mints other than it was told: the whole swap is undone."""

    @pytest.fixture
    def odd(self, OddPoints, world, admin, issuer):
        token = OddPoints.deploy({"from": admin})
        world.registry.register(slug("odd"), token, {"from": issuer})
        return Programme("odd", token, admin, admin, admin, admin, admin, None)

    @pytest.mark.spec("EX-123")
    @pytest.mark.parametrize("carry", [False, True], ids=["fresh", "carried"])
    def test_mints_less__refused(self, world, grocer, odd, issue_to, alice, clock, carry):
        lane = Lane(world.exchange, grocer, odd)
        lane.agree(lane_terms(clock.now_seconds, settlement_price=0, carry_expiry=carry))
        issue_to(grocer, alice, 100)
        odd.token.setMissing(1, {"from": alice})
        request = Requests(lane, lambda: clock.now_seconds).of(alice, 100)
        with reverts("TokenMismatch", odd.token, 50, 49):
            lane.exchange.swap(request, NO_QUOTE, {"from": alice})
        assert grocer.token.balanceOf(alice) == 100
        odd.token.setMissing(0, {"from": alice})
        lane.exchange.swap(request, NO_QUOTE, {"from": alice})
        assert odd.token.totalSupply() == 1_050

    @pytest.mark.spec("EX-123")
    def test_burns_less__refused(self, world, grocer, odd, alice, clock):
        lane = Lane(world.exchange, odd, grocer)
        lane.agree(lane_terms(clock.now_seconds, settlement_price=0))
        odd.token.setMissing(1, {"from": alice})
        request = Requests(lane, lambda: clock.now_seconds).of(alice, 100)
        with reverts("TokenMismatch", odd.token, 100, 99):
            lane.exchange.swap(request, NO_QUOTE, {"from": alice})
        assert grocer.token.totalSupply() == 0


@pytest.mark.spec("EX-124")
def test_not_a_programme_s_token__no_lane(world, PointsToken, lane, terms, admin):
    """A token that nobody registered has no id that could be named."""
    stranger = PointsToken.deploy("Fake", "FKE", (86_400, 1, 0, 1_000, True), admin, 0, {"from": admin})
    assert world.registry.programmeOf(stranger) == NO_HASH
    with reverts("ProgrammeNotActive", NO_HASH):
        lane.exchange.propose(lane.source.id, NO_HASH, lane.source.id, terms.struct, {"from": lane.source.negotiator})


@pytest.mark.spec("EX-125")
def test_token_role__nobody_but_the_exchange_mints_and_burns(world, alice, mallory, clock):
    for programme in world.programmes:
        token, role = programme.token, programme.token.EXCHANGE_ROLE()
        assert token.hasRole(role, world.exchange)
        calls = (
            lambda token=token: token.crosschainMint(mallory, 1, {"from": mallory}),
            lambda token=token: token.crosschainBurnLots(alice, 1, {"from": mallory}),
            lambda token=token: token.crosschainRestoreLots(mallory, [(clock.epoch, 1)], {"from": mallory}),
        )
        for call in calls:
            with reverts("AccessControlUnauthorizedAccount", mallory, role):
                call()


class TestStranger:
    @pytest.fixture
    def scene(self, world, funded, posted_lane, terms, requests, issue_to, member_key, alice, bob, mallory):
        """Open lanes, members with points, a swap that waits, and the values a stranger could try."""
        posted_lane.agree(replace(terms, posted=True))
        managed = funded.source.token.managedAccount(member_key)
        issue_to(funded.source, managed, 500)
        issue_to(funded.destination, bob, 500)
        posted_request = requests.of(bob, 100, lane_id=posted_lane.id, ref=ref("waits"))
        funded.exchange.swap(posted_request, NO_QUOTE, {"from": alice})
        accounts = [alice.address, bob.address, managed, mallory.address, funded.exchange.address, NOBODY]
        accounts += [programme.token.address for programme in world.programmes]
        keys = [
            *(programme.id for programme in world.programmes),
            funded.id,
            posted_lane.id,
            swap_id(funded.exchange, alice, ref("waits")),
            ref("waits"),
            member_key,
        ]
        return Scene(accounts=accounts, words=[1, 2, 50, 100, *terms.struct[:8]], keys=keys)

    @pytest.fixture
    def state(self, world, scene, funded, posted_lane):
        """All points, standings, lanes and swaps that a stranger could want to change."""
        of_lanes = [("statusOf", key) for key in scene.keys]
        for lane in (funded, posted_lane):
            of_lanes += [("laneOf", lane.id), ("availableOut", lane.id)]
            of_lanes += [("proposalOf", lane.id, programme.id) for programme in world.programmes]
        of_points = [("totalSupply",), *(("lotsOf", holder) for holder in scene.accounts)]

        def read():
            return (
                [answers(programme.token, of_points) for programme in world.programmes],
                [standing_of(world.house, programme) for programme in world.programmes],
                answers(funded.exchange, [("paused",), *of_lanes]),
            )

        return read

    @pytest.mark.spec("EX-126")
    def test_every_selector__changes_nothing(self, funded, scene, state, mallory):
        functions = functions_of(funded.exchange)
        assert len(functions) > 40
        before = state()

        @settings(max_examples=examples(6), deadline=None, database=None)
        @given(st.tuples(*(calldata_of(function, scene) for function in functions)))
        def call_everything(calls):
            send_all(mallory, funded.exchange, [(data, 0) for data in calls])
            assert state() == before

        call_everything()

    @pytest.mark.spec("EX-126")
    def test_unknown_selectors_and_ether__changes_nothing(self, funded, state, mallory):
        before = state()

        @settings(max_examples=examples(6), deadline=None, database=None)
        @given(st.lists(st.tuples(st.binary(max_size=100), st.integers(0, 1)), max_size=20))
        def call_anything(calls):
            send_all(mallory, funded.exchange, calls)
            assert state() == before

        call_anything()
        assert web3.eth.get_balance(funded.exchange.address) == 0
