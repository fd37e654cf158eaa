"""Construction; where programmes live, whom the exchange is linked with, and which lanes it can have."""

from dataclasses import replace

import pytest

from tests.contracts.support.code import CODE_LIMIT_BYTES, code_bytes
from tests.contracts.support.crossing import COUNTERPART, CrossLane
from tests.contracts.support.gateway import OTHER_CHAIN, REMOTE_CHAIN, hexed
from tests.contracts.support.lanes import in_force, lane_of, lane_terms, slug
from tests.contracts.support.messages import interoperable
from tests.contracts.support.outcomes import logs, reverts
from tests.contracts.support.points import NOBODY
from tests.contracts.support.world import ADMIN_DELAY_SECONDS, NOTICE_SECONDS, role_of

HERE = 31337
ADMIN_ROLE = "0x" + "00" * 32


class TestConstruction:
    @pytest.mark.spec("CX-1")
    def test_terms_and_roles(self, CrosschainExchange, world, admin):
        terms = (world.registry, world.house, NOTICE_SECONDS, admin, ADMIN_DELAY_SECONDS)
        exchange = CrosschainExchange.deploy(*terms, {"from": admin})
        assert exchange.registry() == world.registry
        assert exchange.clearingHouse() == world.house
        assert exchange.noticePeriod() == NOTICE_SECONDS
        assert exchange.defaultAdmin() == admin
        assert exchange.MAX_TRANSIT() == 7 * 86_400
        for role in ("PAUSER_ROLE", "GUARDIAN_ROLE"):
            assert getattr(exchange, role)() == role_of(role)
            assert not exchange.hasRole(role_of(role), admin)
        assert exchange.linkOf(REMOTE_CHAIN) == (NOBODY, NOBODY)

    @pytest.mark.spec("CX-1")
    def test_code__below_the_limit(self, unlinked):
        assert code_bytes(unlinked) <= CODE_LIMIT_BYTES


class TestHomes:
    @pytest.mark.spec("CX-2")
    @pytest.mark.parametrize("actor", ["admin", "guardian", "mallory"])
    def test_not_the_programme_s_negotiator__refused(self, unlinked, fuel, grocer, actor, request):
        for caller in (request.getfixturevalue(actor), fuel.issuer, fuel.treasurer, grocer.negotiator):
            with reverts("NotAuthorized", fuel.id, caller):
                unlinked.declareHome(fuel.id, REMOTE_CHAIN, {"from": caller})

    @pytest.mark.spec("CX-2")
    def test_this_chain__no_chain__no_programme__refused(self, unlinked, fuel):
        for chain in (HERE, 0):
            with reverts("InvalidHome", fuel.id, chain):
                unlinked.declareHome(fuel.id, chain, {"from": fuel.negotiator})
        with reverts("ProgrammeNotActive", slug("nobody")):
            unlinked.declareHome(slug("nobody"), REMOTE_CHAIN, {"from": fuel.negotiator})

    @pytest.mark.spec("CX-2", "CX-3", "CX-4")
    def test_declared__logged__once(self, unlinked, fuel, grocer):
        ends = grocer.id, fuel.id
        before = unlinked.laneIdOf(*ends)
        assert unlinked.homeOf(fuel.id) == unlinked.homeOf(grocer.id) == HERE
        transaction = unlinked.declareHome(fuel.id, REMOTE_CHAIN, {"from": fuel.negotiator})
        assert logs(transaction) == [("HomeDeclared", fuel.id, REMOTE_CHAIN)]
        assert unlinked.homeOf(fuel.id) == REMOTE_CHAIN
        assert unlinked.laneIdOf(*ends) != before
        for chain in (REMOTE_CHAIN, OTHER_CHAIN):
            with reverts("HomeAlreadyDeclared", fuel.id, REMOTE_CHAIN):
                unlinked.declareHome(fuel.id, chain, {"from": fuel.negotiator})

    @pytest.mark.spec("CX-5")
    def test_a_lane_proposed__home_is_here_for_good(self, crosschain, out, terms, grocer):
        assert logs(out.propose(terms), "HomeDeclared") == [("HomeDeclared", grocer.id, HERE)]
        assert logs(out.propose(terms), "HomeDeclared") == []
        with reverts("HomeAlreadyDeclared", grocer.id, HERE):
            crosschain.declareHome(grocer.id, OTHER_CHAIN, {"from": grocer.negotiator})

    @pytest.mark.spec("CX-5")
    def test_a_lane_accepted__home_is_here_for_good(self, crosschain, out, terms, grocer, fuel):
        out.propose(terms, fuel)
        assert logs(out.accept(terms, grocer), "HomeDeclared") == [("HomeDeclared", grocer.id, HERE)]
        with reverts("HomeAlreadyDeclared", grocer.id, HERE):
            crosschain.declareHome(grocer.id, OTHER_CHAIN, {"from": grocer.negotiator})

    @pytest.mark.spec("CX-5")
    def test_declared_after_the_other_s_proposal__another_lane(self, crosschain, crossing, out, terms, grocer, fuel):
        """What fuel proposed was a lane from a grocer at home here: one that lives elsewhere cannot accept it."""
        out.propose(terms, fuel)
        crosschain.declareHome(grocer.id, OTHER_CHAIN, {"from": grocer.negotiator})
        moved = crossing.lane(grocer, fuel)
        assert moved.id != out.id
        with reverts("NotCrosschain", *out.ends):
            moved.accept(terms, grocer)
        assert not lane_of(out)[3]


class TestLinks:
    @pytest.mark.spec("CX-6")
    def test_not_the_admin__refused(self, unlinked, gateway, guardian, pauser, mallory):
        for caller in (guardian, pauser, mallory):
            with reverts("AccessControlUnauthorizedAccount", caller, ADMIN_ROLE):
                unlinked.link(REMOTE_CHAIN, gateway, COUNTERPART, {"from": caller})

    @pytest.mark.spec("CX-6")
    def test_logged__once_for_a_chain(self, unlinked, gateway, admin):
        transaction = unlinked.link(REMOTE_CHAIN, gateway, COUNTERPART, {"from": admin})
        assert logs(transaction) == [("LinkRegistered", gateway, hexed(interoperable(REMOTE_CHAIN, COUNTERPART)))]
        assert unlinked.linkOf(REMOTE_CHAIN) == (gateway, COUNTERPART)
        for other in (COUNTERPART, "0x" + "31" * 20):
            with reverts("LinkAlreadyRegistered", REMOTE_CHAIN):
                unlinked.link(REMOTE_CHAIN, gateway, other, {"from": admin})
        unlinked.link(OTHER_CHAIN, gateway, COUNTERPART, {"from": admin})

    @pytest.mark.spec("CX-6")
    def test_this_chain__no_chain__no_gateway__no_counterpart__refused(self, unlinked, gateway, admin, alice):
        for chain, through, counterpart in (
            (HERE, gateway, COUNTERPART),
            (0, gateway, COUNTERPART),
            (REMOTE_CHAIN, alice, COUNTERPART),
            (REMOTE_CHAIN, NOBODY, COUNTERPART),
            (REMOTE_CHAIN, gateway, NOBODY),
        ):
            with reverts("InvalidLink", chain, through, counterpart):
                unlinked.link(chain, through, counterpart, {"from": admin})


class TestLanes:
    @pytest.mark.spec("CX-4")
    def test_id__from_both_homes__the_same_on_both_chains(self, crosschain, out, into, grocer, fuel):
        assert crosschain.laneIdOf(grocer.id, fuel.id) == out.id
        assert crosschain.laneIdOf(fuel.id, grocer.id) == into.id
        assert out.homes == (HERE, REMOTE_CHAIN)
        here = CrossLane(crosschain, grocer, fuel, (HERE, HERE))
        there = CrossLane(crosschain, grocer, fuel, (REMOTE_CHAIN, HERE))
        assert len({lane.id for lane in (out, into, here, there)}) == 4

    @pytest.mark.spec("CX-7")
    def test_both_at_home_here__refused(self, crossing, terms, grocer, pharmacy):
        lane = crossing.lane(grocer, pharmacy)
        for call in (lane.propose, lane.accept):
            with reverts("NotCrosschain", *lane.ends):
                call(terms)

    @pytest.mark.spec("CX-7")
    @pytest.mark.parametrize("chain", [REMOTE_CHAIN, OTHER_CHAIN])
    def test_neither_at_home_here__refused(self, crosschain, crossing, terms, fuel, pharmacy, chain):
        crosschain.declareHome(pharmacy.id, chain, {"from": pharmacy.negotiator})
        lane = crossing.lane(fuel, pharmacy)
        for call in (lane.propose, lane.accept):
            with reverts("NotCrosschain", *lane.ends):
                call(terms)

    @pytest.mark.spec("CX-7")
    def test_posted__refused(self, out, terms):
        posted = replace(terms, posted=True)
        for call in (out.propose, out.accept):
            with reverts("InvalidLaneTerms", posted.struct):
                call(posted)

    @pytest.mark.spec("CX-8")
    @pytest.mark.parametrize("direction", ["out", "into"])
    def test_agreed_by_both__in_force(self, direction, terms, request):
        lane = request.getfixturevalue(direction)
        transaction = lane.propose(terms)
        assert logs(transaction, "LaneProposed") == [
            ("LaneProposed", lane.id, *lane.ends, lane.source.id, terms.struct)
        ]
        with reverts("ProposalMismatch", lane.id, lane.exchange.hashTerms(replace(terms, fee_bps=1).struct)):
            lane.accept(replace(terms, fee_bps=1))
        transaction = lane.accept(terms)
        assert [log[1:3] for log in logs(transaction, "LaneAgreed")] == [(lane.id, 1)]
        assert lane_of(lane) == in_force(lane, 1, terms)

    @pytest.mark.spec("CX-8")
    def test_new_terms__after_the_notice(self, out, terms, clock):
        out.agree(terms)
        other = replace(terms, fee_bps=100)
        out.agree(other)
        begins = clock.now_seconds + NOTICE_SECONDS
        clock.go_to(begins - 1)
        assert lane_of(out) == in_force(out, 1, terms, (2, begins, other.struct))
        clock.go_to(begins)
        assert lane_of(out) == in_force(out, 2, other)

    @pytest.mark.spec("CX-8")
    def test_gains_there_and_back__refused(self, out, into, terms):
        out.agree(terms)
        gaining = replace(terms, rate_numerator=5, rate_denominator=2)
        into.propose(gaining)
        with reverts("RoundTripGains", into.id):
            into.accept(gaining)

    @pytest.mark.spec("CX-8")
    def test_not_a_party__refused(self, out, terms, pharmacy, mallory):
        with reverts("NotAuthorized", pharmacy.id, pharmacy.negotiator):
            out.propose(terms, pharmacy)
        with reverts("NotAuthorized", out.source.id, mallory):
            out.exchange.propose(*out.ends, out.source.id, terms.struct, {"from": mallory})

    @pytest.mark.spec("CX-8")
    def test_beside_the_lane_on_one_chain__another_lane(self, world, out, terms):
        """The exchange of one chain has a lane of its own between the same programmes' tokens."""
        single = world.lane(0, 1)
        single.agree(lane_terms(terms.valid_until - 86_400))
        assert single.id != out.id
        assert not lane_of(out)[3]
