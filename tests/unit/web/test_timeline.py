"""Columns stand in time order, as high as their points, inside of the drawing."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from backend.web.timeline import HEIGHT, WIDTH, lay_out

DAY = 86_400
NOW = 17_000 * DAY
lots = st.lists(st.tuples(st.integers(1, 900).map(lambda days: NOW + days * DAY), st.integers(1, 2**48)), min_size=1)


@given(lots)
def test_lay_out__any_lots__inside_and_in_order(given_lots: list[tuple[int, int]]) -> None:
    line = lay_out(given_lots, NOW)
    assert sum(column.points for column in line.columns) == sum(points for _, points in given_lots)
    assert [column.x for column in line.columns] == sorted(column.x for column in line.columns)
    for column in line.columns:
        assert line.start <= column.x <= line.end < WIDTH
        assert 0 < column.y < line.base < HEIGHT
        assert abs(column.y + column.height - line.base) < 0.11
    labelled = [column.x for column in line.columns if column.label]
    assert all(after - before >= 45 for before, after in pairwise(labelled))


def test_lay_out__no_lots__nothing() -> None:
    assert lay_out([], NOW).columns == ()


def test_lay_out__lots_that_expire_together__one_column() -> None:
    (column,) = lay_out([(NOW + DAY, 5), (NOW + DAY, 7)], NOW).columns
    assert (column.points, column.label) == (12, "19 Jul")


def test_lay_out__twice_the_points__twice_as_high() -> None:
    low, high = lay_out([(NOW + 60 * DAY, 50), (NOW + 90 * DAY, 100)], NOW).columns
    assert abs(high.height - 2 * low.height) < 0.2
