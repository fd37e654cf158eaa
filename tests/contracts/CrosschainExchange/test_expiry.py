"""Expiry across chains: carried from the lots and the calendar in the message, or fresh."""

from dataclasses import replace

import pytest
from brownie import chain
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts.lane_model import carried
from tests.contracts.model import PointsModel, ProgrammeTerms, RefusedError
from tests.contracts.support.clock import DAY_SECONDS, EPOCH_SECONDS
from tests.contracts.support.crossing import REFUNDED
from tests.contracts.support.examples import examples
from tests.contracts.support.outcomes import logs
from tests.contracts.support.points import lots_of

WEEK_SECONDS = 7 * DAY_SECONDS
LOTS = st.lists(
    st.tuples(st.integers(0, 9), st.integers(1, 2_000)), min_size=1, max_size=5, unique_by=lambda lot: lot[0]
)


@pytest.fixture
def carrying(open_in, terms):
    """The lane in, one for one, expiry carried."""
    open_in.stop()
    open_in.agree(replace(terms, rate_denominator=1, carry_expiry=True))
    return open_in


@pytest.fixture
def here(clock):
    """The grocer's calendar."""
    return lambda: PointsModel(ProgrammeTerms(EPOCH_SECONDS, 4, 0, 1_000_000), 0, clock.now_seconds)


def calendar(epoch_seconds, validity, now_seconds):
    """Points that are somewhere else."""
    return PointsModel(ProgrammeTerms(epoch_seconds, validity, 0, 1_000_000), 0, now_seconds)


@pytest.mark.spec("CX-58")
def test_not_carried__new_points__however_old(crossing, open_in, bob, clock):
    lots = ((clock.now_seconds // WEEK_SECONDS - 8, 100),)
    crossing.arrive(crossing.arriving(open_in, bob, 100, 50, lots=lots))
    assert lots_of(open_in.destination.token, bob) == {clock.epoch: 50}


@pytest.mark.spec("CX-59")
def test_carried__ends_no_later__each_lot(crossing, carrying, bob, here, clock):
    """Long-lived points of weeks, some of them older than the grocer's months."""
    week = clock.now_seconds // WEEK_SECONDS
    lots = ((week - 17, 10), (week - 9, 20), (week - 1, 30))
    swap = crossing.arriving(carrying, bob, 60, 60, lots=lots, validity=29)
    transaction = crossing.arrive(swap)
    there = calendar(WEEK_SECONDS, 29, clock.now_seconds)
    expected = carried(there, here(), dict(lots), 60)
    assert len(expected) > 1
    assert lots_of(carrying.destination.token, bob) == expected
    assert logs(transaction, "SwapMinted")[0][-1] == tuple(expected.items())
    for epoch, _ in lots:
        assert any((own + 5) * EPOCH_SECONDS <= (epoch + 30) * WEEK_SECONDS for own in expected)


@pytest.mark.spec("CX-59")
def test_carried__by_the_calendar_of_the_message__not_of_the_branch(crossing, carrying, bob, clock):
    """Fuel's branch here has weeks of eight; what the message says counts, whatever the branch was deployed with."""
    day = clock.now_seconds // DAY_SECONDS
    changes = {"epoch_length": DAY_SECONDS, "validity": 200, "lots": ((day, 100),)}
    crossing.arrive(crossing.arriving(carrying, bob, 100, 100, **changes))
    ends = (day + 201) * DAY_SECONDS
    own = min(clock.epoch, ends // EPOCH_SECONDS - 5)
    assert lots_of(carrying.destination.token, bob) == {own: 100}


@pytest.mark.spec("CX-59", "CX-55", "CX-57")
def test_not_to_be_carried__waits__and_goes_back(crossing, carrying, bob, outcome, clock):
    epoch = clock.now_seconds // WEEK_SECONDS
    swap = crossing.arriving(carrying, bob, 100, 100, validity=0)
    message = crossing.message(swap)
    assert crossing.why(crossing.deliver(message)) == [("ExpiryNotCarriable", epoch, 100)]
    clock.go_to(swap.deadline + 1)
    crossing.retry(message)
    assert outcome(swap) == REFUNDED


@pytest.mark.spec("CX-59")
def test_carried__to_the_second_of_arrival(crossing, carrying, bob, here, clock):
    """A lot that can be carried in one second can be too old in the next: what counts is when it arrives."""
    epoch = clock.epoch
    end = clock.starts(epoch + 2)
    changes = {"epoch_length": DAY_SECONDS, "validity": 0, "deadline": end + DAY_SECONDS}
    lots = ((end // DAY_SECONDS - 1, 100),)
    first, second = (crossing.arriving(carrying, bob, 100, 100, lots=lots, **changes) for _ in range(2))
    messages = [crossing.message(swap) for swap in (first, second)]
    clock.go_to(end - 10)
    clock.next_block_at(end - 1)
    crossing.deliver(messages[0])
    assert lots_of(carrying.destination.token, bob) == {epoch - 3: 100}
    clock.next_block_at(end)
    assert crossing.why(crossing.deliver(messages[1])) == [("ExpiryNotCarriable", *lots[0])]
    assert carrying.destination.token.balanceOf(bob) == 0


@pytest.mark.spec("CX-59")
def test_carried__any_lots_and_calendars__as_the_model_says(crossing, carrying, bob, here, clock):
    @settings(max_examples=examples(15), deadline=None, database=None)
    @given(LOTS, st.integers(1, 40), st.integers(0, 29))
    def compare(drawn, days, validity):
        chain.revert()
        length = days * DAY_SECONDS
        lots = dict(sorted((clock.now_seconds // length - age, amount) for age, amount in drawn))
        points = sum(lots.values())
        changes = {"epoch_length": length, "validity": validity, "lots": tuple(lots.items())}
        transaction = crossing.arrive(crossing.arriving(carrying, bob, points, points, **changes))
        try:
            expected = carried(calendar(length, validity, clock.now_seconds), here(), lots, points)
        except RefusedError:
            epoch = min(lots)
            assert crossing.why(transaction) == [("ExpiryNotCarriable", epoch, lots[epoch])]
            return
        assert logs(transaction, "SwapMinted")[0][-1] == tuple(expected.items())
        assert lots_of(carrying.destination.token, bob) == expected

    chain.snapshot()
    compare()
