"""Money as the API speaks of it: a decimal string and an ISO 4217 code. Inside, whole minor units (cents)."""

from __future__ import annotations

import re

from pydantic import Field

from backend.bodies import Body
from backend.errors import InvalidRequestError

MAX_AMOUNT_MINOR = 10**12
"""Largest amount of one event, in minor units."""
_NO_MINOR_UNITS = frozenset(
    {"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"}
)
_THREE_DIGITS = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})
AMOUNT_PATTERN = r"^[0-9]{1,13}(\.[0-9]{1,3})?$"
_AMOUNT = re.compile(AMOUNT_PATTERN, re.ASCII)


class Money(Body):
    """An amount of money."""

    amount: str = Field(pattern=AMOUNT_PATTERN, description="Decimal string, not negative", examples=["12.90"])
    currency: str = Field(pattern=r"^[A-Z]{3}$", description="ISO 4217", examples=["USD"])

    @classmethod
    def of_minor(cls, amount_minor: int, currency: str) -> Money:
        """From minor units."""
        return cls.model_construct(amount=format_minor(amount_minor, currency), currency=currency)

    def minor(self, currency: str) -> int:
        """In minor units of `currency`. Raises InvalidRequestError when it is another one, too fine or too large."""
        if self.currency != currency:
            raise InvalidRequestError(f"The programme works in {currency}, not {self.currency}.")
        return parse_minor(self.amount, currency)


def digits(currency: str) -> int:
    """Decimal places of a currency."""
    if currency in _NO_MINOR_UNITS:
        return 0
    return 3 if currency in _THREE_DIGITS else 2


def parse_minor(amount: str, currency: str) -> int:
    """Minor units of a decimal string. Raises InvalidRequestError."""
    places = digits(currency)
    if not _AMOUNT.fullmatch(amount):
        raise InvalidRequestError(f"{amount!r} is not an amount such as 12.90.")
    whole, _, fraction = amount.partition(".")
    if len(fraction) > places and fraction[places:].strip("0"):
        raise InvalidRequestError(f"{amount} has more than the {places} decimal places of {currency}.")
    minor = int(whole + (fraction + "0" * places)[:places])
    if minor > MAX_AMOUNT_MINOR:
        raise InvalidRequestError(f"{amount} {currency} is more than one event can be worth.")
    return minor


def format_minor(amount_minor: int, currency: str) -> str:
    """The decimal string of an amount in minor units."""
    places = digits(currency)
    if places == 0:
        return str(amount_minor)
    text = str(amount_minor).rjust(places + 1, "0")
    return f"{text[:-places]}.{text[-places:]}"
