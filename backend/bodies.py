"""What every body of a request has in common."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict

LAST_SECOND: Final = 253_402_300_799
"""The last second of the year 9999, in Unix seconds: later ones cannot be written as a date."""


class Body(BaseModel):
    """A request's body, or a part of one.

    Unknown fields are refused: a mistyped `hold` or `mode` must not spend points that were to be reserved or only
    examined.
    """

    model_config = ConfigDict(extra="forbid")


def _not_a_number(time: object) -> object:
    """Pydantic takes numbers, in digits too, for seconds since 1970, or for milliseconds when they are large."""
    if not isinstance(time, str | datetime) or (isinstance(time, str) and "T" not in time.upper() and " " not in time):
        raise ValueError("the time must be written as in RFC 3339, for example 2026-01-05T18:04:00Z")
    return time


def _in_utc(time: datetime) -> datetime:
    if not 0 <= time.timestamp() <= LAST_SECOND:
        raise ValueError("the time must lie between 1970 and 9999 in UTC")
    return time.astimezone(UTC)


WrittenTime = Annotated[AwareDatetime, BeforeValidator(_not_a_number)]
"""A time as RFC 3339 writes it."""

UtcTime = Annotated[WrittenTime, AfterValidator(_in_utc)]
"""One that can be stored and read again: an offset can carry a date beyond the years UTC can say."""
