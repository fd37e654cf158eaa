"""The report for people: one HTML file that needs nothing else, reads well on paper, and asks nothing of a network."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from backend.audit.report import Report


def _points(value: int) -> str:
    """12345 as `12 345`, with narrow no-break spaces."""
    return f"{value:,}".replace(",", "\u202f")


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%-d %B %Y")


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%-d %B %Y, %H:%M:%S UTC")


def money(amount: int, decimals: int, *, signed: bool = False) -> str:
    """An amount of the currency's smallest unit for people: 1234567 with 6 decimals as `1.23`, cut off, not rounded."""
    whole, part = divmod(abs(amount), 10**decimals)
    cents = f"{part:0{decimals}d}"[:2] if decimals else ""
    sign = "\u2212" if amount < 0 else "+" if signed and amount else ""
    return f"{sign}{_points(whole)}" + (f".{cents:0<2}" if cents else "")


def render(report: Report) -> str:
    """The report as an HTML page."""
    decimals = 0 if report.currency is None else report.currency.decimals
    environment = Environment(
        loader=PackageLoader("backend.audit"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters.update(points=_points, day=_day, moment=_moment)
    environment.filters["money"] = partial(money, decimals=decimals)
    environment.filters["signed_money"] = partial(money, decimals=decimals, signed=True)
    return environment.get_template("report.html").render(report=report)


def save_html(report: Report, path: Path) -> None:
    """Writes the page."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render(report), encoding="utf-8")
