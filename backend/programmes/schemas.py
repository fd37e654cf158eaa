"""Programmes as the API speaks of them."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from backend.bodies import Body
from backend.hexes import AddressText, address_text
from backend.money import Money
from backend.programmes.models import Programme

COLOUR_PATTERN = r"^#[0-9a-f]{6}$"
MAX_EARN_POINTS = 10**9


class EarningRule(Body):
    """`points` for every `per` spent, rounded down per event."""

    points: int = Field(ge=0, le=MAX_EARN_POINTS, description="Points for each full `per`")
    per: Money = Field(description="What has to be spent for them")


class ProgrammeRead(BaseModel):
    """One brand's loyalty scheme."""

    id: str
    slug: str
    name: str
    symbol: str
    currency: str
    colour: str
    chain_id: int
    home_chain_id: int = Field(description="Where its points live; another chain than `chain_id` for a branch")
    token: AddressText
    epoch_length_seconds: int
    validity_epochs: int = Field(description="A lot of epoch e is valid through epoch e + validity_epochs")
    clawback_epochs: int = Field(description="A lot of epoch e can be taken back through epoch e + clawback_epochs")
    transferable: bool
    earning_rule: EarningRule
    return_period_seconds: int = Field(description="How long points stay pending after their event")
    created_at: datetime

    @classmethod
    def of(cls, programme: Programme) -> ProgrammeRead:
        """From its row."""
        return cls(
            id=programme.id,
            slug=programme.slug,
            name=programme.name,
            symbol=programme.symbol,
            currency=programme.currency,
            colour=programme.colour,
            chain_id=programme.chain_id,
            home_chain_id=programme.home_chain_id,
            token=address_text(programme.token),
            epoch_length_seconds=programme.epoch_length_seconds,
            validity_epochs=programme.validity_epochs,
            clawback_epochs=programme.clawback_epochs,
            transferable=programme.transferable,
            earning_rule=EarningRule(
                points=programme.earn_points, per=Money.of_minor(programme.earn_per_minor, programme.currency)
            ),
            return_period_seconds=programme.return_period_seconds,
            created_at=programme.created_at,
        )


class ProgrammeUpdate(Body):
    """What of a programme can be changed. The terms of its token cannot."""

    earning_rule: EarningRule | None = None
    return_period_seconds: int | None = Field(default=None, ge=0, le=31_536_000)
    colour: str | None = Field(default=None, pattern=COLOUR_PATTERN)
