"""The town, the browser, and a fresh page for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.e2e.browser import Watcher, chromium, fresh_page
from tests.e2e.town import Town, open_town
from tests.support.postgres import TestPostgres, postgres_server

__all__ = ["postgres_server"]


@pytest.fixture(scope="session")
def town(postgres_server: TestPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """One town for all tests; each test has members of its own."""
    name = postgres_server.create()
    with open_town(postgres_server.url(name), tmp_path_factory.mktemp("town")) as town:
        yield town
    postgres_server.drop(name)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page without history, cookies or colour preference."""
    with fresh_page(browser, viewport={"width": 1200, "height": 900}) as page:
        yield page


@pytest.fixture
def watcher(page: Page) -> Watcher:
    """What the page talks to."""
    return Watcher(page)


@pytest.fixture
def member(town: Town) -> str:
    """A member of all brands with points of several epochs."""
    member_id = town.enrol(f"card-{town.next_number()}")
    town.credit(member_id, "supermarket", 640)
    town.credit(member_id, "pharmacy", 310)
    town.redeem(member_id, "supermarket", 40)
    town.index()
    return member_id
