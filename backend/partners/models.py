"""Tables of partner systems, of the postings made there and of the points taken out of them."""

from __future__ import annotations

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Base, Hash, Points, PublicId, RowId, Time


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

    Life: *waiting* (burnt for good, nothing asked yet) → *posting* (asked, or answered `pending`) → *posted* (the
    partner says succeeded) → *confirmed* on chain; or *refused* (the partner says failed) → *refunded* on chain. While
    nobody knows (*unknown*) it is asked again under the same id, never posted anew; near the end of the posting window
    it is *reversing* → *refused*, so that the member's points come back. What may be posted although somebody has had
    it refunded is *reversing* until the partner has undone it. `backend.partners.machine` has the rules.
    """

    __tablename__ = "postings"
    __table_args__ = (
        UniqueConstraint("swap_id"),
        Index("ix_postings_programme", "programme_id", "id"),
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
    """Calls begun; also tells an answer to the latest call from one that came too late."""
    next_attempt_at: Mapped[Time]
    """By the database's clock; while a call is under way, when another may be made."""
    refundable_from: Mapped[Time | None]
    """End of the posting window, by the chain's clock."""
    refund_unreversed: Mapped[bool] = mapped_column(server_default=text("false"))
    """Somebody decided: after the posting window the member gets the points back, whatever the partner did."""
    operation_id: Mapped[str | None] = mapped_column(ForeignKey("operations.id"))
    """The confirmation or refund on chain."""
    created_at: Mapped[Time]
    updated_at: Mapped[Time]


class PartnerTransfer(Base):
    """Points taken out of a member's account in the partner's system, to be issued on chain.

    Life: *waiting* (nothing asked yet) → *asking* → *taken* (the partner says succeeded) → *issued* on chain; or
    *refused* (the partner says failed: nothing was taken). While nobody knows (*unknown*) it is asked again under the
    same id. What the chain will not issue can be given back: *reversing* → *refused*.
    """

    __tablename__ = "partner_transfers"
    __table_args__ = (
        UniqueConstraint("programme_id", "reference"),
        Index(
            "ix_partner_transfers_open",
            "next_attempt_at",
            postgresql_where=text("state NOT IN ('issued','refused')"),
        ),
    )

    id: Mapped[PublicId]  # trf_
    programme_id: Mapped[str] = mapped_column(ForeignKey("programmes.id"))
    enrolment_id: Mapped[str] = mapped_column(ForeignKey("enrolments.id"))
    reference: Mapped[str] = mapped_column(String(64))
    ref: Mapped[Hash]
    """The ref of the issue on chain, derived from the id under a key of ours: used once whatever happens."""
    member_reference: Mapped[str] = mapped_column(String(64))
    points: Mapped[Points]
    state: Mapped[str] = mapped_column(String(12))
    """waiting, asking, unknown, taken, issued, reversing, refused"""
    partner_reference: Mapped[str | None] = mapped_column(String(128))
    last_outcome: Mapped[str | None] = mapped_column(String(16))
    last_detail: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    next_attempt_at: Mapped[Time]
    operation_id: Mapped[str | None] = mapped_column(ForeignKey("operations.id"))
    """The issue on chain."""
    created_at: Mapped[Time]
    updated_at: Mapped[Time]


class PartnerCall(Base):
    """One call to a partner's system and what it answered; append-only."""

    __tablename__ = "partner_calls"
    __table_args__ = (
        Index("ix_partner_calls_posting", "posting_id", postgresql_where=text("posting_id IS NOT NULL")),
        Index("ix_partner_calls_transfer", "transfer_id", postgresql_where=text("transfer_id IS NOT NULL")),
    )

    id: Mapped[RowId]
    programme_id: Mapped[str] = mapped_column(ForeignKey("programmes.id"))
    posting_id: Mapped[str | None] = mapped_column(ForeignKey("postings.id"))
    transfer_id: Mapped[str | None] = mapped_column(ForeignKey("partner_transfers.id"))
    call: Mapped[str] = mapped_column(String(16))
    """validate, post, transfer, retry, reverse"""
    outcome: Mapped[str] = mapped_column(String(16))
    http_status: Mapped[int | None]
    detail: Mapped[str | None]
    duration_ms: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[Time]
