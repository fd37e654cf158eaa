from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.importing.mapping import Amounts, Columns, Defaults, Mapping, Times
from backend.importing.rows import Cell, EventRecord, RowProblem, make_converter

COLUMNS = Columns(reference="r", member="m", amount="a", occurred_at="t", location="l")


def _row(**cells: Cell) -> dict[str, Cell]:
    return {"r": "1", "m": "7", "a": "1.00", "t": "2017-01-02T03:04:05", "l": "", **cells}


def _convert(row: dict[str, Cell], mapping: Mapping | None = None) -> EventRecord | RowProblem:
    return make_converter(mapping or Mapping(columns=COLUMNS))(row)


def _amount(cell: Cell, **rules: object) -> str:
    event = _convert(_row(a=cell), Mapping(columns=COLUMNS, amounts=Amounts.model_validate(rules)))
    return event.reason if isinstance(event, RowProblem) else event["amount"]


def _time(cell: Cell, **rules: object) -> str:
    event = _convert(_row(t=cell), Mapping(columns=COLUMNS, times=Times.model_validate(rules)))
    return event.reason if isinstance(event, RowProblem) else event["occurred_at"]


class TestFields:
    def test_defaults__fill_what_the_file_has_not(self) -> None:
        mapping = Mapping(columns=COLUMNS, defaults=Defaults(channel="till", location="unknown"))
        event = _convert(_row(l=None), mapping)
        assert event == {
            "reference": "1",
            "member_reference": "7",
            "kind": "purchase",
            "amount": "1.00",
            "occurred_at": "2017-01-02T03:04:05Z",
            "location": "unknown",
            "channel": "till",
        }

    @pytest.mark.parametrize(("cell", "text"), [(12, "12"), (12.0, "12"), (" 12 ", "12"), (Decimal(12), "12")])
    def test_numbers_as_references__keep_their_digits(self, cell: Cell, text: str) -> None:
        event = _convert(_row(r=cell))
        assert not isinstance(event, RowProblem)
        assert event["reference"] == text

    @pytest.mark.parametrize("cell", [None, "", "  ", float("nan")])
    def test_empty_reference_or_member__is_a_reason(self, cell: Cell) -> None:
        assert _convert(_row(r=cell)) == RowProblem("missing_reference", "column r is empty")
        assert _convert(_row(m=cell)) == RowProblem("missing_member", "column m is empty")


class TestAmount:
    @pytest.mark.parametrize(
        ("cell", "rules", "amount"),
        [
            ("12.5", {}, "12.50"),
            ("12,5", {"decimal_mark": ","}, "12.50"),
            ("1234", {"unit": "minor"}, "12.34"),
            (1234, {"unit": "minor", "digits": 3}, "1.234"),
            (500, {"digits": 0}, "500"),
            (0.1 + 0.2, {}, "0.30"),
            (Decimal("7.10"), {}, "7.10"),
            ("-3", {}, "-3.00"),
        ],
    )
    def test_written_in_many_ways__is_a_decimal_string(self, cell: Cell, rules: dict[str, object], amount: str) -> None:
        assert _amount(cell, **rules) == amount

    @pytest.mark.parametrize("cell", ["", "abc", None, "NaN", "Infinity", float("inf"), "1.234", "1,000.00"])
    def test_no_amount__is_a_reason(self, cell: Cell) -> None:
        assert _amount(cell) == "bad_amount"

    @given(st.integers(min_value=0, max_value=2**47))
    def test_cents__survive_binary_floats(self, cents: int) -> None:
        assert _amount(cents / 100) == f"{cents // 100}.{cents % 100:02}"


class TestTime:
    @pytest.mark.parametrize(
        ("cell", "rules", "time"),
        [
            ("2017-07-01T12:00:00Z", {}, "2017-07-01T12:00:00Z"),
            ("2017-07-01T12:00:00+02:00", {}, "2017-07-01T10:00:00Z"),
            ("2017-07-01 12:00", {"zone": "Europe/London"}, "2017-07-01T11:00:00Z"),
            ("2017-01-01 12:00", {"zone": "Europe/London"}, "2017-01-01T12:00:00Z"),
            ("01.07.2017", {"format": "%d.%m.%Y"}, "2017-07-01T00:00:00Z"),
            (datetime(2017, 7, 1, 12, tzinfo=UTC), {"zone": "Europe/London"}, "2017-07-01T12:00:00Z"),
            (date(2017, 7, 1), {"zone": "America/New_York"}, "2017-07-01T04:00:00Z"),
        ],
    )
    def test_written_in_many_ways__is_rfc_3339_in_utc(self, cell: Cell, rules: dict[str, object], time: str) -> None:
        assert _time(cell, **rules) == time

    @pytest.mark.parametrize("cell", ["", None, "yesterday", "2017-13-01"])
    def test_no_time__is_a_reason(self, cell: Cell) -> None:
        assert _time(cell) == "bad_time"
