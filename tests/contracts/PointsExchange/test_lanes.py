"""Lanes: proposed by one programme, accepted by the other, stopped by either."""

from dataclasses import replace

import pytest
from brownie import web3

from tests.contracts.support.lanes import NO_HASH, NO_TERMS, NOTHING_NEXT, in_force, lane_of, slug
from tests.contracts.support.outcomes import logs, reverts
from tests.contracts.support.world import NOTICE_SECONDS, role_of

CHANGES = {
    "rate_numerator": 3,
    "rate_denominator": 5,
    "fee_bps": 100,
    "max_bonus_bps": 1,
    "minimum_in": 10,
    "daily_cap_out": 5_000,
    "valid_until": 2_000_000_000,
    "settlement_price": 7_000_000,
    "carry_expiry": True,
    "posted": True,
}
OUT_OF_RANGE = {
    "rate_numerator": 0,
    "rate_denominator": 0,
    "fee_bps": 10_000,
    "max_bonus_bps": 10_001,
    "minimum_in": 0,
    "daily_cap_out": 2**44,
    "valid_until": 1,
}
EXTREMES = [
    {"rate_numerator": 1, "rate_denominator": 2**32 - 1, "fee_bps": 9_999, "max_bonus_bps": 10_000},
    {"minimum_in": 2**48 - 1, "daily_cap_out": 2**44 - 1, "valid_until": 2**48 - 1, "settlement_price": 2**80 - 1},
    {"rate_numerator": 2**32 - 1, "rate_denominator": 2**32 - 1, "daily_cap_out": 0, "settlement_price": 0},
]


class TestIds:
    @pytest.mark.spec("EX-2")
    def test_lane_id_of__both_directions__follow_from_chain_and_programmes(self, points_exchange, lane, world):
        back = world.lane(1, 0)
        assert points_exchange.laneIdOf(*lane.ends) == lane.id
        assert points_exchange.laneIdOf(*back.ends) == back.id != lane.id

    @pytest.mark.spec("EX-2")
    def test_lane_of__never_proposed__empty(self, lane):
        assert lane_of(lane) == (NO_HASH, NO_HASH, 0, False, NO_TERMS, *NOTHING_NEXT)
        assert lane.exchange.availableOut(lane.id) == 0

    @pytest.mark.spec("EX-7")
    def test_hash_terms__every_field__counts(self, points_exchange, terms):
        hashes = {
            str(points_exchange.hashTerms(replace(terms, **{name: value}).struct)) for name, value in CHANGES.items()
        }
        assert len(hashes | {str(points_exchange.hashTerms(terms.struct))}) == len(CHANGES) + 1


class TestPropose:
    @pytest.mark.spec("EX-3")
    @pytest.mark.parametrize("actor", ["admin", "pauser", "mallory", "alice"])
    def test_not_a_negotiator__refused(self, lane, terms, actor, request):
        caller = request.getfixturevalue(actor)
        with reverts("NotAuthorized", lane.source.id, caller):
            lane.exchange.propose(*lane.ends, lane.source.id, terms.struct, {"from": caller})

    @pytest.mark.spec("EX-3")
    @pytest.mark.parametrize("role", ["issuer", "custodian", "pauser", "treasurer"])
    def test_another_role_of_the_programme__refused(self, lane, terms, role):
        caller = getattr(lane.source, role)
        with reverts("NotAuthorized", lane.source.id, caller):
            lane.exchange.propose(*lane.ends, lane.source.id, terms.struct, {"from": caller})

    @pytest.mark.spec("EX-3")
    def test_negotiator_of_the_other_side__refused(self, lane, terms):
        caller = lane.destination.negotiator
        with reverts("NotAuthorized", lane.source.id, caller):
            lane.exchange.propose(*lane.ends, lane.source.id, terms.struct, {"from": caller})

    @pytest.mark.spec("EX-4")
    def test_a_third_programme__refused(self, lane, terms, bystander):
        with reverts("NotAuthorized", bystander.id, bystander.negotiator):
            lane.propose(terms, bystander)

    @pytest.mark.spec("EX-5")
    def test_with_itself__refused(self, lane, terms):
        source = lane.source
        with reverts("SameProgramme", source.id):
            lane.exchange.propose(source.id, source.id, source.id, terms.struct, {"from": source.negotiator})

    @pytest.mark.spec("EX-5")
    def test_unknown_programme__refused(self, lane, terms):
        unknown = slug("nobody")
        with reverts("ProgrammeNotActive", unknown):
            lane.exchange.propose(
                lane.source.id, unknown, lane.source.id, terms.struct, {"from": lane.source.negotiator}
            )

    @pytest.mark.spec("EX-5")
    @pytest.mark.parametrize("number", [0, 1])
    def test_suspended_programme__refused(self, world, lane, terms, issuer, number):
        suspended = world.programmes[number]
        world.registry.suspend(suspended.id, {"from": issuer})
        with reverts("ProgrammeNotActive", suspended.id):
            lane.propose(terms)

    @pytest.mark.spec("EX-6")
    @pytest.mark.parametrize("field", OUT_OF_RANGE)
    def test_out_of_range__refused(self, lane, terms, field):
        spoilt = replace(terms, **{field: OUT_OF_RANGE[field]})
        with reverts("InvalidLaneTerms", spoilt.struct):
            lane.propose(spoilt)

    @pytest.mark.spec("EX-6")
    @pytest.mark.parametrize("changes", EXTREMES, ids=["smallest", "largest", "nothing to give"])
    def test_at_the_ends_of_the_ranges__kept(self, lane, terms, changes):
        extreme = replace(terms, **changes)
        lane.agree(extreme)
        assert lane_of(lane) == in_force(lane, 1, extreme)

    @pytest.mark.spec("EX-6")
    def test_in_their_last_second__kept(self, lane, clock, terms):
        last = replace(terms, valid_until=clock.now_seconds + 100)
        clock.next_block_at(last.valid_until)
        lane.propose(last)
        assert lane.exchange.proposalOf(lane.id, lane.source.id) == lane.exchange.hashTerms(last.struct)

    @pytest.mark.spec("EX-7")
    @pytest.mark.parametrize("side", ["source", "destination"])
    def test_by_either_side__logged_and_kept(self, lane, terms, side):
        proposer = getattr(lane, side)
        transaction = lane.propose(terms, proposer)
        assert logs(transaction) == [("LaneProposed", lane.id, *lane.ends, proposer.id, terms.struct)]
        assert lane.exchange.proposalOf(lane.id, proposer.id) == lane.exchange.hashTerms(terms.struct)
        assert lane_of(lane) == (*lane.ends, 0, False, NO_TERMS, *NOTHING_NEXT)

    @pytest.mark.spec("EX-7", "EX-9")
    def test_again__replaces_the_former(self, lane, terms):
        other = replace(terms, fee_bps=5)
        lane.propose(terms)
        lane.propose(other)
        with reverts("ProposalMismatch", lane.id, lane.exchange.hashTerms(terms.struct)):
            lane.accept(terms)
        lane.accept(other)
        assert lane_of(lane) == in_force(lane, 1, other)


class TestWithdrawProposal:
    @pytest.mark.spec("EX-3")
    @pytest.mark.parametrize("actor", ["admin", "mallory"])
    def test_not_the_negotiator__refused(self, lane, terms, actor, request):
        lane.propose(terms)
        for caller in (request.getfixturevalue(actor), lane.destination.negotiator):
            with reverts("NotAuthorized", lane.source.id, caller):
                lane.exchange.withdrawProposal(*lane.ends, lane.source.id, {"from": caller})

    @pytest.mark.spec("EX-8")
    def test_nothing_proposed__refused(self, lane, bystander):
        for programme in (lane.source, bystander):
            with reverts("ProposalMismatch", lane.id, NO_HASH):
                lane.exchange.withdrawProposal(*lane.ends, programme.id, {"from": programme.negotiator})

    @pytest.mark.spec("EX-8")
    def test_taken_back__cannot_be_accepted(self, lane, terms):
        lane.propose(terms)
        transaction = lane.exchange.withdrawProposal(*lane.ends, lane.source.id, {"from": lane.source.negotiator})
        assert logs(transaction) == [("ProposalWithdrawn", lane.id, lane.source.id)]
        assert lane.exchange.proposalOf(lane.id, lane.source.id) == NO_HASH
        with reverts("ProposalMismatch", lane.id, lane.exchange.hashTerms(terms.struct)):
            lane.accept(terms)

    @pytest.mark.spec("EX-8")
    def test_of_one_side__leaves_the_other(self, lane, terms):
        lane.propose(terms)
        lane.propose(terms, lane.destination)
        lane.exchange.withdrawProposal(*lane.ends, lane.source.id, {"from": lane.source.negotiator})
        lane.accept(terms, lane.source)
        assert lane_of(lane) == in_force(lane, 1, terms)


class TestAccept:
    @pytest.mark.spec("EX-3")
    @pytest.mark.parametrize("actor", ["admin", "pauser", "mallory"])
    def test_not_a_negotiator__refused(self, lane, terms, actor, request):
        lane.propose(terms)
        for caller in (request.getfixturevalue(actor), lane.destination.issuer, lane.source.negotiator):
            with reverts("NotAuthorized", lane.destination.id, caller):
                lane.exchange.accept(*lane.ends, lane.destination.id, terms.struct, {"from": caller})

    @pytest.mark.spec("EX-3")
    def test_role_taken_away__refused(self, lane, terms, admin):
        lane.propose(terms)
        token, negotiator = lane.destination.token, lane.destination.negotiator
        token.revokeRole(lane.exchange.LANE_ROLE(), negotiator, {"from": admin})
        with reverts("NotAuthorized", lane.destination.id, negotiator):
            lane.accept(terms)

    @pytest.mark.spec("EX-4")
    def test_a_third_programme__refused(self, lane, terms, bystander):
        lane.propose(terms)
        with reverts("NotAuthorized", bystander.id, bystander.negotiator):
            lane.accept(terms, bystander)

    @pytest.mark.spec("EX-5")
    @pytest.mark.parametrize("number", [0, 1])
    def test_suspended_programme__refused(self, world, lane, terms, issuer, number):
        lane.propose(terms)
        suspended = world.programmes[number]
        world.registry.suspend(suspended.id, {"from": issuer})
        with reverts("ProgrammeNotActive", suspended.id):
            lane.accept(terms)

    @pytest.mark.spec("EX-9")
    def test_nothing_proposed__refused(self, lane, terms):
        with reverts("ProposalMismatch", lane.id, lane.exchange.hashTerms(terms.struct)):
            lane.accept(terms)

    @pytest.mark.spec("EX-9")
    @pytest.mark.parametrize("field", CHANGES)
    def test_a_field_changed__refused(self, lane, terms, field):
        lane.propose(terms)
        other = replace(terms, **{field: CHANGES[field]})
        with reverts("ProposalMismatch", lane.id, lane.exchange.hashTerms(other.struct)):
            lane.accept(other)

    @pytest.mark.spec("EX-9")
    def test_its_own_proposal__refused(self, lane, terms):
        lane.propose(terms)
        with reverts("ProposalMismatch", lane.id, lane.exchange.hashTerms(terms.struct)):
            lane.accept(terms, lane.source)

    @pytest.mark.spec("EX-9")
    def test_proposal_for_the_opposite_lane__refused(self, world, lane, terms):
        back = world.lane(1, 0)
        lane.propose(terms, lane.destination)
        with reverts("ProposalMismatch", back.id, lane.exchange.hashTerms(terms.struct)):
            back.accept(terms, lane.source)

    @pytest.mark.spec("EX-6")
    def test_terms_that_have_run_out_meanwhile__refused(self, lane, clock, terms):
        short = replace(terms, valid_until=clock.now_seconds + 100)
        lane.propose(short)
        clock.next_block_at(short.valid_until + 1)
        with reverts("InvalidLaneTerms", short.struct):
            lane.accept(short)

    @pytest.mark.spec("EX-6", "EX-11")
    def test_terms_that_end_before_they_begin__refused(self, agreed, clock, terms):
        short = replace(terms, valid_until=clock.now_seconds + NOTICE_SECONDS + 1_000)
        agreed.propose(short)
        clock.next_block_at(short.valid_until - NOTICE_SECONDS + 1)
        with reverts("InvalidLaneTerms", short.struct):
            agreed.accept(short)

    @pytest.mark.spec("EX-10", "EX-12")
    @pytest.mark.parametrize("side", ["source", "destination"])
    def test_proposed_by_either__in_force_at_once(self, lane, clock, terms, side):
        proposer = getattr(lane, side)
        acceptor = lane.destination if side == "source" else lane.source
        lane.propose(terms, proposer)
        lane.propose(replace(terms, fee_bps=77), acceptor)
        transaction = lane.accept(terms, acceptor)
        assert logs(transaction) == [("LaneAgreed", lane.id, 1, clock.now_seconds, terms.struct)]
        assert lane_of(lane) == in_force(lane, 1, terms)
        assert lane.exchange.proposalOf(lane.id, proposer.id) == NO_HASH
        assert lane.exchange.proposalOf(lane.id, acceptor.id) == NO_HASH
        assert lane.exchange.availableOut(lane.id) == terms.daily_cap_out

    @pytest.mark.spec("EX-9")
    def test_twice__refused(self, agreed, terms):
        with reverts("ProposalMismatch", agreed.id, agreed.exchange.hashTerms(terms.struct)):
            agreed.accept(terms)

    @pytest.mark.spec("EX-10")
    def test_one_direction__says_nothing_of_the_other(self, world, agreed):
        back = world.lane(1, 0)
        assert lane_of(back) == (NO_HASH, NO_HASH, 0, False, NO_TERMS, *NOTHING_NEXT)


class TestConstruction:
    @pytest.mark.spec("EX-1")
    def test_views__as_given(self, points_exchange, world, admin):
        assert points_exchange.registry() == world.registry
        assert points_exchange.clearingHouse() == world.house
        assert points_exchange.noticePeriod() == NOTICE_SECONDS
        assert points_exchange.POSTING_WINDOW() == 7 * 86_400
        assert points_exchange.defaultAdmin() == admin

    @pytest.mark.spec("EX-1")
    def test_code__below_the_limit(self, points_exchange, house):
        for contract in (points_exchange, house):
            assert len(web3.eth.get_code(contract.address)) <= 24_576

    @pytest.mark.spec("EX-1")
    def test_roles__nobody_can_pause_at_first(self, PointsExchange, world, admin, accounts):
        fresh = PointsExchange.deploy(world.registry, world.house, 1, admin, 1, {"from": admin})
        for account in accounts:
            assert not fresh.hasRole(fresh.PAUSER_ROLE(), account)
        assert fresh.PAUSER_ROLE() == role_of("PAUSER_ROLE")
        assert fresh.LANE_ROLE() == role_of("LANE_ROLE")
        assert fresh.QUOTER_ROLE() == role_of("QUOTER_ROLE")
