"""The member page in a browser: what it shows, on what devices, and that it keeps to itself."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from sqlalchemy import update

from backend.auth.sessions import SESSION_COOKIE
from backend.chain.models import LotBalance
from backend.database import transaction
from tests.e2e.browser import CONTRASTS, Watcher, fresh_page
from tests.e2e.town import Town
from tests.support.anvil import DAY


def card(page: Page, slug: str) -> Locator:
    """A brand's card."""
    return page.locator(f"[data-programme={slug}]")


def test_link__opens_page__balances_lots_history(page: Page, town: Town, member: str) -> None:
    response = page.goto(town.link(member))
    assert response is not None
    assert response.status == 200
    assert page.url == town.url + "/me"
    assert card(page, "supermarket").locator("[data-balance]").inner_text() == "600"
    assert card(page, "pharmacy").locator("[data-balance]").inner_text() == "310"
    assert card(page, "fuel").locator("[data-balance]").inner_text() == "0"
    assert card(page, "fuel").get_by_text("No points to spend yet.").is_visible()
    history = page.locator(".history li")
    expect(history).to_have_count(3)
    assert "−40" in history.nth(0).inner_text()
    assert "Redeemed" in history.nth(0).inner_text()


def test_time_line__lots_of_several_epochs__a_column_and_a_row_each(page: Page, town: Town) -> None:
    member_id = town.enrol(f"card-{town.next_number()}", ("supermarket",))
    for points in (100, 50):
        town.credit(member_id, "supermarket", points)
        town.chain.jump(30 * DAY)
    town.index()
    page.goto(town.link(member_id))
    supermarket = card(page, "supermarket")
    heights = [float(each.get_attribute("height") or 0) for each in supermarket.locator("svg .column").all()]
    assert len(heights) == 2
    assert heights[0] == pytest.approx(2 * heights[1], rel=0.01)
    rows = supermarket.locator(".lots li")
    expect(rows).to_have_count(2)
    assert rows.nth(0).inner_text().startswith("100")
    assert "days left" in rows.nth(0).inner_text()
    times = [each.get_attribute("datetime") or "" for each in rows.locator("time").all()]
    assert times == sorted(times)


def test_pending__purchase_in_its_return_period__said_with_its_day(page: Page, town: Town, member: str) -> None:
    town.purchase(member, "supermarket", 4_310, town.now() + 9 * DAY)
    page.goto(town.link(member))
    supermarket = card(page, "supermarket")
    assert "43 pending" in supermarket.locator(".facts").inner_text()
    supermarket.locator("summary", has_text="43 pending").click()
    assert "Purchase of 43.10 USD at Store 31" in supermarket.inner_text()
    assert "yours to spend from" in supermarket.inner_text()


def test_hold__points_set_aside__said_and_not_in_the_balance(page: Page, town: Town, member: str) -> None:
    town.hold(member, "supermarket", 150)
    town.index()
    page.goto(town.link(member))
    assert "150 set aside" in card(page, "supermarket").locator(".facts").inner_text()
    assert card(page, "supermarket").locator("[data-balance]").inner_text() == "450"
    assert "Set aside for a redemption" in page.locator(".history li").first.inner_text()
    page.get_by_role("button", name="Check on chain").click()
    expect(page.locator("[data-check-status]")).to_contain_text("Every lot is the same on chain.")


def test_text_from_a_brand__markup_in_it__shown_as_text(page: Page, town: Town, member: str) -> None:
    town.purchase(member, "supermarket", 100, town.now() + DAY, location="<img src=x onerror=alert(1)>")
    page.goto(town.link(member))
    card(page, "supermarket").locator("summary").first.click()
    assert "<img src=x onerror=alert(1)>" in card(page, "supermarket").inner_text()
    assert page.locator("img").count() == 0


def test_purchase__matured_and_batched__earned_with_what_it_was_for(page: Page, town: Town, member: str) -> None:
    """From the till's event by way of batch, submitter and indexer to the page."""
    for amount_minor in (2_500, 1_100):
        town.purchase(member, "fuel", amount_minor, town.now())
    town.carry_out()
    town.purchase(member, "fuel", 900, town.now())
    town.carry_out()
    page.goto(town.link(member))
    assert card(page, "fuel").locator("[data-balance]").inner_text() == "45"
    newest, before = page.locator(".history li").all()[:2]
    assert "+9" in newest.inner_text()
    assert "Fuel, purchase of 9.00 USD at Store 31" in newest.inner_text()
    assert "+36" in before.inner_text()
    assert "2 purchases" in before.inner_text()


# ---- check on chain


def test_check__nothing_tampered__every_lot_the_same(page: Page, town: Town, member: str, watcher: Watcher) -> None:
    page.goto(town.link(member))
    page.get_by_role("button", name="Check on chain").click()
    status = page.locator("[data-check-status]")
    expect(status).to_contain_text("Every lot is the same on chain.")
    assert town.chain.client.block("latest")["hash"] in status.inner_text()
    assert card(page, "supermarket").locator(".lots .answer").all_inner_texts() == ["✓ the same on chain"]
    assert watcher.errors == []


def test_check__points_changed_in_the_database__difference_by_lot(page: Page, town: Town, member: str) -> None:
    account = town.enrolment(member, "supermarket").account
    with transaction(town.sessions) as session:
        session.execute(update(LotBalance).where(LotBalance.account == account).values(points=599))
    page.goto(town.link(member))
    assert card(page, "supermarket").locator("[data-balance]").inner_text() == "599"
    page.get_by_role("button", name="Check on chain").click()
    expect(page.locator("[data-check-status]")).to_contain_text("1 lot differs from the chain")
    assert card(page, "supermarket").locator(".lots .answer").all_inner_texts() == ["✗ on chain: 600"]
    assert card(page, "pharmacy").locator(".lots .answer").all_inner_texts() == ["✓ the same on chain"]


def test_check__lot_missing_in_the_database__chain_has_more(page: Page, town: Town, member: str) -> None:
    account = town.enrolment(member, "pharmacy").account
    with transaction(town.sessions) as session:
        session.query(LotBalance).filter_by(account=account).delete()
    page.goto(town.link(member))
    page.get_by_role("button", name="Check on chain").click()
    expect(card(page, "pharmacy").locator("[data-result]")).to_have_text(
        "✗ the chain has 310 more points than this page shows"
    )


def test_check__chain_unreachable__says_so(page: Page, town: Town, member: str) -> None:
    page.goto(town.link(member))
    page.route(town.chain.url + "/**", lambda route: route.abort())
    page.get_by_role("button", name="Check on chain").click()
    expect(page.locator("[data-check-status]")).to_contain_text("The chain could not be asked")


# ---- ways of use


def test_keyboard__whole_page__reachable_and_visible(page: Page, town: Town, member: str) -> None:
    page.goto(town.link(member))
    seen: list[str] = []
    for _ in range(40):
        page.keyboard.press("Tab")
        text, is_body, is_outlined = page.evaluate(
            """() => { const e = document.activeElement; const style = getComputedStyle(e);
            const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
            return [e.innerText, e === document.body, outlined]; }"""
        )
        if is_body:
            break
        seen.append(text)
        assert is_outlined, f"{text} shows no focus"
        if text == "Check on chain":
            page.keyboard.press("Enter")
            expect(page.locator("[data-check-status]")).to_contain_text("Every lot is the same on chain.")
    assert seen[0] == "Skip to content"
    assert {"Sign out", "Check on chain", "Kept for you by Supermarket"} <= set(seen)


def test_keyboard__skip_link__moves_to_content(page: Page, town: Town, member: str) -> None:
    page.goto(town.link(member))
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"


@pytest.mark.parametrize("width", [320, 390])
def test_phone__narrow_screen__no_sideways_scrolling_and_room_for_fingers(
    browser: Browser, town: Town, member: str, width: int
) -> None:
    screen = {"width": width, "height": 800}
    with fresh_page(browser, viewport=screen, has_touch=True, is_mobile=True) as page:
        page.goto(town.link(member))
        page.get_by_role("button", name="Check on chain").tap()
        expect(page.locator("[data-check-status]")).to_contain_text("Every lot is the same on chain.")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for control in page.locator("button:visible, summary:visible").all():
            box = control.bounding_box()
            assert box is not None
            assert box["height"] >= 44, control.inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast__both_schemes__wcag_aa(browser: Browser, town: Town, member: str, scheme: str) -> None:
    with fresh_page(browser, color_scheme=scheme) as page:
        page.goto(town.link(member))
        page.get_by_role("button", name="Check on chain").click()
        expect(page.locator("[data-check-status]")).to_contain_text("Every lot")
        assert page.evaluate(CONTRASTS) == []
        for path in ("/", "/m/nonsense"):
            page.goto(town.url + path)
            assert page.evaluate(CONTRASTS) == []


def test_reduced_motion__asked_for__no_transitions(browser: Browser, town: Town, member: str) -> None:
    durations = "[...document.querySelectorAll('*')].map((e) => getComputedStyle(e).transitionDuration)"
    with fresh_page(browser, reduced_motion="reduce") as page:
        page.goto(town.link(member))
        assert set(page.evaluate(durations)) == {"0s"}


def test_print__paper__without_buttons(page: Page, town: Town, member: str) -> None:
    page.goto(town.link(member))
    page.emulate_media(media="print")
    assert page.locator("button:visible").count() == 0
    assert card(page, "supermarket").locator("[data-balance]").is_visible()
    assert page.locator(".history li:visible").count() == 3


# ---- keeping to itself


def test_hosts__everything_done__only_ours_and_the_chain(page: Page, town: Town, member: str, watcher: Watcher) -> None:
    page.goto(town.link(member))
    page.get_by_role("button", name="Check on chain").click()
    expect(page.locator("[data-check-status]")).to_contain_text("Every lot")
    page.locator(".history a").first.click()
    expect(page.locator("main")).to_contain_text("carried out")
    page.goto(town.url + "/")
    assert watcher.hosts == {town.url.removeprefix("http://"), town.chain.url.removeprefix("http://")}
    assert watcher.errors == []


def test_headers__page__strict_policy(page: Page, town: Town, member: str) -> None:
    response = page.goto(town.link(member))
    assert response is not None
    headers = response.headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"


def test_cookie__after_the_link__not_for_scripts(page: Page, town: Town, member: str) -> None:
    page.goto(town.link(member))
    (cookie,) = page.context.cookies()
    assert cookie["name"] == SESSION_COOKIE
    assert cookie["httpOnly"] is True
    assert cookie["sameSite"] == "Lax"


# ---- getting in and out


def test_link__expired__says_what_to_do(page: Page, town: Town, member: str) -> None:
    response = page.goto(town.link(member, valid_seconds=-1))
    assert response is not None
    assert response.status == 410
    assert page.get_by_role("heading", name="This link no longer works").is_visible()
    assert page.get_by_text("Ask the shop for a new link").is_visible()
    assert page.context.cookies() == []


def test_link__one_letter_changed__says_what_to_do(page: Page, town: Town, member: str) -> None:
    link = town.link(member)
    response = page.goto(link[:-5] + ("A" if link[-5] != "A" else "B") + link[-4:])
    assert response is not None
    assert response.status == 410


def test_page__not_signed_in__says_how(page: Page, town: Town) -> None:
    response = page.goto(town.url + "/me")
    assert response is not None
    assert response.status == 401
    assert page.get_by_text("Open the link that your shop sent you").is_visible()


def test_sign_out__pressed__page_closed(page: Page, town: Town, member: str) -> None:
    page.goto(town.link(member))
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("Open the link that your shop sent you")).to_be_visible()
    assert page.context.cookies() == []


def test_other_member__own_link__own_points_only(page: Page, town: Town, member: str) -> None:
    other = town.enrol(f"card-{town.next_number()}", ("fuel",))
    page.goto(town.link(other))
    assert page.locator("[data-programme]").count() == 1
    assert page.locator(".history li").count() == 0


# ---- transactions


def test_transaction__link_in_history__told_for_people(page: Page, town: Town, member: str) -> None:
    page.goto(town.link(member))
    page.locator(".history a").first.click()
    content = page.locator("main")
    expect(content).to_contain_text("carried out")
    expect(content).to_contain_text("Supermarket points")
    expect(content).to_contain_text("Points redeemed")
    expect(content).to_contain_text("40 of epoch")


@pytest.mark.parametrize("path", ["/tx/0x" + "ab" * 32, "/tx/nonsense"])
def test_transaction__unknown__says_so(page: Page, town: Town, path: str) -> None:
    response = page.goto(town.url + path)
    assert response is not None
    assert response.status == 404
    assert page.get_by_role("heading", name="No such transaction").is_visible()


def test_start_page__programmes_and_addresses(page: Page, town: Town) -> None:
    page.goto(town.url + "/")
    for name in ("Supermarket", "Pharmacy", "Fuel"):
        assert page.get_by_text(name).first.is_visible()
    assert page.get_by_role("link", name="API description").get_attribute("href") == "/v1/openapi.json"


def test_start_page__sample_members__their_links_work(page: Page, town: Town, member: str) -> None:
    assert town.settings.sample_links_path is not None
    samples = [{"label": "A member of three brands", "url": town.link(member)}]
    town.settings.sample_links_path.write_text(json.dumps(samples))
    page.goto(town.url + "/")
    page.get_by_role("link", name="A member of three brands").click()
    expect(page.locator("[data-programme]")).to_have_count(3)
