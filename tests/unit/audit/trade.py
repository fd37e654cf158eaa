"""A lane from grocer to fuel and logs of swaps on it that agree with each other, to be altered by tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count

from eth_utils.crypto import keccak

from backend.audit.lanes import LaneBook
from backend.audit.legs import Leg
from backend.audit.orders import OrderRules
from backend.audit.report import Report
from backend.audit.roles import RolesReplay
from backend.audit.spool import open_spool
from backend.audit.swap_context import SwapContext
from backend.audit.swaps import SwapRules
from backend.audit.transactions import Call
from backend.chain.clearing_events import DebtBooked, DebtReserved, ReservationEnded
from backend.chain.client import ChainClient
from backend.chain.event_types import ChainEvent, CrosschainBurn, CrosschainMint, Lot, RoleGranted
from backend.chain.exchange_events import (
    LaneAgreed,
    LaneProposed,
    SwapBurnt,
    SwapMinted,
    SwapPending,
    SwapPosted,
    SwapRefunded,
)
from backend.chain.exchange_types import NO_QUOTE_ID, LaneTerms, PendingSwap
from backend.chain.lane_pricing import carry, price
from backend.chain.manifest import ProgrammeEntry, TermsEntry
from backend.chain.points_exchange import lane_id, swap_hash
from backend.chain.programme_registry import programme_id
from backend.chain.signers import DevSigners

CHAIN_ID = 31337
DAY = 86_400
NOW = 1_000 * DAY
NOTICE = 3_600
EXCHANGE, HOUSE = b"\xee" * 20, b"\xc0" * 20
ALICE, BOB = b"\xa1" * 20, b"\xb0" * 20
GROCER, FUEL = programme_id("grocer"), programme_id("fuel")
TOKENS = {GROCER: b"\x61" * 20, FUEL: b"\xf0" * 20}
LANE = lane_id(CHAIN_ID, GROCER, FUEL)
TERMS = LaneTerms(
    rate_numerator=3,
    rate_denominator=2,
    fee_bps=100,
    max_bonus_bps=2_000,
    minimum_in=10,
    daily_cap_out=10_000,
    valid_until=NOW + 365 * DAY,
    settlement_price=12_345,
    carry_expiry=True,
    posted=False,
)
SIGNERS = DevSigners(CHAIN_ID)
TREASURER, QUOTER, CUSTODIAN, HOLDER, STRANGER, ISSUER = SIGNERS.addresses()[1:7]
_logs = count()


def entry(slug: str, epoch_length_days: int, validity_epochs: int) -> ProgrammeEntry:
    terms = TermsEntry(
        epoch_length_seconds=epoch_length_days * DAY,
        validity_epochs=validity_epochs,
        clawback_epochs=0,
        supply_cap_points=10**9,
        transferable=True,
    )
    someone = "0x" + "01" * 20
    return ProgrammeEntry(
        slug=slug,
        name=slug,
        symbol=slug[:4],
        token="0x" + TOKENS[programme_id(slug)].hex(),
        code_hash="0x" + "00" * 32,
        block=1,
        terms=terms,
        issuer=someone,
        custodian=someone,
        admin=someone,
    )


PROGRAMMES = {GROCER: entry("grocer", 30, 4), FUEL: entry("fuel", 7, 10)}


def where(contract: bytes = EXCHANGE) -> tuple[bytes, int, bytes, int]:
    return contract, 9, b"\x99" * 32, next(_logs)


@dataclass
class Swap:
    """The logs of one swap, in order: burn leg, ending, and what goes with them."""

    burnt: SwapBurnt
    ending: SwapMinted | SwapPending
    burn: Leg
    mint: Leg | None
    debts: list[ChainEvent]

    def log(self, **changes: object) -> None:
        """Alters the log of the burn."""
        self.burnt = replace(self.burnt, **changes)  # type: ignore[arg-type]

    def end(self, **changes: object) -> None:
        """Alters the log of the ending."""
        self.ending = replace(self.ending, **changes)  # type: ignore[arg-type]


@dataclass
class Market:
    """Rules over an exchange whose logs are made here."""

    context: SwapContext
    rules: SwapRules
    orders: OrderRules
    suspended: set[bytes]
    roles: dict[bytes, RolesReplay] = field(default_factory=dict)

    @property
    def failed(self) -> dict[str, list[str]]:
        """Details of all failures, by check."""
        checks = self.context.report.checks
        return {check.id: [each.detail for each in check.findings] for check in checks if not check.passed}

    def agree(
        self, terms: LaneTerms = TERMS, version: int = 1, effective_from: int = NOW, now: int = NOW
    ) -> list[ChainEvent]:
        """Grocer proposes and fuel accepts."""
        proposed = LaneProposed(*where(), LANE, GROCER, FUEL, GROCER, terms)
        agreed = LaneAgreed(*where(), LANE, version, effective_from, terms)
        self.rules.apply([proposed], {}, [], now)
        self.rules.apply([agreed], {}, [], now)
        return [proposed, agreed]

    def play(self, swap: Swap, now: int = NOW) -> None:
        """The swap's transaction."""
        legs: dict[bytes, list[Leg]] = {TOKENS[GROCER]: [swap.burn]}
        if swap.mint is not None:
            legs[TOKENS[FUEL]] = [swap.mint]
        self.rules.apply([swap.burnt, swap.ending], legs, swap.debts, now)

    def end(self, *events: ChainEvent, restored: Leg | None = None, debts: tuple[ChainEvent, ...] = ()) -> None:
        """A transaction that ends a swap that was waiting."""
        legs = {} if restored is None else {TOKENS[GROCER]: [restored]}
        self.rules.apply(events, legs, debts, NOW)


@contextmanager
def market(client: ChainClient | None = None) -> Iterator[Market]:
    """An exchange and a house, with no lanes yet. Without a `client` nothing may be asked of a node."""
    report = Report(CHAIN_ID, "0x" + "00" * 32, 0, 9)
    report.add_exchange_checks()
    report.add_clearing_checks()
    suspended: set[bytes] = set()
    roles = {token: RolesReplay() for token in TOKENS.values()}
    for token in TOKENS.values():
        holders = {"LANE_ROLE": TREASURER, "QUOTER_ROLE": QUOTER, "CUSTODIAN_ROLE": CUSTODIAN, "ISSUER_ROLE": ISSUER}
        for role, holder in holders.items():
            roles[token].apply(RoleGranted(*where(token), keccak(text=role), holder, TREASURER))
    with open_spool() as spool:
        lanes = LaneBook(CHAIN_ID, NOTICE, report.check("lanes"))
        context = SwapContext(report, lanes, PROGRAMMES, EXCHANGE, has_house=True, spool=spool)
        orders = OrderRules(context, roles, client or ChainClient(["http://127.0.0.1:9"]))
        yield Market(context, SwapRules(context, suspended), orders, suspended, roles)


def leg(token: bytes, lots: tuple[Lot, ...], *, account: bytes, burn: bool, caller: bytes = EXCHANGE) -> Leg:
    """A burn or mint by the exchange."""
    amount = sum(lot.amount for lot in lots)
    if burn:
        return Leg(CrosschainBurn(*where(token), account, amount, caller), lots, lots)
    return Leg(CrosschainMint(*where(token), account, amount, caller), lots)


def swap(
    points: int = 100,
    *,
    terms: LaneTerms = TERMS,
    version: int = 1,
    ref: bytes = b"\x01" * 32,
    quote_id: bytes = NO_QUOTE_ID,
    bonus_bps: int = 0,
    account: bytes = ALICE,
    to: bytes = BOB,
    now: int = NOW,
) -> Swap:
    """A swap as the contracts do it; its points are of two lots."""
    priced = price(terms, points, bonus_bps)
    present = now // (30 * DAY)
    lots = (Lot(present - 1, priced.points_in // 3), Lot(present, priced.points_in - priced.points_in // 3))
    swap_id = swap_hash(CHAIN_ID, EXCHANGE, account, ref)
    burnt = SwapBurnt(*where(), swap_id, LANE, account, ref, version, quote_id, priced, lots)
    burn = leg(TOKENS[GROCER], lots, account=account, burn=True)
    if terms.posted:
        waits = PendingSwap(LANE, account, to, priced.points_out, priced.settlement, now + 7 * DAY, lots)
        reserved = DebtReserved(*where(HOUSE), GROCER, FUEL, priced.settlement, swap_id)
        return Swap(burnt, SwapPending(*where(), swap_id, LANE, waits), burn, None, [reserved])
    given: tuple[Lot, ...] = (Lot(now // (7 * DAY), priced.points_out),)
    if terms.carry_expiry:
        given = carry(lots, priced.points_out, PROGRAMMES[GROCER].terms, PROGRAMMES[FUEL].terms, now)
    minted = SwapMinted(*where(), swap_id, LANE, to, priced.points_out, given)
    mint = leg(TOKENS[FUEL], given, account=to, burn=False)
    booked = DebtBooked(*where(HOUSE), 1, GROCER, FUEL, priced.settlement, swap_id)
    return Swap(burnt, minted, burn, mint, [booked])


def posted(of: Swap) -> SwapPosted:
    """The destination says that the points arrived."""
    return SwapPosted(*where(), of.burnt.swap_id, LANE)


def refunded(of: Swap, restored: tuple[Lot, ...] | None = None, expired: int = 0) -> SwapRefunded:
    """All lots back, or other ones."""
    lots = of.burnt.lots if restored is None else restored
    return SwapRefunded(*where(), of.burnt.swap_id, LANE, of.burnt.account, lots, expired)


def ended(of: Swap, *, paid: bool = False, amount: int | None = None) -> ReservationEnded:
    """The reservation is over."""
    return ReservationEnded(*where(HOUSE), of.burnt.swap_id, amount or of.burnt.price.settlement, paid)


def booked(of: Swap) -> DebtBooked:
    """The debt of a swap that was waiting."""
    return DebtBooked(*where(HOUSE), 1, GROCER, FUEL, of.burnt.price.settlement, of.burnt.swap_id)


def call(sender: bytes, data: bytes) -> Call:
    """A call to the exchange."""
    return Call(sender, EXCHANGE, data)
