"""What a swap comes to and why it is refused, without chain or database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from backend.chain.exchange_types import LaneTerms
from backend.chain.models import Operation
from backend.chain.reverts import refusal
from backend.database import utc_now
from backend.errors import InvalidRequestError
from backend.exchange.deployment import Currency, Exchange
from backend.exchange.identifiers import programme_key
from backend.exchange.lanes import Agreement, LaneState
from backend.exchange.models import ExchangeQuote
from backend.exchange.preflight import QuoteFacts, Route, SwapFacts, Volume, examine
from backend.exchange.refusals import remedy, typed
from backend.exchange.settlement_money import SettlementMoney, format_units
from backend.exchange.states import swap_state
from backend.points.accounts import Holding, LotAmount
from backend.programmes.models import Programme

DOLLAR = Currency("USD", 6)
EXCHANGE = Exchange(31337, b"\x22" * 20, 3_600, DOLLAR)
MONTH = 30 * 86_400
NOW = 574 * MONTH + 5
ACCOUNT, LANE = b"\x33" * 20, b"\x11" * 32
TERMS = LaneTerms(1, 2, 0, 2_000, 10, 1_000, NOW + MONTH, 5 * 10**9, carry_expiry=True, posted=False)


def programme(slug: str, **changes: Any) -> Programme:
    values = {"slug": slug, "name": slug.title(), "chain_id": 31337, "home_chain_id": 31337}
    return Programme(**(values | {"epoch_length_seconds": MONTH, "validity_epochs": 2} | changes))


def facts(terms: LaneTerms = TERMS, points: int = 40, **changes: Any) -> SwapFacts:
    lane = LaneState(LANE, programme_key("market"), programme_key("fuel"), present=Agreement(3, 0, terms))
    route = Route(EXCHANGE, lane, programme("market"), programme("fuel"), NOW)
    known = SwapFacts(
        route=route,
        account=ACCOUNT,
        holding=Holding((LotAmount(572, 30), LotAmount(574, 70)), 0),
        volume=Volume({}, 0),
        max_points_in=points,
    )
    return replace(known, **changes)


def quote(**changes: Any) -> QuoteFacts:
    values = {
        "id": "qte_1",
        "lane_id": LANE,
        "account": ACCOUNT,
        "version": 3,
        "max_points_in": 60,
        "bonus_bps": 1_000,
        "expires_at": datetime.fromtimestamp(NOW, UTC),
    }
    used = changes.pop("used", False)
    return QuoteFacts(ExchangeQuote(**(values | changes)), used)


def slugs(known: SwapFacts) -> list[str]:
    return [error.slug for error in examine(known).refusals]


class TestExamine:
    def test_lots__follow_those_that_leave_before(self) -> None:
        outlook = examine(replace(facts(points=41), holding=Holding((LotAmount(572, 30), LotAmount(574, 70)), 20)))
        assert outlook.refusals == []
        assert outlook.price is not None
        assert (outlook.price.points_in, outlook.price.points_out) == (40, 20)
        assert outlook.lots_in == [LotAmount(572, 10), LotAmount(574, 30)]
        assert outlook.lots_out == [LotAmount(572, 5), LotAmount(574, 15)]

    def test_fresh__are_of_the_present_epoch_and_posted_are_nobodys_lots(self) -> None:
        assert examine(facts(replace(TERMS, carry_expiry=False))).lots_out == [LotAmount(574, 20)]
        assert examine(facts(replace(TERMS, posted=True))).lots_out is None

    def test_expiry__that_cannot_be_carried_is_refused(self) -> None:
        longer = replace(facts().route, destination=programme("fuel", epoch_length_seconds=12 * MONTH))
        assert slugs(facts(route=longer)) == ["expiry-not-carriable"]

    def test_quote__of_every_wrong_kind(self) -> None:
        assert slugs(facts(quote=quote())) == []
        assert slugs(facts(quote=quote(account=bytes(20)))) == ["quote-mismatch"]
        assert slugs(facts(quote=quote(lane_id=bytes(32)))) == ["quote-mismatch"]
        assert slugs(facts(quote=quote(version=2, used=True))) == ["quote-terms-changed", "quote-used"]
        assert slugs(facts(quote=quote(expires_at=datetime.fromtimestamp(NOW - 1, UTC)))) == ["quote-expired"]
        assert slugs(facts(quote=quote(max_points_in=39))) == ["quote-exceeded"]
        assert slugs(facts(quote=quote(bonus_bps=2_001))) == ["bonus-too-high"]

    def test_time__is_the_chains(self) -> None:
        assert (slugs(facts(deadline=NOW)), slugs(facts(deadline=NOW - 1))) == ([], ["deadline-past"])
        assert slugs(facts(replace(TERMS, valid_until=NOW - 1))) == ["lane-stopped"]

    def test_cap__counts_what_is_on_its_way(self) -> None:
        bucket = NOW // 21_600
        assert slugs(facts(volume=Volume({bucket: 900}, 80))) == []
        assert slugs(facts(volume=Volume({bucket: 900}, 81))) == ["daily-cap-reached"]
        assert slugs(facts(volume=Volume({bucket - 5: 1_000}, 0))) == []

    def test_everything_wrong_at_once__is_told_at_once(self) -> None:
        known = facts(points=2_400, min_points_out=1_201, deadline=0)
        wrong = ["deadline-past", "output-below-minimum", "daily-cap-reached", "insufficient-points"]
        assert slugs(known) == wrong

    def test_other_chain__is_another_network(self) -> None:
        elsewhere = replace(facts().route, destination=programme("fuel", chain_id=1))
        assert slugs(facts(route=elsewhere)) == ["wrong-network"]


class TestRefusals:
    def test_debit_cap__is_told_in_money(self) -> None:
        error = typed(refusal("DebitCapExceeded", debtor="0x", creditor="0x", amount=1_500_000, available=5), DOLLAR)
        assert (error.slug, error.extensions["available_amount"]) == ("debit-cap-reached", "0.000005")
        assert "1.50 USD" in error.detail

    def test_unknown__is_refused_all_the_same(self) -> None:
        error = typed(refusal("SomethingNew"), DOLLAR)
        assert (error.slug, error.extensions["error"]) == ("swap-refused", "SomethingNew")
        assert remedy("SomethingNew").startswith("Nothing was moved")


class TestState:
    def operation(self, state: str) -> Operation:
        now = utc_now()
        return Operation(id="op_1", kind="swap", state=state, created_at=now, updated_at=now)

    @pytest.mark.parametrize(
        ("events", "state"),
        [
            ({}, "sent"),
            ({"SwapBurnt"}, "posting"),
            ({"SwapBurnt", "SwapPending"}, "posting"),
            ({"SwapBurnt", "SwapMinted"}, "completed"),
            ({"SwapBurnt", "SwapPending", "SwapPosted"}, "completed"),
            ({"SwapBurnt", "SwapPending", "SwapRefunded"}, "refunded"),
        ],
    )
    def test_logs__count_more_than_the_operation(self, events: set[str], state: str) -> None:
        assert swap_state(self.operation("mined"), {name: {} for name in events}) == state

    def test_operation__counts_before(self) -> None:
        states = [swap_state(self.operation(state), {}) for state in ("pending", "sent", "failed")]
        assert states == ["pending", "sent", "failed"]


class TestMoney:
    @pytest.mark.parametrize(
        ("units", "decimals", "text"),
        [(0, 6, "0.00"), (5, 6, "0.000005"), (4_500_000_000, 6, "4500.00"), (1, 0, "1"), (25, 1, "2.5")],
    )
    def test_units__are_shown_and_read_back(self, units: int, decimals: int, text: str) -> None:
        assert format_units(units, decimals) == text
        money = SettlementMoney(amount=text, currency="USD")
        assert money.units(Currency("USD", decimals)) == units

    def test_other_currency_or_too_fine__is_refused(self) -> None:
        for amount, currency in (("1.00", "EUR"), ("1.0000001", "USD")):
            with pytest.raises(InvalidRequestError):
                SettlementMoney(amount=amount, currency=currency).units(DOLLAR)
        assert SettlementMoney(amount="1.0000000", currency="USD").units(DOLLAR) == 10**6
