"""Events, accruals and uploads as the API speaks of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, JsonValue, model_validator

from backend.bodies import Body, WrittenTime
from backend.hexes import AddressText, HashText
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


RedemptionState = Literal[
    "reserving", "reserved", "capturing", "releasing", "released", "redeeming", "redeemed", "failed"
]
OperationState = Literal["pending", "sent", "mined", "final", "failed"]
ReturnState = Literal["waiting", "clawing_back", "settled"]


class EventCreate(Body):
    """Something that may earn points. Its reference comes once per programme."""

    programme_id: IdText | None = Field(default=None, description="Required for the operator")
    reference: Reference = Field(description="The brand's own number of the purchase")
    member_reference: Reference | None = Field(default=None, description="The brand's customer number; or `member_id`")
    member_id: IdText | None = Field(default=None, description="Our member id; or `member_reference`")
    kind: Word = "purchase"
    value: Money
    occurred_at: WrittenTime
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


class LotRead(BaseModel):
    """Points that share one expiry."""

    epoch: int
    points: int
    expires_at: datetime = Field(description="From this moment (chain time) they are worth nothing")


class HoldTerms(Body):
    """Asks to reserve points instead of spending them at once."""

    expires_in_seconds: int = Field(gt=0, le=90 * 86_400, description="How long (chain time) they stay reserved")


class SignedOrder(Body):
    """A wallet's signature of the typed data that POST /v1/redemptions/orders gave."""

    ref: HashText
    deadline: int = Field(ge=0, lt=1 << 48, description="As in the typed data, Unix seconds")
    hold_deadline: int | None = Field(default=None, ge=0, lt=1 << 48, description="As in the typed data of a hold")
    signature: str = Field(pattern=r"^0x([0-9a-fA-F]{2})+$", max_length=8194, description="EIP-712; EOA or ERC-1271")


class SpendCreate(Body):
    """Who spends how much."""

    programme_id: IdText | None = Field(default=None, description="Required for the operator")
    member_reference: Reference | None = Field(default=None, description="The brand's customer number; or `member_id`")
    member_id: IdText | None = Field(default=None, description="Our member id; or `member_reference`")
    points: PositivePoints
    hold: HoldTerms | None = Field(default=None, description="Reserve now, capture or release later")

    @model_validator(mode="after")
    def _one_member(self) -> Self:
        if (self.member_reference is None) == (self.member_id is None):
            raise ValueError("give either `member_reference` or `member_id`")
        return self


class RedemptionCreate(SpendCreate):
    """Spends points, or reserves them."""

    reference: Reference = Field(description="The brand's own number of the redemption")
    order: SignedOrder | None = Field(default=None, description="Required when the member has linked a wallet")
    mode: Mode = "commit"


class OrderCreate(SpendCreate):
    """Asks for what a wallet has to sign."""

    valid_seconds: int = Field(
        default=900, ge=1, le=86_400, description="How long the order can be relayed (chain time)"
    )


class OrderRead(BaseModel):
    """What the wallet has to sign, and what to send with the signature."""

    ref: HashText
    deadline: int
    hold_deadline: int | None
    account: AddressText
    typed_data: dict[str, JsonValue] = Field(description="For eth_signTypedData_v4")


class DryRunRedemption(BaseModel):
    """What a redemption would do; nothing is written."""

    mode: Literal["dry_run"] = "dry_run"
    possible: bool
    available_points: int
    lots: list[LotRead] = Field(description="The lots that would be used, earliest first")


class RedemptionRead(BaseModel):
    """Points spent or reserved.

    Immediate: *redeeming*, *redeemed* or *failed*. By way of a hold: *reserving*, *reserved*, then *capturing*,
    *redeemed* or *releasing*, *released*; or *failed*.
    """

    id: str
    programme_id: str
    member_id: str
    reference: str
    points: int = Field(description="Spent or reserved")
    captured_points: int | None = Field(description="Of a hold: what was captured")
    refunded_points: int = Field(description="Given back or on its way back")
    state: RedemptionState
    account: AddressText
    ref: HashText = Field(description="The redemption's ref on chain")
    hold_deadline: datetime | None
    lots: list[LotRead] | None = Field(description="What was spent, once the chain has done it")
    operation_id: str = Field(description="The latest operation")
    created_at: datetime


class CaptureCreate(Body):
    """Spends reserved points; the rest goes back."""

    points: PositivePoints | None = Field(default=None, description="How many; all when left out")


class RefundCreate(Body):
    """Gives spent points back, in part or whole; as often as wanted until all are given back."""

    reference: Reference = Field(description="The brand's own number of the refund")
    points: PositivePoints


class RefundRead(BaseModel):
    """Spent points given back into their original lots, latest-expiring first."""

    id: str
    redemption_id: str
    reference: str
    points: int
    expired_points: int | None = Field(description="Of them came too late, because their lot had expired; once mined")
    state: OperationState
    operation_id: str
    created_at: datetime


class OperationRead(BaseModel):
    """Something the chain was asked to do: *pending*, *sent*, *mined*, *final*; or *failed*, once that is certain."""

    id: str
    programme_id: str | None
    kind: str
    subject: str | None = Field(description="Id of what it is about")
    state: OperationState
    error_code: str | None = Field(description="The contract's error, or ours")
    error_detail: str | None
    transaction_hash: HashText | None
    block_number: int | None
    created_at: datetime
    updated_at: datetime


class ReturnCreate(Body):
    """Goods brought back."""

    reference: Reference = Field(description="The brand's own number of the return")
    value: Money = Field(description="What of the purchase's value is given back to the customer")


class ReturnRead(BaseModel):
    """A return and what became of its points.

    *waiting* until the credit is mined, *clawing_back* while the chain works, *settled* when nothing can change.
    """

    id: str
    event_id: str
    reference: str
    value: Money
    points: int = Field(description="Points that the returned part had earned")
    reversed_points: int = Field(description="Taken back before they reached the chain")
    clawback_points: int = Field(description="Asked of the chain")
    taken_points: int | None = Field(description="What the chain took; null until that is final")
    forgiven_points: int = Field(description="Stay with the member, because the clawback window had closed")
    shortfall_points: int | None = Field(description="Netted from later earnings; null until that is final")
    state: ReturnState
    outcome: str = Field(description="The same in a sentence")
    operation_id: str | None
    created_at: datetime


class ReceiptRead(BaseModel):
    """Proof that a purchase was credited: OpenZeppelin StandardMerkleTree, leaf types address, uint256, bytes32.

    `event_hash` is keccak256 of the 16 bytes `salt` and the event's reference; `root` is the batch id on chain.
    """

    event_id: str
    chain_id: int
    token: AddressText
    account: AddressText
    points: int = Field(description="Credited for this event")
    reference: str
    salt: str
    event_hash: HashText
    leaf: HashText
    proof: list[HashText]
    root: HashText
    batch_id: str
    operation_id: str
    transaction_hash: HashText | None
    block_number: int | None
