"""Small things that every page relies on."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.settings import Settings
from backend.web import pages
from backend.web.endpoints import transaction_url


def settings(**changes: object) -> Settings:
    values: dict[str, object] = {
        "database_url": "postgresql+psycopg://nobody@127.0.0.1/none",
        "secret_key": "a secret that only these tests know",
        "manifest_path": Path("manifest.json"),
        "rpc_urls": ["http://127.0.0.1:1"],
    }
    return Settings.model_validate(values | changes)


def test_headers__public_endpoint__only_its_origin_may_be_asked() -> None:
    policy = pages.headers(settings(public_rpc_url="https://rpc.example:8443/v3/key?x=1"))["Content-Security-Policy"]
    assert "connect-src 'self' https://rpc.example:8443;" in policy
    assert "key" not in policy


def test_headers__no_public_endpoint__nobody_else_is_asked() -> None:
    assert "connect-src 'self';" in pages.headers(settings())["Content-Security-Policy"]


@pytest.mark.parametrize("name", pages.MEDIA_TYPES)
def test_asset__each_static_file__path_follows_content(name: str) -> None:
    assert pages.asset(name).startswith(f"/static/{name}?v=")


@pytest.mark.parametrize(("value", "text"), [(0, "+0"), (1234, "+1,234"), (-1234, "\u22121,234")])
def test_signed__numbers__with_their_sign(value: int, text: str) -> None:
    assert pages.signed(value) == text


def test_dates__chain_time__in_utc() -> None:
    assert pages.day(1_483_228_800) == "1 January 2017"
    assert pages.moment(1_483_228_800) == "1 January 2017, 00:00 UTC"
    assert pages.iso(1_483_228_800) == "2017-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("explorer", "url"),
    [
        (None, "/tx/0xab"),
        ("https://explorer.example", "https://explorer.example/tx/0xab"),
        ("https://explorer.example/chain/7/", "https://explorer.example/chain/7/tx/0xab"),
    ],
)
def test_transaction_url__explorer_or_none__where_it_is_shown(explorer: str | None, url: str) -> None:
    assert transaction_url(settings(explorer_url=explorer), "0xab") == url
