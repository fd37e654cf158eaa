"""From a row of the file to an event as the API takes it, or a reason why not."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping as Row
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import TypeAlias, TypedDict
from zoneinfo import ZoneInfo

from backend.importing.mapping import Mapping

Cell: TypeAlias = str | int | float | bool | datetime | date | Decimal | None
"""What CSV (text) and Parquet (typed values) put into a column."""


class EventRecord(TypedDict):
    """One event, as the bulk upload takes it: a line of NDJSON."""

    reference: str
    member_reference: str
    kind: str
    amount: str
    occurred_at: str
    location: str | None
    channel: str | None


@dataclass(frozen=True, slots=True)
class RowProblem:
    """Why a row did not become an event: a stable code, and what was found."""

    reason: str
    detail: str


class _BadCellError(Exception):
    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.problem = RowProblem(reason, detail)


def text_of(cell: Cell) -> str:
    """A cell as text: whole numbers without a decimal point (a column with gaps often arrives as floats), no blanks."""
    if cell is None or cell != cell:  # noqa: PLR0124 - NaN is the one value that differs from itself
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()


def make_converter(mapping: Mapping) -> Callable[[Row[str, Cell]], EventRecord | RowProblem]:
    """The function that turns rows of this mapping into events."""
    columns, defaults = mapping.columns, mapping.defaults
    zone = ZoneInfo(mapping.times.zone)

    def optional(row: Row[str, Cell], column: str | None, default: str | None) -> str | None:
        return (text_of(row[column]) if column else "") or default

    def convert(row: Row[str, Cell]) -> EventRecord | RowProblem:
        try:
            return EventRecord(
                reference=_required(row[columns.reference], "missing_reference", columns.reference),
                member_reference=_required(row[columns.member], "missing_member", columns.member),
                kind=optional(row, columns.kind, defaults.kind) or "purchase",
                amount=_amount(row[columns.amount], mapping),
                occurred_at=_time(row[columns.occurred_at], mapping, zone),
                location=optional(row, columns.location, defaults.location),
                channel=optional(row, columns.channel, defaults.channel),
            )
        except _BadCellError as error:
            return error.problem

    return convert


def _required(cell: Cell, reason: str, column: str) -> str:
    text = text_of(cell)
    if not text:
        raise _BadCellError(reason, f"column {column} is empty")
    return text


def _amount(cell: Cell, mapping: Mapping) -> str:
    """The amount as a decimal string in whole units of the currency."""
    rules = mapping.amounts
    text = str(cell).strip() if not isinstance(cell, float) else repr(cell)
    if rules.decimal_mark == "," and isinstance(cell, str):
        text = text.replace(",", ".")
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise _BadCellError("bad_amount", f"{text!r} is not a number") from None
    if not amount.is_finite():
        raise _BadCellError("bad_amount", f"{text!r} is not a finite number")
    if rules.unit == "minor":
        amount = amount.scaleb(-rules.digits)
    step = Decimal(1).scaleb(-rules.digits)
    rounded = amount.quantize(step, rounding=ROUND_HALF_EVEN)
    # A binary float cannot hold cents exactly, so it is rounded to them; written digits must fit as they are.
    if rounded != amount and not isinstance(cell, float):
        raise _BadCellError("bad_amount", f"{text!r} has more than {rules.digits} decimal digits")
    return format(rounded, "f")


def _time(cell: Cell, mapping: Mapping, zone: ZoneInfo) -> str:
    """The time as RFC 3339 in UTC."""
    if isinstance(cell, datetime):
        time = cell
    elif isinstance(cell, date):
        time = datetime(cell.year, cell.month, cell.day, tzinfo=zone)
    else:
        text = text_of(cell)
        pattern = mapping.times.format
        try:
            time = datetime.strptime(text, pattern) if pattern else datetime.fromisoformat(text)  # noqa: DTZ007
        except ValueError:
            raise _BadCellError("bad_time", f"{text!r} is not {pattern or 'an ISO 8601 time'}") from None
    if time.tzinfo is None:
        time = time.replace(tzinfo=zone)
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")
