"""Terms of a lane as the API speaks of them, and as the chain keeps them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from backend.bodies import Body, WrittenTime
from backend.chain.exchange_types import LaneTerms
from backend.chain.lane_pricing import BPS
from backend.exchange.deployment import Currency
from backend.exchange.errors import LaneTermsError
from backend.exchange.settlement_money import SettlementMoney
from backend.points.clock import to_time

MOST_CAP = (1 << 44) - 1
_MOST_RATE = (1 << 32) - 1
_MOST_PRICE = (1 << 80) - 1
_LAST_SECOND = (1 << 48) - 1


class Rate(Body):
    """`points_out` for every `points_in`, before the fee."""

    points_out: int = Field(gt=0, le=_MOST_RATE, strict=True)
    points_in: int = Field(gt=0, le=_MOST_RATE, strict=True)


class Terms(Body):
    """What two programmes agree to for one direction. docs/exchange.md says how each number is used."""

    rate: Rate
    fee_bps: int = Field(
        default=0, strict=True, ge=0, lt=BPS, description="Part of the points out that is not given, in 0.01 %"
    )
    max_bonus_bps: int = Field(
        default=0, strict=True, ge=0, le=BPS, description="Largest transfer bonus of a quote, in 0.01 %"
    )
    minimum_points_in: int = Field(default=1, strict=True, gt=0, lt=1 << 48, description="Fewest points of one swap")
    daily_cap_points_out: int = Field(strict=True, ge=0, le=MOST_CAP, description="Most points out in any 24 hours")
    valid_until: WrittenTime = Field(description="Last second of the terms (chain time)")
    settlement_price: SettlementMoney = Field(
        description="What the source owes the destination for 1,000,000 points out"
    )
    expiry: Literal["carried", "fresh"] = Field(
        description="`carried`: points out expire no later than those given; `fresh`: they are new points"
    )
    delivery: Literal["minted", "posted"] = Field(
        default="minted", description="`posted`: the destination keeps its points in a system of its own"
    )

    def on_chain(self, currency: Currency) -> LaneTerms:
        """As the chain takes them. Raises LaneTermsError and InvalidRequestError."""
        price, last = self.settlement_price.units(currency), _seconds(self.valid_until)
        if price > _MOST_PRICE:
            raise LaneTermsError("`settlement_price` is more than the chain can hold.")
        return LaneTerms(
            rate_numerator=self.rate.points_out,
            rate_denominator=self.rate.points_in,
            fee_bps=self.fee_bps,
            max_bonus_bps=self.max_bonus_bps,
            minimum_in=self.minimum_points_in,
            daily_cap_out=self.daily_cap_points_out,
            valid_until=last,
            settlement_price=price,
            carry_expiry=self.expiry == "carried",
            posted=self.delivery == "posted",
        )

    @classmethod
    def of(cls, terms: LaneTerms, currency: Currency) -> Terms:
        """From the chain's. What is on the chain is shown as it is, whatever it is."""
        return cls.model_construct(
            rate=Rate.model_construct(points_out=terms.rate_numerator, points_in=terms.rate_denominator),
            fee_bps=terms.fee_bps,
            max_bonus_bps=terms.max_bonus_bps,
            minimum_points_in=terms.minimum_in,
            daily_cap_points_out=terms.daily_cap_out,
            valid_until=last_time(terms.valid_until),
            settlement_price=SettlementMoney.of_units(terms.settlement_price, currency),
            expiry="carried" if terms.carry_expiry else "fresh",
            delivery="posted" if terms.posted else "minted",
        )


def last_time(timestamp: int) -> datetime:
    """A time of the chain; those beyond what a date can say become the last one that it can."""
    return to_time(min(timestamp, 253_402_300_799))


def _seconds(time: datetime) -> int:
    seconds = int(time.timestamp())
    if not 0 <= seconds <= _LAST_SECOND:
        raise LaneTermsError("`valid_until` is not a time that the chain can hold.")
    return seconds
