"""Signed amounts in the settlement currency, as the API speaks of them."""

from __future__ import annotations

from pydantic import BaseModel, Field

from backend.exchange.deployment import Currency
from backend.exchange.settlement_money import format_units


class SignedMoney(BaseModel):
    """An amount in the settlement currency: positive when it is owed to the programme, negative when it owes it."""

    amount: str = Field(description="Decimal string", examples=["-4500.00"])
    currency: str = Field(description="ISO 4217", examples=["USD"])

    @classmethod
    def of_units(cls, units: int, currency: Currency) -> SignedMoney:
        """From the smallest unit."""
        return cls(amount=signed_text(units, currency), currency=currency.code)


def signed_text(units: int, currency: Currency) -> str:
    """The decimal string of an amount in the smallest unit, with its sign when it is negative."""
    return ("-" if units < 0 else "") + format_units(abs(units), currency.decimals)
