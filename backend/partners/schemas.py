"""Partner systems, postings and transfers as the API speaks of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field, model_validator

from backend.bodies import Body
from backend.members.schemas import IdText, Reference
from backend.partners.machine import ENDED_POSTINGS, ENDED_TRANSFERS, Call, Outcome, PostingState, TransferState
from backend.partners.models import PartnerCall, PartnerSystem, PartnerTransfer, Posting
from backend.points.schemas import PositivePoints, Word

Fact = Annotated[str, Field(max_length=200)]


class PartnerSystemPut(Body):
    """Where a brand's own points system takes the five calls."""

    base_url: str = Field(max_length=500, description="The calls go below it", examples=["https://points.example/ip"])
    timeout_seconds: int = Field(default=10, ge=1, le=30, description="How long an answer is waited for")
    new_secret: bool = Field(default=False, description="Replace the secret that signs the calls, at once")


class PartnerSystemRead(BaseModel):
    """A partner system. Its secret is never shown again."""

    programme_id: str
    base_url: str
    timeout_seconds: int
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, system: PartnerSystem) -> PartnerSystemRead:
        """From its row."""
        return cls(
            programme_id=system.programme_id,
            base_url=system.base_url,
            timeout_seconds=system.timeout_seconds,
            created_at=system.created_at,
            updated_at=system.updated_at,
        )


class PartnerSystemSet(PartnerSystemRead):
    """A partner system as it was set."""

    secret: str | None = Field(
        description="Checks the signatures (Standard Webhooks); shown this once when it is new, otherwise null"
    )


class ValidationCreate(Body):
    """A question to the brand's system: is there such a member?"""

    member_reference: Reference
    facts: dict[Word, Fact] = Field(
        default_factory=dict,
        max_length=10,
        description="What the member says of themselves, to be compared there; neither kept nor logged here",
    )


class ValidationRead(BaseModel):
    """What the brand's system said: yes (`succeeded`), no (`failed`), or nothing that is certain."""

    outcome: Outcome
    reason: str | None


class PartnerCallRead(BaseModel):
    """One call that was made."""

    call: Call
    outcome: Outcome
    http_status: int | None = Field(description="Null when no answer came")
    detail: str | None
    duration_ms: int
    created_at: datetime

    @classmethod
    def of(cls, call: PartnerCall) -> PartnerCallRead:
        """From its row."""
        return cls(
            call=Call(call.call),
            outcome=Outcome(call.outcome),
            http_status=call.http_status,
            detail=call.detail,
            duration_ms=call.duration_ms,
            created_at=call.created_at,
        )


class PostingRead(BaseModel):
    """Points of a swap on their way into a brand's own system."""

    id: str
    swap_id: str
    programme_id: str = Field(description="The destination programme")
    member_reference: str
    points: int
    state: PostingState
    partner_reference: str | None = Field(description="What the partner calls it")
    last_outcome: Outcome | None
    last_detail: str | None
    attempts: int = Field(description="Calls begun")
    next_attempt_at: datetime | None = Field(description="Null once it has ended")
    refundable_from: datetime | None = Field(description="End of the posting window (chain time)")
    refund_unreversed: bool
    operation_id: str | None = Field(description="The confirmation or refund on chain")
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, posting: Posting) -> PostingRead:
        """From its row."""
        state = PostingState(posting.state)
        return cls(
            id=posting.id,
            swap_id=posting.swap_id,
            programme_id=posting.programme_id,
            member_reference=posting.member_reference,
            points=posting.points,
            state=state,
            partner_reference=posting.partner_reference,
            last_outcome=Outcome(posting.last_outcome) if posting.last_outcome else None,
            last_detail=posting.last_detail,
            attempts=posting.attempts,
            next_attempt_at=None if state in ENDED_POSTINGS else posting.next_attempt_at,
            refundable_from=posting.refundable_from,
            refund_unreversed=posting.refund_unreversed,
            operation_id=posting.operation_id,
            created_at=posting.created_at,
            updated_at=posting.updated_at,
        )


class PostingDetail(PostingRead):
    """A posting with the last calls that were made for it."""

    calls: list[PartnerCallRead] = Field(description="Newest first, at most 100")


class ReversalCreate(Body):
    """Giving a posting up."""

    refund_unreversed: bool = Field(
        default=False,
        description="After the posting window: give the member the points back although the partner has not said that"
        " it undid the posting. The reversal stays owed",
    )


class TransferCreate(Body):
    """Points to be taken out of the member's account in the brand's own system, and issued on chain."""

    programme_id: IdText | None = Field(default=None, description="Required for the operator")
    member_reference: Reference | None = Field(default=None, description="The brand's customer number; or `member_id`")
    member_id: IdText | None = Field(default=None, description="Our member id; or `member_reference`")
    reference: Reference = Field(description="Yours; the same again answers the same transfer")
    points: PositivePoints

    @model_validator(mode="after")
    def _one_member(self) -> TransferCreate:
        if (self.member_id is None) == (self.member_reference is None):
            raise ValueError("give either `member_reference` or `member_id`")
        return self


class TransferRead(BaseModel):
    """A transfer into the chain."""

    id: str
    programme_id: str
    member_id: str
    reference: str
    points: int
    state: TransferState
    partner_reference: str | None
    last_outcome: Outcome | None
    last_detail: str | None
    attempts: int
    next_attempt_at: datetime | None
    operation_id: str | None = Field(description="The issue on chain")
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, transfer: PartnerTransfer, member_id: str) -> TransferRead:
        """From its row."""
        state = TransferState(transfer.state)
        return cls(
            id=transfer.id,
            programme_id=transfer.programme_id,
            member_id=member_id,
            reference=transfer.reference,
            points=transfer.points,
            state=state,
            partner_reference=transfer.partner_reference,
            last_outcome=Outcome(transfer.last_outcome) if transfer.last_outcome else None,
            last_detail=transfer.last_detail,
            attempts=transfer.attempts,
            next_attempt_at=None if state in ENDED_TRANSFERS else transfer.next_attempt_at,
            operation_id=transfer.operation_id,
            created_at=transfer.created_at,
            updated_at=transfer.updated_at,
        )


class TransferDetail(TransferRead):
    """A transfer with the last calls that were made for it."""

    calls: list[PartnerCallRead] = Field(description="Newest first, at most 100")
