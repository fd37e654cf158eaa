"""Lanes as the API speaks of them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from backend.bodies import Body
from backend.exchange.settlement_money import SettlementMoney
from backend.exchange.terms import Terms
from backend.hexes import AddressText, HashText
from backend.members.schemas import IdText
from backend.points.schemas import LotRead, Mode

LaneWord = Literal["proposed", "open", "stopped", "ended", "withdrawn"]


class PartyRead(BaseModel):
    """One of the two programmes of a lane."""

    id: str
    slug: str
    name: str
    chain_id: int = Field(description="The chain on which its points live")


class AgreementRead(BaseModel):
    """Terms that both programmes agreed to."""

    version: int = Field(description="Number of the terms; grows with each agreement")
    terms_hash: HashText
    effective_from: datetime
    terms: Terms


class ProposalRead(BaseModel):
    """Terms that one programme offers and the other may accept as they are."""

    proposer_programme_id: str
    terms_hash: HashText = Field(description="Name it to accept exactly these terms")
    terms: Terms


class CapRead(BaseModel):
    """Points out of the last 24 hours, against the cap."""

    used_points_out: int = Field(description="By swaps on the chain, in the present six hours and the four before")
    leaving_points_out: int = Field(description="By swaps on their way to the chain")
    available_points_out: int


class LaneRead(BaseModel):
    """One direction between two programmes. Swaps begin on the source's chain; a lane to another one is agreed on both.

    *proposed*: not agreed yet; *open*; *stopped* by one of the two; *ended*: past the terms' last second; *withdrawn*:
    there is not even a proposal.
    """

    id: str
    source: PartyRead = Field(description="Whose points are given")
    destination: PartyRead = Field(description="Whose points are got")
    state: LaneWord
    exchange: AddressText = Field(description="The contract of this chain on which it is agreed")
    agreement: AgreementRead | None = Field(description="The terms in force, or the last ones")
    coming: AgreementRead | None = Field(description="Agreed terms whose notice runs")
    proposals: list[ProposalRead]
    cap: CapRead | None = Field(description="Of the terms in force")


class LaneCreate(Body):
    """Offers terms, in place of what the programme offered for this lane before."""

    programme_id: IdText | None = Field(default=None, description="Who offers; required for the operator")
    source: IdText = Field(description="Id or slug of the programme whose points are given")
    destination: IdText = Field(description="Id or slug of the programme whose points are got")
    terms: Terms
    mode: Mode = "commit"


class LaneAccept(Body):
    """Accepts exactly the terms that were read."""

    programme_id: IdText | None = Field(default=None, description="Who accepts; required for the operator")
    terms_hash: HashText = Field(description="`terms_hash` of the other programme's proposal")


class LaneAct(Body):
    """Withdraws a proposal, or stops a lane."""

    programme_id: IdText | None = Field(default=None, description="Who does; required for the operator")


class LaneChange(BaseModel):
    """A lane, and the operation that changes it. The lane shows the change once the chain has done it."""

    operation_id: str
    terms_hash: HashText | None = Field(description="Of the terms proposed or accepted")
    lane: LaneRead | None = Field(description="As it is now; null before its first proposal")


class Reason(BaseModel):
    """Why something would be refused."""

    code: str = Field(description="Last part of the problem's `type`")
    detail: str


class ExamplePrice(BaseModel):
    """What a swap would come to on these terms, without a bonus."""

    max_points_in: int
    points_in: int | None = Field(description="Null when the terms take no such swap")
    points_out: int | None
    settlement: SettlementMoney | None = Field(description="What the source would owe the destination for it")


class DryRunLane(BaseModel):
    """What a proposal would be; nothing is written."""

    mode: Literal["dry_run"] = "dry_run"
    possible: bool = Field(description="Whether it could be proposed and, as things are, accepted")
    reasons: list[Reason]
    lane_id: str
    terms_hash: HashText
    effective_from: datetime = Field(description="When the terms would come into force if they were accepted now")
    examples: list[ExamplePrice]


class LaneEventRead(BaseModel):
    """Something that happened to a lane, as the chain logged it."""

    kind: Literal["proposed", "withdrawn", "agreed", "stopped"]
    programme_id: str | None = Field(description="Who did it; of an agreement, who accepted")
    version: int | None = Field(description="Of an agreement")
    effective_from: datetime | None = Field(description="Of an agreement")
    terms_hash: HashText | None
    terms: Terms | None
    block_number: int
    block_time: datetime
    transaction_hash: HashText
    log_index: int


class ArrivalRead(BaseModel):
    """What became of a swap that came from another chain. The swap itself is the source's deployment's."""

    swap_hash: HashText = Field(description="The swap's id on both chains")
    outcome: Literal["minted", "refused"] = Field(description="*refused*: its refund is on its way back")
    reason: Literal["deadline_past", "lane_not_open", "price_differs"] | None = Field(description="Of a refusal")
    recipient: AddressText | None = Field(description="Got the points; null when refused")
    member_id: str | None = Field(description="Whose account that is, if it is a member's; the destination sees it")
    points_out: int | None
    lots_out: list[LotRead] | None = Field(description="What was given, with its expiry")
    message_id: HashText | None = Field(description="Of a refusal: by which the bridge's logs know the way back")
    block_number: int
    block_time: datetime
    transaction_hash: HashText
    log_index: int
