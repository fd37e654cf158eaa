"""Tables of quotes and swaps.

Lanes have no table: what was proposed, agreed and stopped is on the chain, and read from the projection.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Address, Base, Hash, Points, PublicId, Time


class ExchangeQuote(Base):
    """A transfer bonus signed by the destination programme for one member. Used when a burn of the chain names it."""

    __tablename__ = "exchange_quotes"
    __table_args__ = (
        Index("ix_exchange_quotes_lane", "lane_id"),
        Index("ix_exchange_quotes_enrolment", "enrolment_id"),
    )

    id: Mapped[PublicId]  # qte_
    programme_id: Mapped[str] = mapped_column(ForeignKey("programmes.id"))
    """The destination programme, which signed it."""
    enrolment_id: Mapped[str] = mapped_column(ForeignKey("enrolments.id"))
    """The member's enrolment in the source programme."""
    lane_id: Mapped[Hash]
    version: Mapped[int]
    quote_id: Mapped[Hash] = mapped_column(unique=True)
    """Its id on chain: 32 random bytes."""
    account: Mapped[Address]
    max_points_in: Mapped[Points]
    bonus_bps: Mapped[int]
    expires_at: Mapped[Time]
    signer: Mapped[Address]
    signature: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[Time]


class Swap(Base):
    """Points exchanged, or asked to be. The state is not kept: it follows from the operation and the projection.

    What came of it (points in and out, lots, refund) is in `token_events` under `swap_hash`.
    """

    __tablename__ = "swaps"
    __table_args__ = (
        UniqueConstraint("requester", "reference"),
        Index("ix_swaps_enrolment", "enrolment_id"),
        Index("ix_swaps_source", "programme_id", "id"),
        Index("ix_swaps_destination", "destination_programme_id", "id"),
        Index("ix_swaps_lane", "lane_id", "id"),
        Index("ix_swaps_operation", "operation_id"),
    )

    id: Mapped[PublicId]  # swp_
    programme_id: Mapped[str] = mapped_column(ForeignKey("programmes.id"))
    """The source programme."""
    destination_programme_id: Mapped[str] = mapped_column(ForeignKey("programmes.id"))
    enrolment_id: Mapped[str] = mapped_column(ForeignKey("enrolments.id"))
    destination_enrolment_id: Mapped[str | None] = mapped_column(ForeignKey("enrolments.id"))
    """Empty when the points go to an account on another chain."""
    requester: Mapped[str] = mapped_column(String(40))
    """Whose reference it is: the source programme's id, or the member's who asked in person."""
    reference: Mapped[str] = mapped_column(String(64))
    ref: Mapped[Hash]
    """The ref on chain: 32 random bytes."""
    swap_hash: Mapped[Hash] = mapped_column(unique=True)
    """`swapIdOf(account, ref)`: the swap's id on chain."""
    lane_id: Mapped[Hash]
    account: Mapped[Address]
    recipient: Mapped[Address]
    max_points_in: Mapped[Points]
    min_points_out: Mapped[Points]
    expected_points_in: Mapped[Points]
    """By the terms known when it was asked for."""
    expected_points_out: Mapped[Points]
    deadline: Mapped[Time]
    quote_id: Mapped[str | None] = mapped_column(ForeignKey("exchange_quotes.id"))
    operation_id: Mapped[str] = mapped_column(ForeignKey("operations.id"))
    created_at: Mapped[Time]


class Crossing(Base):
    """What became of a swap on another chain, learnt from that chain's final blocks. Written once the burn is final.

    It is kept when the projection is rebuilt: only asking the other chain again could restore it.
    """

    __tablename__ = "crossings"
    __table_args__ = (
        Index("ix_crossings_open", "chain_id", "next_check_at", postgresql_where=text("outcome IS NULL")),
    )

    swap_id: Mapped[str] = mapped_column(ForeignKey("swaps.id"), primary_key=True)
    chain_id: Mapped[int] = mapped_column(BigInteger)
    """The other chain."""
    lane_id: Mapped[Hash]
    number: Mapped[int] = mapped_column(BigInteger)
    """Of the lane's swaps, counted at its source."""
    outcome: Mapped[str | None] = mapped_column(String(8))
    """minted or refused; empty while the other chain has not decided."""
    block_number: Mapped[int | None] = mapped_column(BigInteger)
    """The final block of the other chain by which it is known."""
    found_at: Mapped[Time]
    """When its burn was seen to be final."""
    next_check_at: Mapped[Time]
