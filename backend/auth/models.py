"""Tables of API keys, idempotency records and the access log."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, LargeBinary, String
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from backend.database import Base, Hash, PublicId, RowId, Time
from backend.programmes.models import Programme


class ApiKey(Base):
    """A key of a programme, or, with `programme_id` empty, of the operator or an auditor. Only its SHA-256 is kept."""

    __tablename__ = "api_keys"

    id: Mapped[PublicId]  # key_
    programme_id: Mapped[str | None] = mapped_column(ForeignKey("programmes.id"), index=True)
    name: Mapped[str] = mapped_column(String(64))
    role: Mapped[str] = mapped_column(String(12))
    """programme, operator, auditor (reads everything, writes nothing)"""
    secret_hash: Mapped[Hash] = mapped_column(unique=True)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(String))
    created_at: Mapped[Time]
    expires_at: Mapped[Time | None]
    revoked_at: Mapped[Time | None]
    programme: Mapped[Programme | None] = relationship(lazy="joined", viewonly=True)


class IdempotencyRecord(Base):
    """The answer given to a write, replayed when the same key comes again with the same request."""

    __tablename__ = "idempotency_records"

    caller: Mapped[str] = mapped_column(String(40), primary_key=True)
    """Id of the API key's programme, or `operator`, or the member."""
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    request_hash: Mapped[Hash]
    status: Mapped[int]
    headers: Mapped[dict[str, str]] = mapped_column(JSONB)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[Time] = mapped_column(index=True)


class AccessLogEntry(Base):
    """A write by somebody, with its outcome; append-only."""

    __tablename__ = "access_log"
    __table_args__ = (Index("ix_access_log_time", "created_at"),)

    id: Mapped[RowId]
    caller: Mapped[str] = mapped_column(String(48))
    method: Mapped[str] = mapped_column(String(8))
    path: Mapped[str]
    status: Mapped[int]
    request_id: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[Time]
