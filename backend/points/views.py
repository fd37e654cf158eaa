"""Balances and history as the API speaks of them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from backend.hexes import AddressText, HashText
from backend.points.schemas import LotRead

Source = Literal["projection", "chain"]


class BalanceRead(BaseModel):
    """A member's points in one programme, as of a block."""

    programme_id: str
    account: AddressText = Field(description="Where points are credited")
    source: Source = Field(description="Our projection of the chain, or the chain itself, asked just now")
    block_number: int
    block_time: datetime = Field(description="Chain time; expiry is judged by it")
    total_points: int = Field(description="Sum of the lots")
    available_points: int = Field(description="What can be spent now: the total less what is on its way out")
    locked_points: int = Field(description="Reserved by holds; not in the total")
    pending_points: int = Field(description="Earned and not credited on the chain yet; not in the total")
    shortfall_points: int = Field(description="Owed for returned purchases; netted from later earnings")
    lots: list[LotRead] = Field(description="Earliest expiry first")


class Balances(BaseModel):
    """A member's points in every programme that the caller may see."""

    member_id: str
    data: list[BalanceRead]


class EntryLot(BaseModel):
    """Part of a movement: points of one epoch, negative when they left."""

    epoch: int
    points: int


class HistoryEntry(BaseModel):
    """A movement of points on the chain, by one log."""

    programme_id: str
    kind: str = Field(
        description="issue, redeem, refund, clawback, hold, capture, release, expire, transfer, link, swap (given or"
        " got, by the sign), swap_refund or crosschain"
    )
    points: int = Field(description="Change of the member's points; negative when they left")
    lots: list[EntryLot]
    counterparty: AddressText = Field(description="The other side; the zero address for points that came or ended")
    ref: HashText | None
    subject: str | None = Field(description="Id of what it was for: a batch, redemption, return or swap")
    transaction_hash: HashText
    block_number: int
    block_time: datetime
    log_index: int
