"""Expiry: carried over, so that nothing lives longer than it did, or fresh."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts.lane_model import carried, shares_of
from tests.contracts.model import PointsModel, ProgrammeTerms, RefusedError
from tests.contracts.support.clock import DAY_SECONDS, START_SECONDS
from tests.contracts.support.examples import examples
from tests.contracts.support.lanes import NO_QUOTE
from tests.contracts.support.outcomes import logs, plain, reverts
from tests.contracts.support.points import lots_of
from tests.contracts.support.world import CALENDARS

LANES = [(source, destination) for source in range(3) for destination in range(3) if source != destination]
AGED_LOT = st.tuples(st.integers(0, 12), st.integers(1, 2_000))
LOTS = st.lists(AGED_LOT, min_size=1, max_size=6, unique_by=lambda lot: lot[0])


def programme_model(number, now_seconds):
    """A programme's calendar without any points."""
    calendar = CALENDARS[number]
    terms = ProgrammeTerms(calendar.epoch_seconds, calendar.validity_epochs, 0, 1_000_000)
    return PointsModel(terms, 0, now_seconds=now_seconds)


def ends(model, epoch):
    """First second in which a lot is worth nothing."""
    return (epoch + model.terms.validity_epochs + 1) * model.terms.epoch_length_seconds


@pytest.fixture
def carrying(funded, terms):
    """The lane on terms that carry expiry, one for one."""
    funded.stop()
    funded.agree(replace(terms, rate_denominator=1, carry_expiry=True))
    return funded


@pytest.mark.spec("EX-94")
def test_fresh__old_points__become_new_ones(funded, requests, alice, clock):
    clock.pass_epochs(4)
    transaction = funded.exchange.swap(requests.of(alice, 1_000), NO_QUOTE, {"from": alice})
    weeks = clock.now_seconds // (7 * DAY_SECONDS)
    assert logs(transaction, "SwapMinted")[0][-1] == ((weeks, 500),)
    assert lots_of(funded.destination.token, alice) == {weeks: 500}


@pytest.mark.spec("EX-90", "EX-91")
def test_carried__ends_no_later__and_as_late_as_that_allows(carrying, requests, alice, clock):
    first = clock.epoch
    transaction = carrying.exchange.swap(requests.of(alice, 1_000), NO_QUOTE, {"from": alice})
    source_end = (first + 5) * 30 * DAY_SECONDS
    week = 7 * DAY_SECONDS
    assert (clock.now_seconds // week + 9) * week <= source_end
    assert lots_of(carrying.destination.token, alice) == {clock.now_seconds // week: 1_000}
    assert logs(transaction, "LotTransferred")[-1][3:] == (clock.now_seconds // week, 1_000)


@pytest.mark.spec("EX-90", "EX-91", "EX-93")
def test_carried__points_of_several_months__keep_their_ends(carrying, requests, issue_to, alice, clock):
    week = 7 * DAY_SECONDS
    first = clock.epoch
    for _ in range(4):
        clock.pass_epochs(1)
        issue_to(carrying.source, alice, 100)
    lots = tuple(zip(range(first, first + 4), (1_000, 100, 100, 50), strict=True))
    transaction = carrying.exchange.swap(requests.of(alice, 1_250), NO_QUOTE, {"from": alice})
    assert logs(transaction, "SwapBurnt")[0][-1] == lots
    now = clock.now_seconds // week
    expected = {}
    for epoch, amount in lots:
        last = min(now, (epoch + 5) * 30 * DAY_SECONDS // week - 9)
        expected[last] = expected.get(last, 0) + amount
    assert len(expected) > 1
    assert lots_of(carrying.destination.token, alice) == expected
    assert logs(transaction, "SwapMinted")[0][-1] == tuple(expected.items())


@pytest.mark.spec("EX-92")
def test_carried__ends_before_any_lot_of_the_destination__refused(world, terms, requests, issue_to, alice, clock):
    lane = world.lane(1, 2)
    lane.agree(replace(terms, carry_expiry=True, settlement_price=0))
    epoch = clock.now_seconds // (7 * DAY_SECONDS)
    issue_to(lane.source, alice, 100)
    request = requests.of(alice, 100, lane_id=lane.id)
    with reverts("ExpiryNotCarriable", epoch, 100):
        lane.exchange.swap(request, NO_QUOTE, {"from": alice})
    assert lane.source.token.balanceOf(alice) == 100


class TestLastWeek:
    """A month's points end within a week of the destination; they can be carried as long as whole weeks are left."""

    @pytest.fixture
    def second_month(self, carrying, issue_to, bob, clock):
        clock.pass_epochs(1)
        issue_to(carrying.source, bob, 100)
        return clock.epoch

    @pytest.fixture
    def last_week(self, second_month):
        """The first second in which even the destination's oldest week ends later than the points do."""
        week = 7 * DAY_SECONDS
        end = (second_month + 5) * 30 * DAY_SECONDS
        assert end % week
        return end // week * week

    @pytest.mark.spec("EX-92")
    def test_begun__refused(self, carrying, second_month, last_week, requests, bob, clock):
        clock.go_to(last_week - 5)
        request = requests.of(bob, 10)
        clock.next_block_at(last_week)
        with reverts("ExpiryNotCarriable", second_month, 10):
            carrying.exchange.swap(request, NO_QUOTE, {"from": bob})
        assert carrying.source.token.balanceOf(bob) == 100

    @pytest.mark.spec("EX-92", "EX-91")
    def test_one_second_before_it__carried_until_then(self, carrying, last_week, requests, bob, clock):
        clock.go_to(last_week - 5)
        request = requests.of(bob, 10)
        clock.next_block_at(last_week - 1)
        carrying.exchange.swap(request, NO_QUOTE, {"from": bob})
        assert carrying.destination.token.balanceOf(bob) == 10
        clock.go_to(last_week)
        assert carrying.destination.token.balanceOf(bob) == 0


@pytest.mark.spec("EX-93")
def test_carried__shares_too_small__left_out(carrying, terms, requests, issue_to, alice, clock):
    carrying.stop()
    carrying.agree(replace(terms, rate_denominator=1_000, carry_expiry=True))
    for _ in range(2):
        clock.pass_epochs(1)
        issue_to(carrying.source, alice, 100)
    transaction = carrying.exchange.swap(requests.of(alice, 1_199), NO_QUOTE, {"from": alice})
    assert [amount for _, amount in logs(transaction, "SwapMinted")[0][-1]] == [1]


@pytest.mark.spec("EX-90", "EX-91", "EX-93")
@pytest.mark.parametrize("route", LANES, ids=lambda route: f"{route[0]} to {route[1]}")
def test_carried_lots__any_lots_at_any_time__as_the_model_says(world, terms, clock, route):
    lane = world.lane(*route)
    lane.propose(replace(terms, carry_expiry=True))
    source_seconds = CALENDARS[route[0]].epoch_seconds

    @settings(max_examples=examples(8), deadline=None, database=None)
    @given(LOTS, st.integers(1, 20_000), st.integers(0, 200 * DAY_SECONDS))
    def compare(drawn, points_out, seconds):
        now = max(clock.now_seconds, START_SECONDS + 100 * DAY_SECONDS) + seconds % (9 * DAY_SECONDS)
        clock.go_to(now)
        source, destination = (programme_model(number, now) for number in route)
        lots = dict(sorted((now // source_seconds - age, amount) for age, amount in drawn))
        try:
            expected = carried(source, destination, lots, points_out)
        except RefusedError:
            first = next(iter(lots))
            with reverts("ExpiryNotCarriable", first, lots[first]):
                lane.exchange.carriedLots(lane.id, list(lots.items()), points_out)
            return
        assert plain(lane.exchange.carriedLots(lane.id, list(lots.items()), points_out)) == tuple(expected.items())
        assert sum(expected.values()) == points_out
        for epoch, share in shares_of(lots, points_out).items():
            later = sum(amount for got, amount in expected.items() if ends(destination, got) > ends(source, epoch))
            assert later <= sum(part for other, part in shares_of(lots, points_out).items() if other > epoch)
            assert share <= -(-lots[epoch] * points_out // sum(lots.values()))

    compare()


@pytest.mark.spec("EX-90")
def test_carried_lots__unknown_lane__refused(world, clock):
    unknown = world.lane(2, 1)
    with reverts("LaneNotOpen", unknown.id):
        unknown.exchange.carriedLots(unknown.id, [(clock.epoch, 1)], 1)
