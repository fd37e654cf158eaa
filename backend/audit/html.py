"""The report for people: one HTML file that needs nothing else, reads well on paper, and asks nothing of a network."""

from __future__ import annotations

from datetime import UTC, datetime
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


def render(report: Report) -> str:
    """The report as an HTML page."""
    environment = Environment(
        loader=PackageLoader("backend.audit"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters.update(points=_points, day=_day, moment=_moment)
    return environment.get_template("report.html").render(report=report)


def save_html(report: Report, path: Path) -> None:
    """Writes the page."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render(report), encoding="utf-8")
