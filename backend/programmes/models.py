"""Tables of programmes."""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer, String, UniqueConstraint
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Address, Base, Points, PublicId, Time


def _same_chain(context: DefaultExecutionContext) -> int:
    chain_id: int = context.get_current_parameters()["chain_id"]  # type: ignore[no-untyped-call]
    return chain_id


class Programme(Base):
    """One brand's loyalty scheme.

    The terms mirror those of the token (fixed at deployment); the earning rule is `earn_points` points for every
    `earn_per_minor` minor units of the currency (cents), rounded down per event.
    """

    __tablename__ = "programmes"
    __table_args__ = (UniqueConstraint("chain_id", "token"),)

    id: Mapped[PublicId]  # prg_
    slug: Mapped[str] = mapped_column(String(31), unique=True)
    name: Mapped[str] = mapped_column(String(31))
    symbol: Mapped[str] = mapped_column(String(11))
    currency: Mapped[str] = mapped_column(String(3))
    colour: Mapped[str] = mapped_column(String(7), default="#2f5d50")
    chain_id: Mapped[int]
    home_chain_id: Mapped[int] = mapped_column(BigInteger, default=_same_chain)
    """Chain where the programme's points live. Another one than `chain_id`: this is a branch, which issues nothing."""
    token: Mapped[Address]
    epoch_length_seconds: Mapped[int]
    validity_epochs: Mapped[int]
    clawback_epochs: Mapped[int]
    transferable: Mapped[bool] = mapped_column(default=True)
    earn_points: Mapped[Points]
    earn_per_minor: Mapped[Points]
    return_period_seconds: Mapped[int] = mapped_column(Integer, default=0)
    """How long an accrual stays pending after its event; 0: spendable at once."""
    issuer: Mapped[Address]
    """Signer that issues, refunds and claws back."""
    custodian: Mapped[Address]
    """Signer that acts for managed accounts and relays signed orders."""
    treasurer: Mapped[Address]
    """Signer that agrees to lanes and settles: LANE_ROLE and TREASURER_ROLE of the token."""
    quoter: Mapped[Address]
    """Signer of transfer bonuses: QUOTER_ROLE of the token."""
    created_at: Mapped[Time]

    @property
    def is_branch(self) -> bool:
        """Whether the programme is at home on another chain; here it only agrees to lanes and settles."""
        return self.home_chain_id != self.chain_id
