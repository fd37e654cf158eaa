"""What a swap comes to: points out down, points in and settlement up, as few points in as will do."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts.lane_model import price_of
from tests.contracts.support.examples import examples
from tests.contracts.support.lanes import lane_terms
from tests.contracts.support.outcomes import plain, reverts
from tests.contracts.support.points import LOT_LIMIT
from tests.contracts.support.questions import answers

POINTS = st.one_of(st.integers(1, 300), st.integers(1, 2**47))
RATE = st.one_of(st.integers(1, 20), st.integers(1, 2**32 - 1))
TERMS = st.builds(
    lane_terms,
    st.just(2**40),
    rate_numerator=RATE,
    rate_denominator=RATE,
    fee_bps=st.one_of(st.just(0), st.integers(0, 9_999)),
    max_bonus_bps=st.just(10_000),
    settlement_price=st.one_of(st.integers(0, 2**80 - 1), st.integers(0, 20_000_000)),
)
BONUS = st.one_of(st.just(0), st.integers(0, 10_000))


def terms_of(price):
    """The struct of a price."""
    return (price.points_in, price.points_out, price.base_out, price.settlement)


def fits(terms, points, bonus):
    return 0 < price_of(terms, points, bonus).points_out < LOT_LIMIT


@pytest.mark.spec("EX-20")
def test_price__lane_not_open__refused(lane):
    with reverts("LaneNotOpen", lane.id):
        lane.exchange.price(lane.id, 10, 0)


@pytest.mark.spec("EX-24")
@pytest.mark.parametrize("max_in", [0, 1, LOT_LIMIT, 2**256 - 1])
def test_price__gives_nothing_or_fits_no_lot__refused(agreed, max_in):
    with reverts("InvalidSwapAmount", max_in):
        agreed.exchange.price(agreed.id, max_in, 0)


@pytest.mark.spec("EX-24")
def test_price__points_out_fit_no_lot__refused(lane, terms):
    lane.agree(replace(terms, rate_numerator=2, rate_denominator=1))
    assert plain(lane.exchange.price(lane.id, LOT_LIMIT // 2 - 1, 0))[1] == LOT_LIMIT - 2
    with reverts("InvalidSwapAmount", LOT_LIMIT // 2):
        lane.exchange.price(lane.id, LOT_LIMIT // 2, 0)


@pytest.mark.spec("EX-24")
def test_price__below_the_minimum__refused(lane, terms):
    lane.agree(replace(terms, minimum_in=10))
    with reverts("BelowMinimum", 8, 10):
        lane.exchange.price(lane.id, 9, 0)
    assert plain(lane.exchange.price(lane.id, 10, 0)) == (10, 5, 5, 40)


@pytest.mark.spec("EX-24")
def test_price__points_needed_below_the_minimum__refused(lane, terms):
    lane.agree(replace(terms, minimum_in=11))
    with reverts("BelowMinimum", 10, 11):
        lane.exchange.price(lane.id, 11, 0)


@pytest.mark.spec("EX-65")
def test_price__bonus_above_the_lane_s__refused(agreed, terms):
    with reverts("BonusTooHigh", terms.max_bonus_bps + 1, terms.max_bonus_bps):
        agreed.exchange.price(agreed.id, 100, terms.max_bonus_bps + 1)
    assert plain(agreed.exchange.price(agreed.id, 100, terms.max_bonus_bps)) == (100, 62, 50, 400)


@pytest.mark.spec("EX-20", "EX-21", "EX-23")
@pytest.mark.parametrize(
    ("changes", "max_in", "bonus", "expected"),
    [
        ({}, 100, 0, (100, 50, 50, 400)),
        ({}, 101, 0, (100, 50, 50, 400)),
        ({"rate_numerator": 10, "rate_denominator": 3}, 100, 0, (100, 333, 333, 2_664)),
        ({"rate_numerator": 1, "rate_denominator": 3, "fee_bps": 250}, 100, 0, (99, 32, 32, 256)),
        ({"settlement_price": 1}, 100, 0, (100, 50, 50, 1)),
        ({"settlement_price": 0}, 100, 0, (100, 50, 50, 0)),
        ({"max_bonus_bps": 10_000}, 1, 10_000, (1, 1, 0, 0)),
        ({}, 100, 1_000, (100, 55, 50, 400)),
        ({}, 99, 1_000, (99, 54, 49, 392)),
        ({"settlement_price": 8_333_333}, 7, 0, (6, 3, 3, 25)),
    ],
)
def test_price__examples(lane, terms, changes, max_in, bonus, expected):
    lane.agree(replace(terms, **changes))
    assert plain(lane.exchange.price(lane.id, max_in, bonus)) == expected


@pytest.fixture
def agree_anew(lane):
    """Puts other terms in force at once."""

    def agree(terms):
        if lane.exchange.laneOf(lane.id)[3]:
            lane.stop()
        lane.agree(terms)

    return agree


@pytest.mark.spec("EX-20", "EX-21", "EX-23")
def test_price__any_terms__as_exact_fractions_say(lane, agree_anew):
    @settings(max_examples=examples(12), deadline=None, database=None)
    @given(TERMS, st.lists(st.tuples(POINTS, BONUS), min_size=1, max_size=20))
    def compare(terms, swaps):
        agree_anew(terms)
        priced = [swap for swap in swaps if fits(terms, *swap)]
        asked = answers(lane.exchange, [("price", lane.id, *swap) for swap in priced])
        assert asked == [terms_of(price_of(terms, *swap)) for swap in priced]

    compare()


@settings(max_examples=examples(300), deadline=None, database=None)
@given(TERMS, POINTS, BONUS)
def points_in_are_the_fewest(terms, points, bonus):
    price = price_of(terms, points, bonus)
    assert price.points_in <= points
    assert price_of(terms, price.points_in, bonus).points_out == price.points_out
    assert price.points_in == 0 or price_of(terms, price.points_in - 1, bonus).points_out < price.points_out
    assert bonus or price.base_out == price.points_out


@pytest.mark.spec("EX-21")
def test_price__one_point_less__gives_less():
    points_in_are_the_fewest()


@pytest.mark.spec("EX-22")
def test_price__split__never_gives_more_nor_owes_less():
    @settings(max_examples=examples(300), deadline=None, database=None)
    @given(TERMS, st.lists(POINTS, min_size=2, max_size=5))
    def compare(terms, parts):
        whole = price_of(terms, sum(parts), 0)
        split = [price_of(terms, part, 0) for part in parts]
        points_out = sum(price.points_out for price in split)
        assert points_out <= whole.points_out
        dearest = price_of(terms, sum(price.points_in for price in split), 0)
        assert dearest.points_out >= points_out
        exact = -(-points_out * terms.settlement_price // 1_000_000)
        assert sum(price.settlement for price in split) >= exact

    compare()


@pytest.mark.spec("EX-25")
def test_price__there_and_back__never_more():
    @settings(max_examples=examples(300), deadline=None, database=None)
    @given(TERMS, TERMS, POINTS)
    def go_and_return(there, back, points):
        if there.net_rate * back.net_rate > 1:
            back = replace(back, rate_numerator=there.rate_denominator, rate_denominator=there.rate_numerator)
        there_price = price_of(there, points, 0)
        back_price = price_of(back, there_price.points_out, 0)
        assert back_price.points_out <= there_price.points_in

    go_and_return()
