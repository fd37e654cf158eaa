"""A member's own wallet: points move there, and it signs the member in."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from backend.chain.points_token import PointsToken
from tests.e2e.town import Town
from tests.e2e.wallet import Wallet


def link_wallet(page: Page, town: Town, member: str, wallet: Wallet) -> None:
    wallet.install(page)
    page.goto(town.link(member))
    page.locator("[data-programme=supermarket] details.account summary").click()
    page.get_by_role("button", name="Move to my wallet").first.click()


def test_link_wallet__signed__points_move_and_only_the_wallet_holds_them(page: Page, town: Town, member: str) -> None:
    wallet = Wallet()
    link_wallet(page, town, member, wallet)
    expect(page.locator("[data-wallet-status]")).to_contain_text("Your points are on their way there.")
    assert "Link this wallet to your points" in wallet.signed[0]
    town.carry_out()
    page.reload()
    supermarket = page.locator("[data-programme=supermarket]")
    assert supermarket.locator("[data-balance]").inner_text() == "600"
    assert supermarket.locator("summary", has_text="In your wallet").is_visible()
    assert page.locator(".history li", has_text="Moved to your wallet").count() == 2
    address = bytes.fromhex(wallet.account.address[2:])
    assert PointsToken(town.chain.client, town.token("supermarket")).balance_of(address) == 600
    page.get_by_role("button", name="Check on chain").click()
    expect(page.locator("[data-check-status]")).to_contain_text("Every lot is the same on chain.")


def test_sign_in__linked_wallet__opens_the_page(page: Page, town: Town, member: str) -> None:
    wallet = Wallet()
    link_wallet(page, town, member, wallet)
    expect(page.locator("[data-wallet-status]")).to_contain_text("Your points are on their way there.")
    page.context.clear_cookies()
    page.goto(town.url + "/me")
    page.get_by_role("button", name="Sign in with your wallet").click()
    expect(page.locator("[data-programme=supermarket]")).to_be_visible()
    assert "Sign in to see your points." in wallet.signed[-1]


def test_sign_in__unknown_wallet__says_what_to_do(page: Page, town: Town) -> None:
    Wallet().install(page)
    page.goto(town.url + "/me")
    page.get_by_role("button", name="Sign in with your wallet").click()
    expect(page.locator("[data-wallet-status]")).to_contain_text("No member has linked this wallet")


def test_sign_in__declined__nothing_changed(page: Page, town: Town) -> None:
    wallet = Wallet()
    wallet.declines = True
    wallet.install(page)
    page.goto(town.url + "/me")
    page.get_by_role("button", name="Sign in with your wallet").click()
    expect(page.locator("[data-wallet-status]")).to_contain_text("You declined in your wallet.")


def test_sign_in__no_wallet__says_so(page: Page, town: Town) -> None:
    page.goto(town.url + "/me")
    page.get_by_role("button", name="Sign in with your wallet").click()
    expect(page.locator("[data-wallet-status]")).to_contain_text("No wallet was found in this browser.")
