"""Quotes and swaps as the API speaks of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Discriminator, Field, JsonValue, Tag, model_validator

from backend.bodies import LAST_SECOND, Body, UtcTime
from backend.exchange.identifiers import LaneText
from backend.exchange.lane_schemas import Reason
from backend.exchange.settlement_money import SettlementMoney
from backend.exchange.states import SwapState
from backend.hexes import AddressText, HashText
from backend.members.schemas import IdText, Reference
from backend.points.schemas import LotRead, Mode, PositivePoints

LONGEST_ORDER_SECONDS = 86_400
DEFAULT_ORDER_SECONDS = 900
DEFAULT_DEADLINE_SECONDS = 600
CROSSING_DEADLINE_SECONDS = 3_600
"""The usual deadline to another chain: until then a swap waits to be minted there, after it it is refused."""


class MemberNamed(Body):
    """Names a member, unless it is the member who asks."""

    member_reference: Reference | None = Field(
        default=None, description="The asking programme's customer number; or `member_id`. Not for members"
    )
    member_id: IdText | None = Field(default=None, description="Our member id; or `member_reference`")

    @model_validator(mode="after")
    def _at_most_one(self) -> Self:
        if self.member_reference is not None and self.member_id is not None:
            raise ValueError("give either `member_reference` or `member_id`")
        return self


class SwapAmounts(MemberNamed):
    """What is swapped."""

    lane_id: LaneText
    max_points_in: PositivePoints = Field(description="Most points to give; only as many are taken as the rest needs")
    quote_id: IdText | None = Field(default=None, description="A signed quote: its bonus is added")
    recipient: AddressText | None = Field(
        default=None,
        description="Where the lane leads to another chain: the account there that gets the points, as the"
        " destination's own deployment names it (`account` of the enrolment). Refused on other lanes",
    )


class DryRunQuoteCreate(SwapAmounts):
    """Asks what a swap would come to now."""

    mode: Literal["dry_run"] = "dry_run"


class SignedQuoteCreate(MemberNamed):
    """Asks for a transfer bonus to be signed for one member, in the destination programme's name."""

    mode: Literal["signed"]
    lane_id: LaneText
    account: AddressText | None = Field(
        default=None,
        description="Where the lane leads to another chain, instead of the member: the source's account that gives,"
        " since the destination's customers are not known here",
    )
    bonus_bps: int = Field(strict=True, ge=1, le=10_000, description="Extra points out, in 0.01 % of the points out")
    max_points_in: PositivePoints = Field(description="Most points in that it is good for")
    valid_seconds: int = Field(
        default=86_400, strict=True, ge=60, le=31_536_000, description="How long it is good (chain time)"
    )


def _mode(body: object) -> object:
    """Which of the two is asked for, so that a mistake is explained for that one only."""
    mode = body.get("mode", "dry_run") if isinstance(body, dict) else getattr(body, "mode", None)
    return mode if isinstance(mode, str) else None


QuoteCreate = Annotated[
    Annotated[DryRunQuoteCreate, Tag("dry_run")] | Annotated[SignedQuoteCreate, Tag("signed")],
    Discriminator(
        _mode,
        custom_error_type="mode",
        custom_error_message="the body is an object whose `mode` is `dry_run` or `signed`",
    ),
]


class DryRunSwap(BaseModel):
    """What a swap would come to now; nothing is written."""

    mode: Literal["dry_run"] = "dry_run"
    possible: bool
    reasons: list[Reason] = Field(description="Why it would be refused; empty when possible")
    lane_id: str
    version: int | None = Field(description="Number of the terms in force")
    points_in: int | None = Field(description="Taken: the fewest that give `points_out`; null without terms or price")
    points_out: int | None = Field(description="Given, bonus included")
    bonus_points: int | None = Field(description="Of `points_out`")
    settlement: SettlementMoney | None = Field(description="What the source programme would owe the destination")
    lots_in: list[LotRead] = Field(description="The lots that would be given, earliest first")
    lots_out: list[LotRead] | None = Field(
        description="What the member would get, with its expiry; null when the destination keeps its own points, or"
        " mints them on another chain"
    )
    available_points: int = Field(description="What the member can give now")
    available_points_out: int | None = Field(description="What the lane's daily cap still allows; null without terms")
    as_of: datetime = Field(
        description="Time of the newest block that these numbers know. `possible` also says that the chain itself would"
        " give them in its own newest block"
    )


class QuoteRead(BaseModel):
    """A transfer bonus that the destination programme signed for one account. It works once."""

    id: str
    lane_id: str
    version: int = Field(description="The lane's terms that it is for")
    programme_id: str = Field(description="The destination programme")
    member_id: str
    account: AddressText
    max_points_in: int
    bonus_bps: int
    expires_at: datetime
    state: Literal["open", "used", "expired"]
    swap_hash: HashText | None = Field(description="Id on chain of the swap that used it")
    quote_hash: HashText = Field(description="Its id on chain")
    signer: AddressText
    signature: str = Field(description="EIP-712, for those who swap without us")
    created_at: datetime


class SignedSwapOrder(Body):
    """A wallet's signature of the typed data that POST /v1/swaps/orders gave."""

    ref: HashText
    deadline: int = Field(ge=0, le=LAST_SECOND, description="As in the typed data, Unix seconds")
    chain_id: int | None = Field(
        default=None, ge=1, lt=1 << 63, description="Of the typed data that was signed; another network's is refused"
    )
    signature: str = Field(pattern=r"^0x([0-9a-fA-F]{2})+$", max_length=8194, description="EIP-712; EOA or ERC-1271")


class SwapOrderCreate(SwapAmounts):
    """Asks for what a wallet has to sign to swap."""

    min_points_out: PositivePoints
    valid_seconds: int | None = Field(
        default=None,
        ge=1,
        le=LONGEST_ORDER_SECONDS,
        description=f"How long the order can be relayed (chain time); default {DEFAULT_ORDER_SECONDS}, and"
        f" {CROSSING_DEADLINE_SECONDS} to another chain, where it is also how long the swap may wait",
    )


class SwapOrderRead(BaseModel):
    """What the wallet has to sign, and what to send with the signature."""

    ref: HashText
    deadline: int
    chain_id: int
    account: AddressText
    typed_data: dict[str, JsonValue] = Field(description="For eth_signTypedData_v4")


class SwapCreate(SwapAmounts):
    """Swaps a member's points. The same reference again answers the swap that is there."""

    reference: Reference = Field(description="The caller's own number of the swap")
    min_points_out: PositivePoints = Field(description="Fewest points to get; otherwise nothing is moved")
    deadline: UtcTime | None = Field(
        default=None,
        description=f"Last moment (chain time); default: {DEFAULT_DEADLINE_SECONDS} seconds from now, or"
        f" {CROSSING_DEADLINE_SECONDS} to another chain, where a swap waits until then and seven days at most",
    )
    order: SignedSwapOrder | None = Field(default=None, description="Required when the member has linked a wallet")
    mode: Mode = "commit"


class SwapProblem(BaseModel):
    """Why the chain refused a swap. Nothing was moved."""

    code: str = Field(description="The contract's error, or ours")
    detail: str | None
    what_to_do: str


class CrossingRead(BaseModel):
    """A burnt swap on its way to another chain, and what is known of its arrival."""

    chain_id: int = Field(description="Where its points are minted")
    exchange: AddressText | None = Field(description="The exchange there; null while this deployment is not linked")
    number: int = Field(description="The lane's swaps are counted at its source, from 1")
    message_id: HashText = Field(description="By which the bridge's logs and `interpoints bridge status` know it")
    outcome: Literal["unknown", "minted", "refused"] = Field(
        description="By that chain's final blocks. *refused*: its refund is on its way back"
    )
    where_to_look: str | None = Field(description="While the outcome is not known here: how to learn it")


class SwapRead(BaseModel):
    """Points exchanged, or asked to be.

    *pending*: not sent yet; *sent*; *posting*: burnt, and the destination's own system is asked to post the points;
    *crossing*: burnt, and on its way to another chain; *completed*; *refunded*: given back into the original lots;
    *failed*: the chain refused, nothing was moved.
    """

    id: str
    lane_id: str
    source_programme_id: str
    destination_programme_id: str
    member_id: str | None = Field(description="Null for the destination programme, when it is not their member")
    reference: str | None = Field(description="The asker's own number; only the asker, operator and auditors see it")
    state: SwapState
    max_points_in: int
    min_points_out: int
    points_in: int | None = Field(description="Taken, once the chain has done it")
    points_out: int | None = Field(description="Given, once the chain has done it")
    expected_points_in: int
    expected_points_out: int
    lots_in: list[LotRead] | None = Field(description="What was taken, earliest first")
    lots_out: list[LotRead] | None = Field(description="What was given on this chain, with its expiry")
    lots_refunded: list[LotRead] | None = Field(description="What was given back")
    expired_points: int | None = Field(description="Of a refund: points whose lots had expired meanwhile")
    settlement: SettlementMoney | None = Field(description="What the source owes the destination for it")
    quote_id: str | None
    deadline: datetime
    crossing: CrossingRead | None = Field(description="Of a swap to another chain, once it is burnt")
    refundable_from: datetime | None = Field(description="While posting: from then on anyone can have it refunded")
    account: AddressText = Field(description="Gave the points")
    recipient: AddressText = Field(description="Gets them")
    swap_hash: HashText = Field(description="The swap's id on chain")
    error: SwapProblem | None
    operation_id: str | None = Field(description="Null for the destination programme, which cannot see it")
    created_at: datetime
