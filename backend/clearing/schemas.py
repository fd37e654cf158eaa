"""Positions, cycles and statements as the API speaks of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import Path
from pydantic import BaseModel, Field

from backend.bodies import Body
from backend.clearing.money import SignedMoney
from backend.exchange.settlement_money import SettlementMoney
from backend.hexes import AddressText, HashText
from backend.members.schemas import IdText, Reference
from backend.points.schemas import OperationRead, OperationState

CycleState = Literal["open", "settling", "settled"]
AlertKind = Literal["near_cap", "over_cap", "payment_due", "payment_overdue", "in_default"]
MAX_NOTE_CHARACTERS = 4000
CycleNumber = Annotated[int, Path(ge=1, lt=1 << 32, description="Number of the cycle, from 1")]


class CurrencyRead(BaseModel):
    """The settlement currency: an ERC-20 that stands for money."""

    code: str = Field(description="ISO 4217 code of the money that it stands for")
    symbol: str
    decimals: int
    address: AddressText


class PartyRead(BaseModel):
    """A programme that takes part."""

    programme_id: str | None = Field(description="Null when this installation does not know it")
    slug: str


class ClearingRead(BaseModel):
    """The clearing house as of a block."""

    address: AddressText
    chain_id: int
    currency: CurrencyRead
    open_cycle: int
    closes_at: datetime | None = Field(description="From then on the open cycle can be closed")
    settling_cycle: int | None = Field(description="Cycle that is being paid; null when all are settled")
    payment_deadline: datetime | None = Field(description="Until then what is due can be paid without consequences")
    cycle_seconds: int
    payment_seconds: int
    programmes: list[PartyRead] = Field(description="In order of joining")
    block_number: int
    as_of: datetime = Field(description="Time of that block")


class ExposureRead(BaseModel):
    """What a programme owes against what it may owe."""

    uncovered: SettlementMoney = Field(description="Owed beyond credit lines, over all partners, both cycles")
    uncovered_open: SettlementMoney = Field(description="The same of the open cycle alone")
    cover: SettlementMoney = Field(description="Collateral and payments, less what is reserved")
    used_percent: float | None = Field(
        description="Of what it may owe, towards the partner where it is highest; null when it may owe nothing"
    )


class PartnerPositionRead(BaseModel):
    """Where a programme stands with one partner."""

    programme_id: str | None
    slug: str
    open: SignedMoney = Field(description="Net of the open cycle")
    due: SignedMoney = Field(description="Net of the cycle being settled")
    credit_line_given: SettlementMoney = Field(description="What the partner may owe without collateral")
    credit_line_received: SettlementMoney = Field(description="What may be owed to the partner without collateral")
    available: SettlementMoney = Field(description="How much more can be owed to the partner now")
    used_percent: float | None = Field(description="Owed, of what may be owed to the partner")
    claim: SettlementMoney = Field(description="Still owed by the partner after its default")
    claimed: SettlementMoney = Field(description="Still owed to the partner after an own default")


class PositionRead(BaseModel):
    """Where a programme stands, and with whom."""

    programme_id: str | None
    slug: str
    open: SignedMoney = Field(description="Net of the open cycle")
    due: SignedMoney = Field(description="Net of the cycle being settled")
    paid: SettlementMoney = Field(description="Paid of what is due")
    outstanding: SettlementMoney = Field(description="Still to pay of what is due")
    collateral: SettlementMoney
    reserved: SettlementMoney = Field(description="Part of it set aside for swaps that wait for their destination")
    withdrawable: SettlementMoney = Field(description="As of the block: orders under way are not taken off yet")
    exposure: ExposureRead
    claims: SettlementMoney = Field(description="Still owed to others after a default: by how much it is short")
    in_default: bool
    partners: list[PartnerPositionRead]
    block_number: int
    as_of: datetime


class CycleRead(BaseModel):
    """A settlement cycle."""

    number: int
    state: CycleState
    opened_at: datetime | None
    closed_at: datetime | None
    payment_deadline: datetime | None
    settled_at: datetime | None
    swaps: int = Field(description="Bookings that the caller may see: all, or those the programme is part of")


class StatementLine(BaseModel):
    """What a cycle left between a programme and one partner. `net` = owing − owed + taken out."""

    programme_id: str | None
    slug: str
    swaps_out: int = Field(description="Swaps to the partner")
    owed: SettlementMoney = Field(description="What they left owing the partner")
    swaps_in: int = Field(description="Swaps from the partner")
    owing: SettlementMoney = Field(description="What they left the partner owing")
    taken_out: SignedMoney = Field(description="What defaults took out of the netting")
    net: SignedMoney


class PaidRead(BaseModel):
    """How what was due was paid."""

    with_money: SettlementMoney
    from_collateral: SettlementMoney
    enforced: SettlementMoney = Field(description="Part of `from_collateral` that was taken after the deadline")
    returned: SettlementMoney = Field(description="Came back, because a default changed what was due")


class OpeningRead(BaseModel):
    """What a programme came into the cycle with."""

    collateral: SettlementMoney
    claims: SettlementMoney = Field(description="Still owed by it after a default")
    claimed: SettlementMoney = Field(description="Still owed to it by programmes in default")


class DisputeRead(BaseModel):
    """A programme's note on a closed cycle; its keccak256 is on the chain. `note` is null unless it was given here."""

    id: str | None
    programme_id: str | None
    slug: str
    cycle: int
    reference: str | None
    note: str | None
    note_hash: HashText
    state: OperationState = Field(description="Of its transaction")
    operation_id: str | None
    transaction_hash: HashText | None
    created_at: datetime


class StatementRead(BaseModel):
    """A programme's account of one cycle. The lines add up to `net`, which is what the chain advised once closed."""

    programme_id: str | None
    slug: str
    cycle: CycleRead
    opening: OpeningRead
    lines: list[StatementLine]
    swaps_out: int
    owed: SettlementMoney
    swaps_in: int
    owing: SettlementMoney
    taken_out: SignedMoney
    net: SignedMoney
    due: SignedMoney | None = Field(description="As advised on chain; null while the cycle is open")
    paid: PaidRead
    received: SettlementMoney = Field(description="Added to the collateral by the settlement")
    defaulted: bool
    disputes: list[DisputeRead] = Field(description="On the chain, of all programmes; notes as the caller may see them")


class EntryRead(BaseModel):
    """One booking: what one swap left owing."""

    cycle: int
    direction: Literal["owed", "owing"] = Field(description="`owed`: by the programme; `owing`: to it")
    partner_programme_id: str | None
    partner_slug: str
    amount: SignedMoney
    swap_hash: HashText
    transaction_hash: HashText
    block_number: int
    log_index: int
    booked_at: datetime


class AlertRead(BaseModel):
    """Something about a programme's position that wants attention; raised once, until it is over."""

    id: str
    programme_id: str
    slug: str
    kind: AlertKind
    used: SettlementMoney = Field(description="What it concerns: owed, or to be paid")
    limit: SettlementMoney = Field(description="What that may be, or was")
    raised_at: datetime
    cleared_at: datetime | None


# Writes


class DepositCreate(Body):
    """Collateral posted with the treasurer's own money."""

    programme_id: IdText | None = Field(default=None, description="Required for the operator")
    amount: SettlementMoney


class WithdrawalCreate(Body):
    """Collateral that covers nothing, paid out to the treasurer's account and to no other."""

    programme_id: IdText | None = Field(default=None, description="Required for the operator")
    amount: SettlementMoney


class PaymentCreate(Body):
    """Pays what is due in the closed cycle."""

    programme_id: IdText | None = Field(default=None, description="Required for the operator")
    amount: SettlementMoney | None = Field(default=None, description="Default: all that is outstanding")
    source: Literal["money", "collateral"] = Field(
        default="money", description="The treasurer's own money, or collateral that covers nothing else"
    )


class CreditLineSet(Body):
    """What a partner may owe without collateral: the most that its default can cost."""

    programme_id: IdText | None = Field(default=None, description="Who gives it; required for the operator")
    amount: SettlementMoney


class JoinCreate(Body):
    """Takes part in the clearing."""

    programme_id: IdText | None = Field(default=None, description="Required for the operator")


class DisputeCreate(Body):
    """A note on a closed cycle. It stops nothing; its hash is logged on chain."""

    programme_id: IdText | None = Field(default=None, description="Required for the operator")
    reference: Reference = Field(description="The programme's own number of the dispute")
    note: str = Field(min_length=1, max_length=MAX_NOTE_CHARACTERS, pattern=r"^[^\x00]*$")


class EnforcementCreate(Body):
    """After the payment deadline: the debtor's collateral pays, or it is in default."""

    programme_id: IdText = Field(description="The debtor")


class DistributionCreate(Body):
    """Pays claims on a programme in default from its collateral, in proportion."""

    programme_id: IdText = Field(description="The programme in default")


class OrderRead(BaseModel):
    """What the chain was asked to do."""

    operation: OperationRead
    approval: OperationRead | None = Field(
        default=None, description="Sent before it: lets the house collect the treasurer's money"
    )


class EnforcementRead(OrderRead):
    """An enforcement, with what it would come to now."""

    outcome: Literal["collateral", "default"] = Field(
        description="`collateral` pays, or cannot and the programme is in default"
    )
