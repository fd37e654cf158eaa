"""Money in the settlement currency: a decimal string and an ISO 4217 code outside, its smallest unit inside."""

from __future__ import annotations

import re

from pydantic import Field

from backend.bodies import Body
from backend.errors import InvalidRequestError
from backend.exchange.deployment import Currency

_PATTERN = r"^[0-9]{1,30}(\.[0-9]{1,18})?$"
_AMOUNT = re.compile(_PATTERN, re.ASCII)
_SHOWN_DECIMALS = 2


class SettlementMoney(Body):
    """An amount in the settlement currency, with up to as many decimal places as it has."""

    amount: str = Field(pattern=_PATTERN, description="Decimal string, not negative", examples=["4500.00"])
    currency: str = Field(pattern=r"^[A-Z]{3}$", description="ISO 4217", examples=["USD"])

    @classmethod
    def of_units(cls, units: int, currency: Currency) -> SettlementMoney:
        """From the smallest unit."""
        return cls.model_construct(amount=format_units(units, currency.decimals), currency=currency.code)

    def units(self, currency: Currency) -> int:
        """In the smallest unit. Raises InvalidRequestError for another currency or too many decimal places."""
        if self.currency != currency.code:
            raise InvalidRequestError(f"Programmes settle in {currency.code}, not in {self.currency}.")
        whole, _, fraction = self.amount.partition(".")
        if not _AMOUNT.fullmatch(self.amount) or fraction[currency.decimals :].strip("0"):
            raise InvalidRequestError(
                f"{self.amount} is not an amount of {currency.code} with at most {currency.decimals} decimal places."
            )
        return int(whole + fraction[: currency.decimals].ljust(currency.decimals, "0"))


def format_units(units: int, decimals: int) -> str:
    """The decimal string of an amount in the smallest unit: at least two decimal places, no idle zeros beyond."""
    text = str(units).rjust(decimals + 1, "0")
    whole, fraction = (text[:-decimals], text[-decimals:]) if decimals else (text, "")
    fraction = fraction.rstrip("0").ljust(min(_SHOWN_DECIMALS, decimals), "0")
    return f"{whole}.{fraction}" if fraction else whole
