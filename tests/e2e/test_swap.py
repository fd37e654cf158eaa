"""Swapping on the member page: the live price, the confirmation, and every way in which it does not work."""

from __future__ import annotations

from dataclasses import replace

import pytest
from playwright.sync_api import Locator, Page, expect

from backend.chain.points_token import PointsToken
from tests.e2e.browser import CONTRASTS, Watcher
from tests.e2e.market import LANES
from tests.e2e.town import Town
from tests.e2e.wallet import Wallet

WHERE = "document.querySelector('.lower').getBoundingClientRect().top + window.scrollY"


def open_page(page: Page, town: Town, member: str, source: str = "supermarket", destination: str = "pharmacy") -> None:
    """The member's page, with a lane chosen."""
    page.goto(town.link(member))
    choose(page, source, destination)


def choose(page: Page, source: str, destination: str) -> None:
    page.get_by_label("From").select_option(source)
    page.get_by_label("To", exact=True).select_option(destination)


def price(page: Page) -> Locator:
    """Where the live price stands."""
    return page.locator("[data-swap-quote]")


def confirm(page: Page) -> Locator:
    return page.locator("[data-swap-confirm]")


def progress(page: Page) -> Locator:
    """Where it says how the swap goes."""
    return page.locator("[data-swap-progress]")


def balance(page: Page, slug: str) -> Locator:
    return page.locator(f"[data-programme={slug}] [data-balance]")


def test_swap__managed_points__price_while_typing_and_done_in_place(
    page: Page, town: Town, member: str, watcher: Watcher
) -> None:
    open_page(page, town, member)
    expect(price(page)).to_contain_text("1 for every 2")
    expect(confirm(page)).to_be_disabled()
    page.get_by_label("Points to give").press_sequentially("101")
    expect(price(page).locator(".headline")).to_have_text("50 Pharmacy points")
    expect(price(page)).to_contain_text("100: the rest would not come to another point")
    expect(price(page)).to_contain_text("Expires")
    expect(confirm(page)).to_have_text("Swap 100 for 50")
    confirm(page).click()
    expect(progress(page)).to_contain_text("Your swap is on its way.")
    town.carry_out()
    expect(progress(page)).to_contain_text("You have 50 Pharmacy points for 100 Supermarket points.")
    expect(balance(page, "supermarket")).to_have_text("500")
    expect(balance(page, "pharmacy")).to_have_text("360")
    history = page.locator(".history li")
    expect(history.filter(has_text="Swapped")).to_have_count(2)
    expect(history.filter(has_text="−100")).to_contain_text("Supermarket, for 50 of Pharmacy")
    expect(history.filter(has_text="+50")).to_contain_text("Pharmacy, from 100 points of Supermarket")
    town.finalise()
    expect(progress(page).locator("[aria-current=step]")).to_have_text("Final")
    page.get_by_role("button", name="Check on chain").click()
    expect(page.locator("[data-check-status]")).to_contain_text("Every lot is the same on chain.")
    assert watcher.errors == []
    assert {host.split(":")[0] for host in watcher.hosts} == {"127.0.0.1"}


def test_price__given_and_expiry__as_the_chain_does_it(page: Page, town: Town, member: str) -> None:
    open_page(page, town, member, "supermarket", "fuel")
    expect(price(page)).to_contain_text("3 for every 4, less 1.5\u00a0%")
    page.get_by_label("Points to give").fill("400")
    expect(price(page).locator(".headline")).to_have_text("295 Fuel points")
    page.get_by_role("button", name="All").click()
    expect(confirm(page)).to_have_text("Swap 600 for 443")


def test_bonus__signed_for_the_member__added_and_used_once(page: Page, town: Town, member: str) -> None:
    town.market.promise_bonus(member, "supermarket", "pharmacy", 2_000, 200)
    open_page(page, town, member)
    expect(price(page)).to_contain_text("+20\u00a0% for up to 200 Supermarket points")
    page.get_by_label("Points to give").fill("200")
    expect(price(page).locator(".headline")).to_have_text("120 Pharmacy points")
    expect(price(page)).to_contain_text("20 of them, +20\u00a0% from Pharmacy")
    page.get_by_label("Points to give").fill("202")
    expect(price(page).locator(".headline")).to_have_text("101 Pharmacy points")
    page.get_by_label("Points to give").fill("200")
    expect(confirm(page)).to_have_text("Swap 200 for 120")
    confirm(page).click()
    expect(progress(page)).to_contain_text("Your swap is on its way.")
    town.carry_out()
    expect(progress(page)).to_contain_text("You have 120 Pharmacy points")
    expect(price(page)).not_to_contain_text("Bonus")


@pytest.mark.parametrize(
    ("points", "says"),
    [
        ("9", "Give at least 10 Supermarket points."),
        ("602", "You can give 600 Supermarket points."),
        ("1", "That does not come to a whole point. Give more."),
        ("many", "Write a whole number of points."),
    ],
)
def test_price__not_possible__says_why_in_words(page: Page, town: Town, member: str, points: str, says: str) -> None:
    open_page(page, town, member)
    page.get_by_label("Points to give").fill(points)
    expect(price(page)).to_contain_text(says)
    expect(confirm(page)).to_be_disabled()


def test_swap__lane_stopped_meanwhile__nothing_moved(page: Page, town: Town, member: str) -> None:
    open_page(page, town, member, "fuel", "supermarket")
    town.credit(member, "fuel", 100)
    town.index()
    page.reload()
    choose(page, "fuel", "supermarket")
    page.get_by_label("Points to give").fill("50")
    expect(confirm(page)).to_have_text("Swap 50 for 50")
    town.market.stop("fuel", "supermarket")
    town.index()
    try:
        confirm(page).click()
        expect(progress(page)).to_contain_text("Fuel and Supermarket have stopped swapping points this way.")
        expect(progress(page)).to_contain_text("Nothing was moved.")
        expect(confirm(page)).to_be_disabled()
    finally:
        town.market.agree("fuel", "supermarket", LANES["fuel", "supermarket"])
        town.index()


def test_swap__lane_stopped_on_its_way__refused_by_the_chain(page: Page, town: Town, member: str) -> None:
    """The API accepted it; the chain has the last word."""
    open_page(page, town, member)
    page.get_by_label("Points to give").fill("50")
    expect(confirm(page)).to_have_text("Swap 50 for 25")
    confirm(page).click()
    expect(progress(page)).to_contain_text("Your swap is on its way.")
    town.market.stop("supermarket", "pharmacy")
    try:
        town.carry_out()
        town.finalise()
        expect(progress(page)).to_contain_text("Supermarket and Pharmacy have stopped swapping points this way.")
        expect(progress(page)).to_contain_text("Nothing was moved.")
        assert balance(page, "supermarket").inner_text() == "600"
    finally:
        town.market.agree("supermarket", "pharmacy", LANES["supermarket", "pharmacy"])
        town.index()


def test_price__cap_reached__says_how_much_is_left(page: Page, town: Town, member: str) -> None:
    terms = LANES["supermarket", "fuel"]
    town.market.agree("supermarket", "fuel", replace(terms, daily_cap_out=120))
    town.index()
    try:
        open_page(page, town, member, "supermarket", "fuel")
        expect(price(page)).to_contain_text("Left today")
        page.get_by_label("Points to give").fill("400")
        expect(price(page)).to_contain_text("Only 120 more Fuel points can be had at the moment.")
        expect(confirm(page)).to_be_disabled()
        page.get_by_label("Points to give").fill("40")
        expect(confirm(page)).to_have_text("Swap 40 for 29")
    finally:
        town.market.agree("supermarket", "fuel", terms)
        town.index()


@pytest.mark.parametrize("arrived", [True, False])
def test_swap__posted_elsewhere__waits_for_the_brand(page: Page, town: Town, member: str, arrived: bool) -> None:
    open_page(page, town, member, "pharmacy", "fuel")
    page.get_by_label("Points to give").fill("100")
    expect(price(page)).to_contain_text("it keeps these points in its own system")
    expect(confirm(page)).to_have_text("Swap 100 for 50")
    confirm(page).click()
    expect(progress(page)).to_contain_text("Your swap is on its way.")
    town.carry_out()
    expect(progress(page)).to_contain_text("Fuel is adding the points in its own system.")
    expect(balance(page, "pharmacy")).to_have_text("210")
    town.market.end_posting(arrived=arrived)
    town.index()
    if arrived:
        expect(progress(page)).to_contain_text("You have 50 Fuel points for 100 Pharmacy points.")
    else:
        expect(progress(page)).to_contain_text("You have your Pharmacy points back.")
        expect(balance(page, "pharmacy")).to_have_text("310")
        expect(page.locator(".history li").first).to_contain_text("Given back: the swap did not happen")


# ---- who may


def test_swap__link_of_another_brand__shows_but_does_not_swap(page: Page, town: Town, member: str) -> None:
    page.goto(town.link(member, brand="pharmacy"))
    choose(page, "supermarket", "pharmacy")
    expect(page.locator("[data-swap-hint]")).to_have_text("To swap these, open this page by a link from Supermarket.")
    page.get_by_label("Points to give").fill("100")
    expect(price(page).locator(".headline")).to_have_text("50 Pharmacy points")
    expect(confirm(page)).to_be_disabled()
    choose(page, "pharmacy", "supermarket")
    page.get_by_label("Points to give").fill("90")
    expect(confirm(page)).to_have_text("Swap 90 for 147")


def test_page__member_of_one_brand__offers_no_swap(page: Page, town: Town) -> None:
    member = town.enrol(f"card-{town.next_number()}", ("supermarket",))
    town.credit(member, "supermarket", 100)
    town.index()
    page.goto(town.link(member))
    expect(page.locator("[data-swap]")).to_have_count(0)


# ---- wallets


def with_wallet(page: Page, town: Town, member: str) -> Wallet:
    """Moves the member's points with the supermarket, and with all others, to a wallet."""
    wallet = Wallet()
    wallet.install(page)
    page.goto(town.link(member))
    page.locator("[data-programme=supermarket] details.account summary").click()
    page.get_by_role("button", name="Move to my wallet").first.click()
    expect(page.locator("[data-wallet-status]")).to_contain_text("Your points are on their way there.")
    town.carry_out()
    page.reload()
    choose(page, "supermarket", "pharmacy")
    page.get_by_label("Points to give").fill("200")
    expect(confirm(page)).to_have_text("Swap 200 for 100")
    return wallet


def test_swap__from_a_wallet__signed_there_and_relayed(page: Page, town: Town, member: str) -> None:
    wallet = with_wallet(page, town, member)
    confirm(page).click()
    expect(progress(page)).to_contain_text("Your swap is on its way.")
    assert wallet.orders[-1]["primaryType"] == "Swap"
    assert wallet.orders[-1]["message"]["maxIn"] == 200
    assert wallet.orders[-1]["message"]["minOut"] == 100
    town.carry_out()
    expect(progress(page)).to_contain_text("You have 100 Pharmacy points for 200 Supermarket points.")
    address = bytes.fromhex(wallet.account.address[2:])
    assert PointsToken(town.chain.client, town.token("pharmacy")).balance_of(address) == 410


def test_swap__wallet_declines__nothing_changed_and_again(page: Page, town: Town, member: str) -> None:
    wallet = with_wallet(page, town, member)
    wallet.declines = True
    confirm(page).click()
    expect(progress(page)).to_contain_text("You declined in your wallet. Nothing has changed.")
    wallet.declines = False
    confirm(page).click()
    expect(progress(page)).to_contain_text("Your swap is on its way.")


def test_swap__wallet_on_another_network__switched_first(page: Page, town: Town, member: str) -> None:
    wallet = with_wallet(page, town, member)
    wallet.chain_id = 1
    confirm(page).click()
    expect(progress(page)).to_contain_text("Your swap is on its way.")
    assert wallet.chain_id == town.manifest.chain_id


def test_swap__another_account_in_the_wallet__says_which(page: Page, town: Town, member: str) -> None:
    wallet = with_wallet(page, town, member)
    linked = wallet.account.address
    wallet.account = Wallet().account
    confirm(page).click()
    expect(progress(page)).to_contain_text(f"These points are in the wallet {linked}.")


# ---- for everybody


@pytest.mark.parametrize("width", [375, 1200])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_swap__any_screen__fits_and_can_be_read(page: Page, town: Town, member: str, width: int, scheme: str) -> None:
    page.set_viewport_size({"width": width, "height": 812})
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    open_page(page, town, member)
    page.get_by_label("Points to give").fill("602")
    expect(price(page)).to_contain_text("You can give 600 Supermarket points.")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(CONTRASTS) == []


@pytest.mark.parametrize("width", [375, 1200])
def test_price__while_typing__moves_nothing(page: Page, town: Town, member: str, width: int) -> None:
    """What is below the swap stays where it is, whatever the price has to say."""
    page.set_viewport_size({"width": width, "height": 812})
    open_page(page, town, member)
    expect(price(page)).to_contain_text("1 for every 2")
    before = page.evaluate(WHERE)
    for points, says in (("101", "50 Pharmacy"), ("602", "You can give"), ("9", "Give at least")):
        page.get_by_label("Points to give").fill(points)
        expect(price(page)).to_contain_text(says)
        assert page.evaluate(WHERE) == before


def test_swap__by_keyboard_alone__done(page: Page, town: Town, member: str) -> None:
    open_page(page, town, member)
    page.get_by_label("Points to give").focus()
    page.keyboard.type("20")
    expect(confirm(page)).to_have_text("Swap 20 for 10")
    page.keyboard.press("Enter")
    expect(progress(page)).to_contain_text("Your swap is on its way.")
    expect(progress(page)).to_be_focused()
