"""Tables of disputes and alerts. Positions, cycles and payments are on the chain, and read from the projection."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, Numeric, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Base, Hash, PublicId, Time


class Dispute(Base):
    """A programme's note on a closed cycle. Its keccak256 is logged on chain; the note itself stays here."""

    __tablename__ = "disputes"
    __table_args__ = (UniqueConstraint("programme_id", "reference"), Index("ix_disputes_cycle", "cycle"))

    id: Mapped[PublicId]  # dsp_
    programme_id: Mapped[str] = mapped_column(ForeignKey("programmes.id"))
    cycle: Mapped[int]
    reference: Mapped[str] = mapped_column(String(64))
    note: Mapped[str]
    note_hash: Mapped[Hash]
    operation_id: Mapped[str] = mapped_column(ForeignKey("operations.id"))
    created_at: Mapped[Time]


class ClearingAlert(Base):
    """A programme's debit came near what it may owe, or a payment is due. Raised once, until it is over."""

    __tablename__ = "clearing_alerts"
    __table_args__ = (
        Index(
            "ix_clearing_alerts_open",
            "programme_id",
            "kind",
            unique=True,
            postgresql_where=text("cleared_at IS NULL"),
        ),
    )

    id: Mapped[PublicId]  # alr_
    programme_id: Mapped[str] = mapped_column(ForeignKey("programmes.id"))
    kind: Mapped[str] = mapped_column(String(24))
    """near_cap, over_cap, payment_due, payment_overdue, in_default"""
    used_minor: Mapped[int] = mapped_column(Numeric(40, 0))
    """What it concerns, in the smallest unit of the settlement currency."""
    limit_minor: Mapped[int] = mapped_column(Numeric(40, 0))
    raised_at: Mapped[Time]
    cleared_at: Mapped[Time | None]
