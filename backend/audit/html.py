"""The report for people: one HTML file that needs nothing else, reads well on paper, and asks nothing of a network."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from backend.audit.chains_report import ChainsReport
from backend.audit.report import Currency, Report


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


def render(report: Report | ChainsReport) -> str:
    """The report as an HTML page, of one chain or of several."""
    if isinstance(report, ChainsReport):
        names = " and ".join(str(each.chain_id) for each in report.chains)
        title, started_at = f"Audit of chains {names}", report.chains[0].started_at
        chains = [{"id": each.chain_id, "body": _chain(each)} for each in report.chains]
        body = _part("chains.html", None, report=report, chains=chains)
    else:
        title, started_at = f"Audit of chain {report.chain_id} to block {report.to_block}", report.started_at
        body = _chain(report)
    several = (
        "chains and the deployment manifests"
        if isinstance(report, ChainsReport)
        else ("chain and the deployment manifest")
    )
    origin = f"Recomputed from the {several} alone, {started_at}."
    return _part("report.html", None, title=title, origin=origin, body=body)


def _chain(report: Report) -> Markup:
    return _part("chain.html", report.currency, report=report)


def _part(template: str, currency: Currency | None, **values: object) -> Markup:
    """One template; amounts are in the smallest unit of `currency`."""
    decimals = 0 if currency is None else currency.decimals
    environment = Environment(
        loader=PackageLoader("backend.audit"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters.update(points=_points, day=_day, moment=_moment)
    environment.filters["money"] = partial(money, decimals=decimals)
    environment.filters["signed_money"] = partial(money, decimals=decimals, signed=True)
    return Markup(environment.get_template(template).render(**values))  # noqa: S704 - escaped by the template


def save_html(report: Report | ChainsReport, path: Path) -> None:
    """Writes the page."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render(report), encoding="utf-8")
