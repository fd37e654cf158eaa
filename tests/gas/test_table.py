"""Gas is exact, so it is asserted."""

from __future__ import annotations

import pytest

from tests.gas.rig import Rows
from tests.gas.table import BOUNDS, PAGE, committed, measure_all, render

pytestmark = pytest.mark.timeout(1_800)
"""Everything is measured in the first test: minutes, on a machine that does something else besides."""


@pytest.fixture(scope="module")
def measured() -> Rows:
    return measure_all()


def test_measure__against_committed_table__no_figure_changed(measured: Rows) -> None:
    before = committed()
    changed = {name: (before.get(name), value) for name, value in measured.items() if before.get(name) != value}
    assert not changed, f"committed, measured: {changed}; if meant: uv run python -m tests.gas.table --write"
    assert list(measured) == list(before)


@pytest.mark.parametrize("name", BOUNDS)
def test_measure__bounded_row__is_within_bound(measured: Rows, name: str) -> None:
    assert measured[name] <= BOUNDS[name]


@pytest.mark.parametrize("operation", ["redeem", "transfer"])
def test_measure__more_past_lots__costs_the_same(measured: Rows, operation: str) -> None:
    figures = {measured[f"{operation} all 5 live lots after {past} past ones"] for past in (0, 10, 100)}
    assert len(figures) == 1


def test_measure__batch__costs_less_than_plain_openzeppelin(measured: Rows) -> None:
    for holders in ("new", "existing"):
        row = f"batch of 500, a credit, {holders} holders"
        assert measured[row] < measured[f"OpenZeppelin: {row}"]


def test_page__rendered_from_table__is_the_committed_page() -> None:
    assert PAGE.read_text() == render(committed())
