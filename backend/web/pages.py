"""Rendering: templates, filters, and the headers that keep a page to itself."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from urllib.parse import urlsplit

from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from backend.settings import Settings

STATIC = resources.files("backend.web") / "static"
MEDIA_TYPES = {
    "page.css": "text/css; charset=utf-8",
    "api.js": "text/javascript; charset=utf-8",
    "check.js": "text/javascript; charset=utf-8",
    "swap.js": "text/javascript; charset=utf-8",
    "wallet.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
"""The static files, by name."""


def points(value: int) -> str:
    """12345 as `12,345`."""
    return f"{value:,}"


def signed(value: int) -> str:
    """+5, or −5 with a real minus sign."""
    return f"+{value:,}" if value >= 0 else f"\u2212{-value:,}"


def day(seconds: int) -> str:
    """A day, such as 23 June 2017."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%-d %B %Y")


def moment(seconds: int) -> str:
    """A day and time in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%-d %B %Y, %H:%M UTC")


def iso(seconds: int) -> str:
    """RFC 3339, for machines."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def short(text: str) -> str:
    """An address or hash with its middle left out."""
    return f"{text[:8]}\u2026{text[-6:]}"


@cache
def asset(name: str) -> str:
    """Path of a static file; changes with its content, so that browsers may keep it for ever."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:10]
    return f"/static/{name}?v={digest}"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("backend.web"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters.update(points=points, signed=signed, day=day, moment=moment, iso=iso, short=short)
    environment.globals["asset"] = asset
    return environment


def origin(url: str | None) -> str:
    """Scheme, host and port of a URL, as a content security policy names them."""
    if url is None:
        return ""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def headers(settings: Settings) -> dict[str, str]:
    """Nothing from anywhere else, except that scripts may ask the chain's public endpoint."""
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": f"'self' {origin(settings.public_rpc_url)}".strip(),
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }


def page(settings: Settings, template: str, context: Mapping[str, object], status: int = 200) -> HTMLResponse:
    """A rendered page."""
    text = _environment().get_template(template).render(**context)
    return HTMLResponse(text, status, headers(settings))
