"""Tables of members, enrolments and sign-in challenges."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, LargeBinary, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Address, Base, PublicId, Time


class Member(Base):
    """A person. What a brand knows about them is in their enrolments."""

    __tablename__ = "members"

    id: Mapped[PublicId]  # mem_
    created_at: Mapped[Time]


class Enrolment(Base):
    """A member of one programme.

    `account` is where points are credited now: the managed account of `member_key`, or the member's wallet once one is
    linked. The managed account is kept in `managed_account`, because points that were on their way arrive there.
    """

    __tablename__ = "enrolments"
    __table_args__ = (
        UniqueConstraint("programme_id", "reference"),
        UniqueConstraint("programme_id", "member_id"),
        UniqueConstraint("programme_id", "managed_account"),
        Index("ix_enrolments_account", "account"),
        Index("ix_enrolments_wallet", "wallet", postgresql_where=text("wallet IS NOT NULL")),
    )

    id: Mapped[PublicId]  # enr_
    member_id: Mapped[str] = mapped_column(ForeignKey("members.id"), index=True)
    programme_id: Mapped[str] = mapped_column(ForeignKey("programmes.id"))
    reference: Mapped[str] = mapped_column(String(64))
    """The brand's own customer number."""
    member_key: Mapped[bytes] = mapped_column(LargeBinary(32))
    """Random; the only link between person and account."""
    managed_account: Mapped[Address]
    account: Mapped[Address]
    wallet: Mapped[Address | None]
    wallet_linked_at: Mapped[Time | None]
    joined_at: Mapped[Time]


class SignInChallenge(Base):
    """A nonce handed out for Sign-In with Ethereum (EIP-4361); used once, within minutes."""

    __tablename__ = "sign_in_challenges"

    nonce: Mapped[str] = mapped_column(String(32), primary_key=True)
    address: Mapped[Address]
    """The wallet it was handed out for."""
    member_id: Mapped[str | None] = mapped_column(ForeignKey("members.id"))
    """Who wants to link it; empty when somebody signs in with a wallet that is linked."""
    programme_id: Mapped[str | None] = mapped_column(ForeignKey("programmes.id"))
    """The only programme to link it in; empty for all of the member's."""
    expires_at: Mapped[Time]
    used_at: Mapped[Time | None]
