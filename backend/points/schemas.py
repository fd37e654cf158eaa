"""Events, accruals and uploads as the API speaks of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, Field, model_validator

from backend.members.schemas import IdText, Reference
from backend.money import Money

Label = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""A short text of the brand's own."""
Word = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,23}$")]
"""A lower-case word such as `purchase` or `web_shop`."""
Mode = Literal["commit", "dry_run"]
"""`dry_run` answers what would happen and writes nothing."""
PositivePoints = Annotated[int, Field(gt=0, lt=1 << 48, strict=True)]
"""A number of points."""
AccrualState = Literal["pending", "batched", "credited", "final", "reversed", "netted", "none"]


class EventCreate(BaseModel):
    """Something that may earn points. Its reference comes once per programme."""

    programme_id: IdText | None = Field(default=None, description="Required for the operator")
    reference: Reference = Field(description="The brand's own number of the purchase")
    member_reference: Reference | None = Field(default=None, description="The brand's customer number; or `member_id`")
    member_id: IdText | None = Field(default=None, description="Our member id; or `member_reference`")
    kind: Word = "purchase"
    value: Money
    occurred_at: AwareDatetime
    location: Label | None = None
    channel: Word | None = None
    mode: Mode = "commit"

    @model_validator(mode="after")
    def _one_member(self) -> EventCreate:
        if (self.member_reference is None) == (self.member_id is None):
            raise ValueError("give either `member_reference` or `member_id`")
        if not 1970 <= self.occurred_at.year <= 2148:
            raise ValueError("`occurred_at` is outside the years 1970 to 2148")
        return self


class AccrualRead(BaseModel):
    """Points earned by an event.

    *pending* until `matures_at` and the next batch; *batched* on its way to the chain; *credited* when mined; *final*
    when its block is. *reversed*: taken back before; *netted*: all kept back for a shortfall; *none*: earned nothing.
    """

    id: str
    points: int
    state: AccrualState
    reversed_points: int = 0
    netted_points: int = 0
    matures_at: datetime
    batch_id: str | None = None
    operation_id: str | None = None


class EventRead(BaseModel):
    """An event and what it earned."""

    id: str | None = Field(description="Null in a dry run")
    programme_id: str
    member_id: str
    reference: str
    kind: str
    value: Money
    occurred_at: datetime
    location: str | None
    channel: str | None
    received_at: datetime | None
    accrual: AccrualRead | None


class DryRunEvent(BaseModel):
    """What an event would earn; nothing is written."""

    mode: Literal["dry_run"] = "dry_run"
    programme_id: str
    member_id: str
    points: int
    matures_at: datetime


class UploadRead(BaseModel):
    """A bulk upload of events and what came of it."""

    id: str
    programme_id: str
    state: Literal["processing", "completed"]
    accepted_count: int = Field(description="Rows taken in")
    processed_count: int = Field(description="Rows looked at so far")
    duplicate_count: int = Field(description="Rows whose event was known with the same content")
    rejected_count: int = Field(description="Rows that could not become an event; see the rejections")
    created_at: datetime
    completed_at: datetime | None


class RejectionRead(BaseModel):
    """A row that could not become an event."""

    line_number: int
    reference: str
    reason: str = Field(description="Stable code, such as unknown_member")
    detail: str
