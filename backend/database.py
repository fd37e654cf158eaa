"""SQLAlchemy base, column types and sessions. PostgreSQL is the only database."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated

from sqlalchemy import BigInteger, DateTime, Engine, Identity, LargeBinary, String, create_engine
from sqlalchemy.orm import DeclarativeBase, Session, mapped_column, sessionmaker

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def new_id(prefix: str) -> str:
    """A fresh id such as `prg_01k...`: 48 bits of milliseconds, 20 of nanoseconds within one, 60 random bits.

    So ids sort by creation, as far as the clocks of the machines that made them agree.
    """
    milliseconds, nanoseconds = divmod(time.time_ns(), 1_000_000)
    return make_id(prefix, milliseconds, nanoseconds << 60 | secrets.randbits(60))


def make_id(prefix: str, milliseconds: int, bits: int) -> str:
    """The id of a time (Unix) and 80 bits, for what must have the same id if its row is lost and made anew."""
    value = milliseconds << 80 | bits
    return prefix + "_" + "".join(_ALPHABET[value >> shift & 31] for shift in range(125, -1, -5))


def utc_now() -> datetime:
    """The present time, with its zone."""
    return datetime.now(UTC)


class Base(DeclarativeBase):
    """Base of every mapped class."""


PublicId = Annotated[str, mapped_column(String(40), primary_key=True)]
"""Prefixed id of a resource."""
RowId = Annotated[int, mapped_column(BigInteger, Identity(), primary_key=True)]
"""Key of rows that come in millions."""
Points = Annotated[int, mapped_column(BigInteger)]
"""Whole points; below 2^48."""
Address = Annotated[bytes, mapped_column(LargeBinary(20))]
"""20 bytes."""
Hash = Annotated[bytes, mapped_column(LargeBinary(32))]
"""32 bytes."""
Time = Annotated[datetime, mapped_column(DateTime(timezone=True))]
"""A time with zone."""


def make_engine(url: str, pool_size: int = 10) -> Engine:
    """An engine on `url` (`postgresql+psycopg://...`) whose connections speak UTC."""
    return create_engine(
        url, pool_size=pool_size, max_overflow=10, pool_pre_ping=True, connect_args={"options": "-c timezone=utc"}
    )


def make_sessions(engine: Engine) -> sessionmaker[Session]:
    """Sessions that keep loaded rows usable after their commit."""
    return sessionmaker(engine, expire_on_commit=False)


@contextmanager
def transaction(sessions: sessionmaker[Session]) -> Iterator[Session]:
    """One session, one transaction: committed when the block ends well, rolled back when it raises."""
    with sessions() as session, session.begin():
        yield session
