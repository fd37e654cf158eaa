"""Arithmetic of earning, returning and netting, for any numbers."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.points.rules import net_shortfall, points_earned_down, points_kept_down

AMOUNTS = st.integers(0, 10**12)
POINTS = st.integers(0, 10**9)


@given(AMOUNTS, POINTS, st.integers(1, 10**9))
def test_points_earned_down__is_the_largest_integer_not_above_the_exact_value(
    amount: int, points: int, per: int
) -> None:
    exact = Fraction(amount * points, per)
    assert 0 <= exact - points_earned_down(amount, points, per) < 1


@given(AMOUNTS, AMOUNTS, POINTS, st.integers(1, 10**9))
def test_points_earned_down__splitting_a_purchase_never_earns_more(one: int, two: int, points: int, per: int) -> None:
    parts = points_earned_down(one, points, per) + points_earned_down(two, points, per)
    assert parts <= points_earned_down(one + two, points, per)


@pytest.mark.parametrize(("amount", "points", "per"), [(-1, 1, 1), (1, -1, 1), (1, 1, 0)])
def test_points_earned_down__refuses_what_makes_no_sense(amount: int, points: int, per: int) -> None:
    with pytest.raises(ValueError, match="not negative"):
        points_earned_down(amount, points, per)


@given(st.data(), st.integers(0, 1 << 48), st.integers(1, 10**12))
def test_points_kept_down__any_split_of_a_full_return_takes_everything(
    data: st.DataObject, earned: int, amount: int
) -> None:
    returned, taken = 0, 0
    while returned < amount:
        returned = data.draw(st.integers(returned + 1, min(amount, returned + max(1, amount // 3))), label="returned")
        step = earned - points_kept_down(earned, amount, returned) - taken
        assert step >= 0
        taken += step
    assert taken == earned


@given(st.integers(0, 1 << 48), st.integers(0, 10**12), st.integers(0, 10**12))
def test_points_kept_down__never_keeps_more_than_the_share(earned: int, amount: int, returned: int) -> None:
    if returned > amount:
        with pytest.raises(ValueError, match="no more"):
            points_kept_down(earned, amount, returned)
    elif amount:
        assert points_kept_down(earned, amount, returned) <= Fraction(earned * (amount - returned), amount)


@given(st.integers(0, 1 << 48), st.lists(st.integers(1, 1 << 40), max_size=20))
def test_net_shortfall__serves_the_debt_first_and_loses_nothing(owed: int, accruals: list[int]) -> None:
    left, credited = owed, 0
    for earned in accruals:
        kept, rest = net_shortfall(left, earned)
        assert (kept + rest, kept <= left, rest == 0 or kept == left) == (earned, True, True)
        left -= kept
        credited += rest
    assert credited == max(0, sum(accruals) - owed)
