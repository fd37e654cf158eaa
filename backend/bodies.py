"""What every body of a request has in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Body(BaseModel):
    """A request's body, or a part of one.

    Unknown fields are refused: a mistyped `hold` or `mode` must not spend points that were to be reserved or only
    examined.
    """

    model_config = ConfigDict(extra="forbid")
