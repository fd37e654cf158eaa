"""What every body of a request has in common."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict

LAST_SECOND: Final = 253_402_300_799
"""The last second of the year 9999, in Unix seconds: later ones cannot be written as a date."""


class Body(BaseModel):
    """A request's body, or a part of one.

    Unknown fields are refused: a mistyped `hold` or `mode` must not spend points that were to be reserved or only
    examined.
    """

    model_config = ConfigDict(extra="forbid")


def _in_utc(time: datetime) -> datetime:
    if not 0 <= time.timestamp() <= LAST_SECOND:
        raise ValueError("the time must lie between 1970 and 9999 in UTC")
    return time.astimezone(UTC)


UtcTime = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""A time that can be stored and read again: an offset can carry a date beyond the years that UTC can say."""
