"""Tables of partner systems and of the postings made there."""

from __future__ import annotations

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Base, Points, PublicId, RowId, Time


class PartnerSystem(Base):
    """Where a brand that keeps its own points system takes the five calls."""

    __tablename__ = "partner_systems"

    programme_id: Mapped[str] = mapped_column(ForeignKey("programmes.id"), primary_key=True)
    base_url: Mapped[str]
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    """Signs the calls (HMAC-SHA256), encrypted under the installation's secret key."""
    timeout_seconds: Mapped[int]
    created_at: Mapped[Time]
    updated_at: Mapped[Time]


class Posting(Base):
    """Points of a swap that are to be posted in the destination's own system.

    Life: *waiting* (the burn is not final yet) → *posting* → *posted* (the partner says succeeded) → *confirmed* on
    chain; or *refused* (the partner says failed, or the member is unknown there) → *refunded* on chain. While nobody
    knows (`unknown`) it is asked again under the same id, never posted anew; near the end of the posting window it is
    *reversing* → *refused*, so that the member's points come back.
    """

    __tablename__ = "postings"
    __table_args__ = (
        UniqueConstraint("swap_id"),
        Index(
            "ix_postings_open",
            "next_attempt_at",
            postgresql_where=text("state NOT IN ('confirmed','refunded')"),
        ),
    )

    id: Mapped[PublicId]  # pst_
    swap_id: Mapped[str] = mapped_column(ForeignKey("swaps.id"))
    programme_id: Mapped[str] = mapped_column(ForeignKey("programmes.id"))
    """The destination programme."""
    member_reference: Mapped[str] = mapped_column(String(64))
    """The partner's own customer number."""
    points: Mapped[Points]
    state: Mapped[str] = mapped_column(String(12))
    """waiting, posting, unknown, posted, confirmed, reversing, refused, refunded"""
    partner_reference: Mapped[str | None] = mapped_column(String(128))
    """What the partner calls the posting."""
    last_outcome: Mapped[str | None] = mapped_column(String(16))
    """succeeded, failed, system_error, pending: the partner's last word"""
    last_detail: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    next_attempt_at: Mapped[Time]
    refundable_from: Mapped[Time | None]
    """End of the posting window, by the chain's clock."""
    operation_id: Mapped[str | None] = mapped_column(ForeignKey("operations.id"))
    """The confirmation or refund on chain."""
    created_at: Mapped[Time]
    updated_at: Mapped[Time]


class PartnerCall(Base):
    """One call to a partner's system and what it answered; append-only."""

    __tablename__ = "partner_calls"
    __table_args__ = (Index("ix_partner_calls_posting", "posting_id"),)

    id: Mapped[RowId]
    programme_id: Mapped[str] = mapped_column(ForeignKey("programmes.id"))
    posting_id: Mapped[str | None] = mapped_column(ForeignKey("postings.id"))
    call: Mapped[str] = mapped_column(String(16))
    """validate, post, transfer, retry, reverse"""
    outcome: Mapped[str] = mapped_column(String(16))
    http_status: Mapped[int | None]
    detail: Mapped[str | None]
    duration_ms: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[Time]
