"""Terms in force and to come: the notice, what there and back comes to, the stop, and the last second."""

from dataclasses import replace

import pytest

from tests.contracts.support.lanes import NO_HASH, in_force, lane_of
from tests.contracts.support.outcomes import logs, plain, reverts
from tests.contracts.support.world import NOTICE_SECONDS


class TestNotice:
    @pytest.fixture
    def better(self, terms):
        return replace(terms, rate_denominator=4, daily_cap_out=50)

    @pytest.fixture
    def begins(self, agreed, better, clock):
        """The second in which agreed terms take the place of those in force."""
        agreed.propose(better, agreed.destination)
        transaction = agreed.accept(better, agreed.source)
        begins = clock.now_seconds + NOTICE_SECONDS
        assert logs(transaction) == [("LaneAgreed", agreed.id, 2, begins, better.struct)]
        return begins

    @pytest.mark.spec("EX-11", "EX-12")
    def test_before_the_notice_is_over__old_terms(self, agreed, terms, better, begins, clock):
        clock.go_to(begins - 1)
        assert lane_of(agreed) == in_force(agreed, 1, terms, (2, begins, better.struct))
        assert plain(agreed.exchange.price(agreed.id, 100, 0)) == (100, 50, 50, 400)
        assert agreed.exchange.availableOut(agreed.id) == terms.daily_cap_out

    @pytest.mark.spec("EX-11", "EX-12")
    def test_when_the_notice_is_over__new_terms(self, agreed, better, begins, clock):
        clock.go_to(begins)
        assert lane_of(agreed) == in_force(agreed, 2, better)
        assert plain(agreed.exchange.price(agreed.id, 100, 0)) == (100, 25, 25, 200)
        assert agreed.exchange.availableOut(agreed.id) == 50

    @pytest.mark.spec("EX-11", "EX-12")
    def test_another_agreement_meanwhile__takes_its_place(self, agreed, terms, begins, clock):
        third = replace(terms, fee_bps=3)
        clock.go_to(begins - 1_000)
        agreed.agree(third)
        later = clock.now_seconds + NOTICE_SECONDS
        assert later > begins
        clock.go_to(begins)
        assert lane_of(agreed) == in_force(agreed, 1, terms, (3, later, third.struct))
        clock.go_to(later)
        assert lane_of(agreed) == in_force(agreed, 3, third)

    @pytest.mark.spec("EX-11", "EX-15")
    def test_old_terms_run_out_first__closed_until_the_new_begin(self, lane, terms, clock):
        old = replace(terms, valid_until=clock.now_seconds + 1_000)
        lane.agree(old)
        new = replace(terms, fee_bps=9)
        lane.agree(new)
        begins = clock.now_seconds + NOTICE_SECONDS
        clock.go_to(old.valid_until + 1)
        assert lane_of(lane) == in_force(lane, 1, old, (2, begins, new.struct), is_open=False)
        clock.go_to(begins)
        assert lane_of(lane) == in_force(lane, 2, new)

    @pytest.mark.spec("EX-14")
    def test_stopped_meanwhile__never_begin(self, agreed, terms, begins, clock):
        agreed.stop()
        clock.go_to(begins)
        assert lane_of(agreed) == in_force(agreed, 1, terms, is_open=False)

    @pytest.mark.spec("EX-12", "EX-16")
    def test_agreed_after_a_stop__at_once_with_the_next_number(self, agreed, terms, begins):
        agreed.stop()
        agreed.agree(terms)
        assert lane_of(agreed) == in_force(agreed, 3, terms)

    @pytest.mark.spec("EX-12", "EX-14")
    def test_stopped_after_they_began__those_end(self, agreed, better, begins, clock):
        clock.go_to(begins)
        agreed.stop(agreed.destination)
        assert lane_of(agreed) == in_force(agreed, 2, better, is_open=False)


class TestRoundTrip:
    @pytest.fixture
    def back(self, world):
        return world.lane(1, 0)

    @pytest.mark.spec("EX-13")
    def test_there_and_back_comes_to_the_same__accepted(self, agreed, back, terms):
        even = replace(terms, rate_numerator=2, rate_denominator=1)
        back.agree(even)
        assert lane_of(back) == in_force(back, 1, even)

    @pytest.mark.spec("EX-13")
    @pytest.mark.parametrize(("numerator", "denominator"), [(2**31 + 1, 2**30), (3, 1), (2**32 - 1, 1)])
    def test_there_and_back_comes_to_more__refused(self, agreed, back, terms, numerator, denominator):
        more = replace(terms, rate_numerator=numerator, rate_denominator=denominator)
        back.propose(more)
        with reverts("RoundTripGains", back.id):
            back.accept(more)

    @pytest.mark.spec("EX-13")
    def test_fees_count(self, agreed, back, terms):
        more = replace(terms, rate_numerator=10_000, rate_denominator=4_999)
        back.propose(more)
        with reverts("RoundTripGains", back.id):
            back.accept(more)
        less = replace(more, fee_bps=2)
        back.agree(less)
        assert lane_of(back) == in_force(back, 1, less)

    @pytest.mark.spec("EX-13")
    def test_opposite_terms_to_come__count(self, agreed, back, terms, clock):
        coming = replace(terms, rate_numerator=1, rate_denominator=1)
        agreed.agree(coming)
        twice = replace(terms, rate_numerator=2, rate_denominator=1)
        back.propose(twice)
        with reverts("RoundTripGains", back.id):
            back.accept(twice)
        clock.go_to(clock.now_seconds + NOTICE_SECONDS)
        with reverts("RoundTripGains", back.id):
            back.accept(twice)

    @pytest.mark.spec("EX-13", "EX-11")
    def test_opposite_terms_to_be_replaced__count_while_they_hold(self, agreed, back, terms, clock):
        agreed.agree(replace(terms, rate_denominator=4))
        fourfold = replace(terms, rate_numerator=4, rate_denominator=1)
        back.propose(fourfold)
        with reverts("RoundTripGains", back.id):
            back.accept(fourfold)
        clock.go_to(clock.now_seconds + NOTICE_SECONDS)
        back.accept(fourfold)
        assert lane_of(back) == in_force(back, 1, fourfold)

    @pytest.mark.spec("EX-13", "EX-14")
    def test_opposite_lane_stopped__does_not_count(self, agreed, back, terms):
        agreed.stop()
        tenfold = replace(terms, rate_numerator=10, rate_denominator=1)
        back.agree(tenfold)
        assert lane_of(back) == in_force(back, 1, tenfold)
        agreed.propose(terms)
        with reverts("RoundTripGains", agreed.id):
            agreed.accept(terms)

    @pytest.mark.spec("EX-13", "EX-15")
    def test_opposite_terms_run_out__do_not_count(self, lane, back, terms, clock):
        lane.agree(replace(terms, valid_until=clock.now_seconds + 100))
        clock.go_to(clock.now_seconds + 200)
        tenfold = replace(terms, rate_numerator=10, rate_denominator=1)
        back.agree(tenfold)
        assert lane_of(back) == in_force(back, 1, tenfold)


class TestStop:
    @pytest.mark.spec("EX-14")
    @pytest.mark.parametrize("actor", ["admin", "pauser", "mallory", "alice"])
    def test_stranger__refused(self, agreed, actor, request):
        caller = request.getfixturevalue(actor)
        with reverts("NotAuthorized", agreed.source.id, caller):
            agreed.exchange.stop(*agreed.ends, agreed.source.id, {"from": caller})

    @pytest.mark.spec("EX-14")
    @pytest.mark.parametrize("role", ["issuer", "custodian", "treasurer"])
    def test_another_role_of_the_programme__refused(self, agreed, role):
        caller = getattr(agreed.source, role)
        with reverts("NotAuthorized", agreed.source.id, caller):
            agreed.exchange.stop(*agreed.ends, agreed.source.id, {"from": caller})

    @pytest.mark.spec("EX-14")
    def test_a_third_programme__refused(self, agreed, bystander):
        with reverts("NotAuthorized", bystander.id, bystander.negotiator):
            agreed.stop(bystander)

    @pytest.mark.spec("EX-14")
    def test_never_proposed__refused(self, lane):
        with reverts("LaneNotOpen", lane.id):
            lane.stop()

    @pytest.mark.spec("EX-14")
    @pytest.mark.parametrize("side", ["source", "destination"])
    @pytest.mark.parametrize("role", ["negotiator", "pauser"])
    def test_either_side__closed_at_once(self, agreed, terms, side, role):
        programme = getattr(agreed, side)
        agreed.propose(replace(terms, fee_bps=1))
        agreed.propose(replace(terms, fee_bps=2), agreed.destination)
        transaction = agreed.exchange.stop(*agreed.ends, programme.id, {"from": getattr(programme, role)})
        assert logs(transaction) == [("LaneStopped", agreed.id, programme.id)]
        assert lane_of(agreed) == in_force(agreed, 1, terms, is_open=False)
        assert agreed.exchange.availableOut(agreed.id) == 0
        for proposer in (agreed.source, agreed.destination):
            assert agreed.exchange.proposalOf(agreed.id, proposer.id) == NO_HASH
        with reverts("LaneNotOpen", agreed.id):
            agreed.exchange.price(agreed.id, 100, 0)

    @pytest.mark.spec("EX-14")
    def test_suspended_programme__can_stop(self, world, agreed, terms, issuer):
        world.registry.suspend(agreed.source.id, {"from": issuer})
        agreed.stop()
        assert lane_of(agreed) == in_force(agreed, 1, terms, is_open=False)

    @pytest.mark.spec("EX-14")
    def test_only_proposed__proposal_gone(self, lane, terms):
        lane.propose(terms)
        lane.stop(lane.destination)
        with reverts("ProposalMismatch", lane.id, lane.exchange.hashTerms(terms.struct)):
            lane.accept(terms)

    @pytest.mark.spec("EX-12", "EX-16")
    def test_agreed_again__at_once_with_the_next_number(self, agreed, clock, terms):
        agreed.stop()
        agreed.propose(terms)
        transaction = agreed.accept(terms)
        assert logs(transaction) == [("LaneAgreed", agreed.id, 2, clock.now_seconds, terms.struct)]
        assert lane_of(agreed) == in_force(agreed, 2, terms)


class TestValidity:
    @pytest.fixture
    def short(self, lane, terms, clock):
        short = replace(terms, valid_until=clock.now_seconds + 1_000)
        lane.agree(short)
        return short

    @pytest.mark.spec("EX-15")
    def test_last_second__open(self, lane, short, clock):
        clock.go_to(short.valid_until)
        assert lane_of(lane) == in_force(lane, 1, short)
        assert plain(lane.exchange.price(lane.id, 2, 0)) == (2, 1, 1, 8)

    @pytest.mark.spec("EX-15")
    def test_one_second_later__closed(self, lane, short, clock):
        clock.go_to(short.valid_until + 1)
        assert lane_of(lane) == in_force(lane, 1, short, is_open=False)
        with reverts("LaneNotOpen", lane.id):
            lane.exchange.price(lane.id, 2, 0)

    @pytest.mark.spec("EX-16")
    def test_agreed_anew_after_it__at_once(self, lane, short, terms, clock):
        clock.go_to(short.valid_until + 1)
        lane.agree(terms)
        assert lane_of(lane) == in_force(lane, 2, terms)
