"""Prices, carried lots and caps against their definitions in exact fractions."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from backend.chain.errors import ContractRevertedError
from backend.chain.event_types import Lot
from backend.chain.exchange_types import LaneTerms
from backend.chain.lane_pricing import (
    BUCKET_SECONDS,
    carry,
    expires_at,
    points_out_rounding_down,
    price,
    round_trip_gains,
    window_out,
)
from backend.chain.points_token import Terms

POINTS = st.one_of(st.integers(1, 300), st.integers(1, (1 << 48) - 1))
RATES = st.one_of(st.integers(1, 20), st.integers(1, (1 << 32) - 1))


def terms_of(numerator: int, denominator: int, fee_bps: int = 0, minimum_in: int = 1, price: int = 0) -> LaneTerms:
    return LaneTerms(numerator, denominator, fee_bps, 10_000, minimum_in, 1 << 43, 1 << 40, price, True, False)


TERMS = st.builds(
    terms_of,
    RATES,
    RATES,
    st.integers(0, 9_999),
    st.just(1),
    st.one_of(st.integers(0, 9), st.integers(0, (1 << 80) - 1)),
)
BONUS = st.integers(0, 10_000)


def rate_of(terms: LaneTerms, bonus_bps: int = 0) -> Fraction:
    net = Fraction(terms.rate_numerator, terms.rate_denominator) * Fraction(10_000 - terms.fee_bps, 10_000)
    return net * Fraction(10_000 + bonus_bps, 10_000)


class TestPrice:
    @given(TERMS, POINTS, BONUS)
    def test_any__as_the_fractions_say(self, terms: LaneTerms, max_in: int, bonus_bps: int) -> None:
        points_out = floor(max_in * rate_of(terms, bonus_bps))
        if not 0 < points_out < 1 << 48:
            with pytest.raises(ContractRevertedError) as caught:
                price(terms, max_in, bonus_bps)
            assert caught.value.name == "InvalidSwapAmount"
            return
        priced = price(terms, max_in, bonus_bps)
        assert priced.points_out == points_out
        assert priced.points_in == ceil(points_out / rate_of(terms, bonus_bps)) <= max_in
        assert priced.base_out == floor(priced.points_in * rate_of(terms)) <= points_out
        assert priced.settlement == ceil(Fraction(priced.base_out * terms.settlement_price, 1_000_000))

    @given(TERMS, POINTS, POINTS, BONUS)
    def test_split__never_gives_more_nor_costs_less(self, terms: LaneTerms, one: int, two: int, bonus_bps: int) -> None:
        def out(points_in: int) -> int:
            return points_out_rounding_down(terms, points_in, bonus_bps)

        assert out(one) + out(two) <= out(one + two)
        assume(out(one) and out(two) and out(one + two) < 1 << 48 and one + two < 1 << 48)
        whole, parts = price(terms, one + two, bonus_bps), [price(terms, each, bonus_bps) for each in (one, two)]
        if whole.base_out == sum(part.base_out for part in parts):
            assert whole.settlement <= sum(part.settlement for part in parts)

    @given(TERMS, TERMS, POINTS)
    def test_there_and_back__gains_only_where_acceptance_refuses(
        self, there: LaneTerms, back: LaneTerms, points: int
    ) -> None:
        returned = points_out_rounding_down(back, points_out_rounding_down(there, points, 0), 0)
        assert returned <= points or round_trip_gains(there, back)
        assert round_trip_gains(there, back) == (rate_of(there) * rate_of(back) > 1)

    def test_below_the_minimum__refused_with_the_contracts_words(self) -> None:
        with pytest.raises(ContractRevertedError) as caught:
            price(terms_of(1, 10, minimum_in=100), 95)
        assert (caught.value.name, caught.value.arguments) == ("BelowMinimum", {"pointsIn": 90, "minimumIn": 100})

    def test_bonus_beyond_the_lanes__refused(self) -> None:
        with pytest.raises(ContractRevertedError) as caught:
            price(terms_of(1, 1), 95, 10_001)
        assert caught.value.name == "BonusTooHigh"


CALENDARS = st.builds(
    lambda days, validity: Terms(days * 86_400, validity, 0, 0, True), st.integers(1, 90), st.integers(0, 29)
)
NOW = st.integers(1_600_000_000, 1_900_000_000)


class TestCarry:
    @given(CALENDARS, CALENDARS, NOW, st.lists(st.tuples(st.integers(0, 29), POINTS), min_size=1, max_size=6), POINTS)
    def test_any__sums_up_and_expires_no_later(
        self, source: Terms, destination: Terms, now: int, shape: list[tuple[int, int]], points_out: int
    ) -> None:
        present = now // source.epoch_length_seconds
        live = {min(age, source.validity_epochs): points for age, points in shape}
        lots = [Lot(present - age, points) for age, points in sorted(live.items(), reverse=True)]
        try:
            carried = carry(lots, points_out, source, destination, now)
        except ContractRevertedError as refused:
            self._check_refused(refused, lots, (source, destination), now)
            return
        assert sum(lot.amount for lot in carried) == points_out
        assert [lot.epoch for lot in carried] == sorted({lot.epoch for lot in carried})
        here = now // destination.epoch_length_seconds
        assert all(here - destination.validity_epochs <= lot.epoch <= here for lot in carried)
        points_in = sum(lot.amount for lot in lots)
        # By any time, no larger part of the points out is left than of the points in, but for one rounding.
        for lot in lots:
            end = expires_at(lot.epoch, source)
            left_in = sum(each.amount for each in lots if expires_at(each.epoch, source) > end)
            left_out = sum(each.amount for each in carried if expires_at(each.epoch, destination) > end)
            assert left_out <= ceil(Fraction(left_in * points_out, points_in))

    @staticmethod
    def _check_refused(
        refused: ContractRevertedError, lots: list[Lot], calendars: tuple[Terms, Terms], now: int
    ) -> None:
        """The named lot ends before any lot of the destination could."""
        source, destination = calendars
        lot = next(lot for lot in lots if refused.arguments == {"epoch": lot.epoch, "amount": lot.amount})
        oldest = now // destination.epoch_length_seconds - destination.validity_epochs
        assert refused.name == "ExpiryNotCarriable"
        assert expires_at(oldest, destination) > expires_at(lot.epoch, source)

    def test_example__latest_epoch_that_ends_no_later(self) -> None:
        source, destination = Terms(30 * 86_400, 4, 0, 0, True), Terms(7 * 86_400, 20, 0, 0, True)
        now = 660 * 30 * 86_400 + 5
        (lot,) = carry([Lot(658, 100)], 50, source, destination, now)
        assert expires_at(lot.epoch, destination) <= 663 * 30 * 86_400 < expires_at(lot.epoch + 1, destination)
        (fresh,) = carry([Lot(660, 100)], 50, source, Terms(7 * 86_400, 1, 0, 0, True), now)
        assert fresh.epoch == now // (7 * 86_400)


class TestWindow:
    @given(
        st.lists(st.tuples(st.integers(0, 10 * 86_400), st.integers(1, 1_000)), max_size=40),
        st.integers(0, 10 * 86_400),
    )
    def test_any_swaps__covers_the_last_24_hours(self, swaps: list[tuple[int, int]], now: int) -> None:
        volumes: dict[int, int] = {}
        for at, points in swaps:
            volumes[at // BUCKET_SECONDS] = volumes.get(at // BUCKET_SECONDS, 0) + points
        counted = window_out(volumes, now)
        assert counted >= sum(points for at, points in swaps if now - 86_400 < at <= now)
        assert counted <= sum(points for at, points in swaps if now - 30 * 3_600 < at <= now - now % 21_600 + 21_599)
