"""Tables of everything that earns or spends points.

What happened to points on the chain is in the projection (backend/chain/models.py); these tables hold what the chain
must not know: purchases, persons, and which operation stands for what.
"""

from __future__ import annotations

from typing import Annotated

from sqlalchemy import ForeignKey, Index, LargeBinary, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Address, Base, Hash, Points, PublicId, RowId, Time

ProgrammeRef = Annotated[str, mapped_column(ForeignKey("programmes.id"))]
EnrolmentRef = Annotated[str, mapped_column(ForeignKey("enrolments.id"))]
OperationRef = Annotated[str, mapped_column(ForeignKey("operations.id"))]


class EarnEvent(Base):
    """Something that may earn points, such as a purchase. Public id `evt_{id}`. A reference comes once a programme."""

    __tablename__ = "events"
    __table_args__ = (UniqueConstraint("programme_id", "reference"), Index("ix_events_enrolment", "enrolment_id", "id"))

    id: Mapped[RowId]
    programme_id: Mapped[ProgrammeRef]
    enrolment_id: Mapped[EnrolmentRef]
    reference: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(24))
    amount_minor: Mapped[Points]
    """Value in minor units of the programme's currency."""
    occurred_at: Mapped[Time]
    location: Mapped[str | None] = mapped_column(String(64))
    channel: Mapped[str | None] = mapped_column(String(24))
    received_at: Mapped[Time] = mapped_column(server_default=text("now()"))


class Accrual(Base):
    """Points earned by an event. Public id `acr_{id}`.

    Life: *pending* (until `matures_at`, not in a batch), then in a batch (`batch_id` set: its operation says sent,
    mined or final), or *reversed* before it got there (`reversed_points` up to `points`). `netted_points` were kept
    back for a shortfall; credited are `points - reversed_points - netted_points`, frozen when it enters its batch.
    """

    __tablename__ = "accruals"
    __table_args__ = (
        Index(
            "ix_accruals_open",
            "programme_id",
            "matures_at",
            postgresql_where=text("batch_id IS NULL AND points > reversed_points + netted_points"),
        ),
        Index("ix_accruals_batch", "batch_id", "leaf_index", postgresql_where=text("batch_id IS NOT NULL")),
        Index("ix_accruals_enrolment", "enrolment_id"),
    )

    id: Mapped[RowId]
    event_id: Mapped[int] = mapped_column(ForeignKey("events.id"), unique=True)
    programme_id: Mapped[ProgrammeRef]
    enrolment_id: Mapped[EnrolmentRef]
    points: Mapped[Points]
    reversed_points: Mapped[Points] = mapped_column(server_default=text("0"))
    netted_points: Mapped[Points] = mapped_column(server_default=text("0"))
    matures_at: Mapped[Time]
    salt: Mapped[bytes] = mapped_column(LargeBinary(16), server_default=text("uuid_send(gen_random_uuid())"))
    """Receipt hash = keccak256(salt ‖ event reference), so that the chain says nothing about the purchase."""
    batch_id: Mapped[str | None] = mapped_column(ForeignKey("batches.id"))
    leaf_index: Mapped[int | None]
    account: Mapped[Address | None]
    """Account credited by the batch."""


class Batch(Base):
    """Accruals credited by one transaction; `root` is the batch id on chain."""

    __tablename__ = "batches"

    id: Mapped[PublicId]  # bat_
    programme_id: Mapped[ProgrammeRef]
    root: Mapped[Hash] = mapped_column(unique=True)
    operation_id: Mapped[OperationRef]
    receipt_count: Mapped[int]
    credit_count: Mapped[int]
    total_points: Mapped[Points]
    created_at: Mapped[Time]


class Upload(Base):
    """A bulk upload of events and what came of it."""

    __tablename__ = "uploads"

    id: Mapped[PublicId]  # upl_
    programme_id: Mapped[ProgrammeRef]
    accepted_count: Mapped[int] = mapped_column(default=0)
    processed_count: Mapped[int] = mapped_column(default=0)
    duplicate_count: Mapped[int] = mapped_column(default=0)
    rejected_count: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[Time]
    completed_at: Mapped[Time | None]


Index("ix_uploads_open", Upload.created_at, postgresql_where=Upload.completed_at.is_(None))


class IntakeRow(Base):
    """A row of an upload that waits for the intake worker; deleted once it is an event, a duplicate or a rejection."""

    __tablename__ = "intake_rows"
    __table_args__ = (Index("ix_intake_rows_upload", "upload_id", "line_number"),)

    id: Mapped[RowId]
    upload_id: Mapped[str] = mapped_column(ForeignKey("uploads.id"))
    line_number: Mapped[int]
    reference: Mapped[str]
    member_reference: Mapped[str]
    kind: Mapped[str | None]
    amount: Mapped[str]
    """As it came: a decimal string; checked by the worker."""
    occurred_at: Mapped[str]
    location: Mapped[str | None]
    channel: Mapped[str | None]


class IntakeRejection(Base):
    """A row of an upload that could not become an event, and why."""

    __tablename__ = "intake_rejections"
    __table_args__ = (Index("ix_intake_rejections_upload", "upload_id", "line_number"),)

    id: Mapped[RowId]
    upload_id: Mapped[str] = mapped_column(ForeignKey("uploads.id"))
    line_number: Mapped[int]
    reference: Mapped[str]
    reason: Mapped[str]
    """Stable code, such as `unknown_member`."""
    detail: Mapped[str]


class Redemption(Base):
    """Points spent, at once (`reserve_operation_id` empty) or by way of a hold.

    The state is not kept: it follows from the operations (backend/points/states.py). The lots redeemed are in the
    projection (`token_events`, by `ref`).
    """

    __tablename__ = "redemptions"
    __table_args__ = (
        UniqueConstraint("programme_id", "reference"),
        Index("ix_redemptions_enrolment", "enrolment_id"),
        Index("ix_redemptions_ref", "ref"),
    )

    id: Mapped[PublicId]  # red_
    programme_id: Mapped[ProgrammeRef]
    enrolment_id: Mapped[EnrolmentRef]
    reference: Mapped[str] = mapped_column(String(64))
    ref: Mapped[Hash]
    """The ref on chain: 32 random bytes."""
    account: Mapped[Address]
    points: Mapped[Points]
    captured_points: Mapped[Points | None]
    hold_deadline: Mapped[Time | None]
    reserve_operation_id: Mapped[OperationRef | None]
    redeem_operation_id: Mapped[OperationRef | None]
    """Redeem, capture or release."""
    created_at: Mapped[Time]


class Refund(Base):
    """Spent points given back into their original lots."""

    __tablename__ = "refunds"
    __table_args__ = (UniqueConstraint("programme_id", "reference"), Index("ix_refunds_redemption", "redemption_id"))

    id: Mapped[PublicId]  # rfd_
    programme_id: Mapped[ProgrammeRef]
    redemption_id: Mapped[str] = mapped_column(ForeignKey("redemptions.id"))
    reference: Mapped[str] = mapped_column(String(64))
    points: Mapped[Points]
    operation_id: Mapped[OperationRef]
    created_at: Mapped[Time]


class ReturnedEvent(Base):
    """Goods brought back, in part or whole: the points they had earned are taken back.

    `points` = `reversed_points` (were still unbatched) + `taken_points` (clawed back on chain) + `forgiven_points`
    (the programme's public clawback window had closed) + the shortfall (a row in `shortfall_entries`).
    `clawback_points` were asked of the chain; `taken_points` is empty until its answer is final.
    """

    __tablename__ = "returns"
    __table_args__ = (
        UniqueConstraint("programme_id", "reference"),
        Index("ix_returns_event", "event_id"),
        Index("ix_returns_open", "programme_id", postgresql_where=text("taken_points IS NULL")),
    )

    id: Mapped[PublicId]  # ret_
    programme_id: Mapped[ProgrammeRef]
    event_id: Mapped[int] = mapped_column(ForeignKey("events.id"))
    reference: Mapped[str] = mapped_column(String(64))
    ref: Mapped[Hash]
    amount_minor: Mapped[Points]
    points: Mapped[Points]
    reversed_points: Mapped[Points]
    clawback_points: Mapped[Points]
    forgiven_points: Mapped[Points] = mapped_column(server_default=text("0"))
    taken_points: Mapped[Points | None]
    operation_id: Mapped[OperationRef | None]
    """The clawback; empty while the batch that credited the points is not mined yet, or when none is needed."""
    created_at: Mapped[Time]


class ShortfallEntry(Base):
    """Append-only ledger of points a member owes a programme: positive when owed, negative when netted."""

    __tablename__ = "shortfall_entries"
    __table_args__ = (
        Index("ix_shortfall_enrolment", "enrolment_id"),
        UniqueConstraint("return_id"),
        UniqueConstraint("accrual_id"),
    )

    id: Mapped[RowId]
    enrolment_id: Mapped[EnrolmentRef]
    points: Mapped[Points]
    return_id: Mapped[str | None] = mapped_column(ForeignKey("returns.id"))
    accrual_id: Mapped[int | None] = mapped_column(ForeignKey("accruals.id"))
    details: Mapped[dict[str, str]] = mapped_column(JSONB, server_default=text("'{}'"))
    created_at: Mapped[Time]
