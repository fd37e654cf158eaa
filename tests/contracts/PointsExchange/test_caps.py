"""The cap of a lane: points out in any 24 hours, wherever they begin."""

from dataclasses import replace
from itertools import count

import pytest
from brownie import chain
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts.lane_model import LaneModel
from tests.contracts.support.examples import examples
from tests.contracts.support.lanes import NO_QUOTE
from tests.contracts.support.outcomes import reverts
from tests.contracts.support.points import ref
from tests.contracts.support.world import NOTICE_SECONDS

HOUR_SECONDS = 3_600
BUCKET_SECONDS = 6 * HOUR_SECONDS


@pytest.fixture
def capped(funded, terms):
    """One point for one, at most a hundred a day; the clock is at the beginning of a bucket."""
    funded.stop()
    funded.agree(replace(terms, rate_denominator=1, daily_cap_out=100))
    return funded


@pytest.fixture
def start(capped, clock):
    """First second of a bucket."""
    start = (clock.now_seconds // BUCKET_SECONDS + 1) * BUCKET_SECONDS
    clock.go_to(start)
    return start


@pytest.fixture
def swap(capped, requests, alice):
    """Alice swaps under a fresh ref."""
    numbers = count(1)

    def swap_points(points, lane=None, quote=NO_QUOTE):
        lane_id = (lane or capped).id
        request = requests.of(alice, points, ref=ref(f"swap {next(numbers)}"), lane_id=lane_id, deadline=2**40)
        return capped.exchange.swap(request, quote, {"from": alice})

    return swap_points


@pytest.mark.spec("EX-80")
def test_cap__one_over__refused(capped, swap):
    with reverts("DailyCapExceeded", capped.id, 101, 100):
        swap(101)
    assert capped.exchange.availableOut(capped.id) == 100


@pytest.mark.spec("EX-80")
def test_cap__exactly__then_nothing_more(capped, swap):
    swap(100)
    assert capped.exchange.availableOut(capped.id) == 0
    with reverts("DailyCapExceeded", capped.id, 1, 0):
        swap(1)


@pytest.mark.spec("EX-80", "EX-86")
def test_cap__of_zero__nothing_goes(capped, terms, swap):
    capped.stop()
    capped.agree(replace(terms, rate_denominator=1, daily_cap_out=0))
    with reverts("DailyCapExceeded", capped.id, 1, 0):
        swap(1)


@pytest.mark.spec("EX-81")
def test_cap__in_dust__counts(capped, swap):
    for _ in range(5):
        swap(1)
    assert capped.exchange.availableOut(capped.id) == 95
    with reverts("DailyCapExceeded", capped.id, 96, 95):
        swap(96)


@pytest.mark.spec("EX-81")
def test_cap__bonus__counts(capped, swap, quotes, alice):
    with reverts("DailyCapExceeded", capped.id, 101, 100):
        swap(92, quote=quotes.of(alice, version=2))
    swap(90, quote=quotes.of(alice, version=2))
    assert capped.exchange.availableOut(capped.id) == 1


@pytest.mark.spec("EX-82")
def test_cap__last_second_of_the_fifth_bucket__still_counts(capped, swap, start, clock):
    swap(100)
    clock.go_to(start + 5 * BUCKET_SECONDS - 1)
    assert capped.exchange.availableOut(capped.id) == 0


@pytest.mark.spec("EX-82")
def test_cap__first_second_after_the_fifth_bucket__free_again(capped, swap, start, clock):
    swap(100)
    clock.next_block_at(start + 5 * BUCKET_SECONDS)
    swap(100)
    assert capped.exchange.availableOut(capped.id) == 0


@pytest.mark.spec("EX-82", "EX-83")
def test_cap__late_in_its_bucket__a_whole_day_later_only(capped, swap, start, clock):
    late = start + BUCKET_SECONDS - 1
    clock.next_block_at(late)
    swap(100)
    clock.next_block_at(late + 24 * HOUR_SECONDS)
    with reverts("DailyCapExceeded", capped.id, 1, 0):
        swap(1)
    clock.next_block_at(late + 24 * HOUR_SECONDS + 1)
    swap(100)
    assert capped.exchange.availableOut(capped.id) == 0


@pytest.mark.spec("EX-82")
def test_cap__spread_over_buckets__each_falls_out_by_itself(capped, swap, start, clock):
    for bucket in range(5):
        clock.next_block_at(start + bucket * BUCKET_SECONDS + 60)
        swap(20)
    assert capped.exchange.availableOut(capped.id) == 0
    for bucket in range(5, 9):
        clock.go_to(start + bucket * BUCKET_SECONDS)
        assert capped.exchange.availableOut(capped.id) == 20 * (bucket - 4)


@pytest.mark.spec("EX-82")
def test_cap__after_a_long_time__whole_again(capped, swap, start, clock):
    swap(100)
    clock.go_to(start + 40 * BUCKET_SECONDS)
    assert capped.exchange.availableOut(capped.id) == 100


@pytest.mark.spec("EX-84")
def test_cap__agreed_anew_after_a_stop__counts_what_went_before(capped, terms, swap):
    swap(60)
    capped.stop()
    capped.agree(replace(terms, rate_denominator=1, daily_cap_out=100))
    assert capped.exchange.availableOut(capped.id) == 40
    with reverts("DailyCapExceeded", capped.id, 41, 40):
        swap(41)
    swap(40)


@pytest.mark.spec("EX-84")
def test_cap__lowered_below_what_went__nothing_goes(capped, terms, swap):
    swap(60)
    capped.stop()
    capped.agree(replace(terms, rate_denominator=1, daily_cap_out=50))
    assert capped.exchange.availableOut(capped.id) == 0
    with reverts("DailyCapExceeded", capped.id, 1, 0):
        swap(1)


@pytest.mark.spec("EX-84", "EX-11")
def test_cap__raised_mid_window__when_the_notice_is_over(capped, terms, swap, clock):
    capped.agree(replace(terms, rate_denominator=1, daily_cap_out=150))
    begins = clock.now_seconds + NOTICE_SECONDS
    clock.next_block_at(begins - 10)
    swap(100)
    clock.next_block_at(begins - 1)
    with reverts("DailyCapExceeded", capped.id, 1, 0):
        swap(1)
    clock.next_block_at(begins)
    swap(50)
    assert capped.exchange.availableOut(capped.id) == 0


@pytest.mark.spec("EX-86")
def test_cap__of_another_lane__apart(world, capped, terms, swap):
    other = world.lane(0, 2)
    other.agree(replace(terms, rate_denominator=1, daily_cap_out=70))
    swap(100)
    swap(70, lane=other)
    with reverts("DailyCapExceeded", other.id, 1, 0):
        swap(1, lane=other)


@pytest.mark.spec("EX-80", "EX-81")
def test_cap__refused_swap__counts_nothing(capped, alice, swap):
    capped.source.token.redeem(1_000, ref("all of them"), {"from": alice})
    with reverts("ERC20InsufficientBalance", alice, 0, 100):
        swap(100)
    assert capped.exchange.availableOut(capped.id) == 100


STEP = st.tuples(
    st.one_of(st.integers(1, BUCKET_SECONDS), st.integers(1, 26 * HOUR_SECONDS), st.just(24 * HOUR_SECONDS)),
    st.one_of(st.just(0), st.integers(1, 45)),
)


@pytest.mark.spec("EX-82", "EX-83")
def test_cap__any_swaps_at_any_time__as_the_list_of_all_swaps_says(capped, swap, start, clock):
    @settings(max_examples=examples(4), deadline=None, database=None)
    @given(st.lists(STEP, min_size=3, max_size=14))
    def compare(steps):
        chain.revert()
        model = LaneModel("source", "destination")
        now = start
        for seconds, points in steps:
            now += seconds
            available = 100 - model.volume_out(now)
            wanted = points or max(1, available)
            clock.next_block_at(now)
            if wanted <= available:
                swap(wanted)
                model.sent.append((now, wanted))
            else:
                with reverts("DailyCapExceeded", capped.id, wanted, available):
                    swap(wanted)
        assert model.busiest_day() <= 100

    chain.snapshot()
    compare()
