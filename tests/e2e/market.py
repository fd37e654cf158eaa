"""What the town's brands exchange points with: lanes, quotes, and a house where they clear."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from backend.auth.callers import Caller, CallerKind
from backend.chain import clearing_house as ch
from backend.chain import points_exchange as px
from backend.chain.event_types import Lot
from backend.chain.exchange_types import LaneTerms, PendingSwap
from backend.chain.manifest import Manifest
from backend.chain.models import TokenEvent
from backend.chain.programme_registry import programme_id
from backend.chain.settlement_currency import encode_approve, encode_mint_test_dollars
from backend.chain.signers import DevSigners
from backend.database import transaction
from backend.exchange.deployment import exchanges_of
from backend.exchange.identifiers import lane_text
from backend.exchange.parties import find_quoted
from backend.exchange.quotes import create_quote
from backend.exchange.routes import find_route
from backend.exchange.schemas import SignedQuoteCreate
from backend.programmes.repository import find_by_slug
from backend.settings import Settings
from tests.support.anvil import DAY

ISSUER, TREASURER, QUOTER, KEEPER = 3, 5, 6, 7
"""Accounts of the chain."""
MONEY = 10**12
"""Each brand's collateral, and what it lets each other owe it, in the smallest unit of the test dollar."""
TERMS = LaneTerms(
    rate_numerator=1,
    rate_denominator=2,
    fee_bps=0,
    max_bonus_bps=5_000,
    minimum_in=10,
    daily_cap_out=100_000,
    valid_until=1_800_000_000,
    settlement_price=5_000_000_000,
    carry_expiry=True,
    posted=False,
)
LANES = {
    ("supermarket", "pharmacy"): TERMS,
    ("supermarket", "fuel"): replace(TERMS, rate_numerator=3, rate_denominator=4, fee_bps=150),
    ("pharmacy", "supermarket"): replace(TERMS, rate_numerator=5, rate_denominator=3, fee_bps=200, carry_expiry=False),
    ("fuel", "supermarket"): replace(TERMS, rate_numerator=1, rate_denominator=1),
    ("pharmacy", "fuel"): replace(TERMS, posted=True, carry_expiry=False),
}
"""Fuel posts what comes from the pharmacy in a system of its own."""


@dataclass(frozen=True, slots=True)
class Market:
    """Acts for the brands. `send` takes an account's number, a contract and calldata, and mines the transaction."""

    manifest: Manifest
    sessions: sessionmaker[Session]
    settings: Settings
    signers: DevSigners
    send: Callable[[int, bytes, bytes], None]

    @property
    def exchange(self) -> bytes:
        """The exchange's address."""
        assert self.manifest.exchange is not None
        return self.manifest.exchange.address_bytes

    def open(self) -> None:
        """All brands post collateral, trust each other with a credit line, and agree to some lanes."""
        assert self.manifest.clearing is not None
        house, currency = self.manifest.clearing.address_bytes, self.manifest.clearing.currency.address_bytes
        brands = [programme_id(entry.slug) for entry in self.manifest.programmes]
        treasurer = self.signers.addresses()[TREASURER]
        self.send(TREASURER, currency, encode_mint_test_dollars(treasurer, MONEY * len(brands)))
        self.send(TREASURER, currency, encode_approve(house, MONEY * len(brands)))
        for brand in brands:
            self.send(TREASURER, house, ch.encode_join(brand))
            self.send(TREASURER, house, ch.encode_deposit(brand, MONEY))
        for one, other in permutations(brands, 2):
            self.send(TREASURER, house, ch.encode_set_credit_line(one, other, MONEY))
        for (source, destination), terms in LANES.items():
            self.agree(source, destination, terms)

    def agree(self, source: str, destination: str, terms: LaneTerms) -> None:
        """Opens a lane, or changes its terms."""
        ends = (programme_id(source), programme_id(destination))
        self.send(TREASURER, self.exchange, px.encode_propose(*ends, ends[0], terms))
        self.send(TREASURER, self.exchange, px.encode_accept(*ends, ends[1], terms))

    def stop(self, source: str, destination: str) -> None:
        """The destination stops a lane."""
        ends = (programme_id(source), programme_id(destination))
        self.send(TREASURER, self.exchange, px.encode_stop(*ends, ends[1]))

    def lane(self, source: str, destination: str) -> str:
        """Public id of a lane."""
        return lane_text(px.lane_id(self.manifest.chain_id, programme_id(source), programme_id(destination)))

    def promise_bonus(self, member_id: str, source: str, destination: str, bonus_bps: int, points: int) -> None:
        """The destination signs a quote for the member."""
        lane = self.lane(source, destination)
        with transaction(self.sessions) as session:
            brand = find_by_slug(session, destination)
            assert brand is not None
            route = find_route(session, exchanges_of(self.settings), lane)
            caller = Caller(CallerKind.PROGRAMME, programme_id=brand.id)
            body = SignedQuoteCreate(
                mode="signed",
                lane_id=lane,
                bonus_bps=bonus_bps,
                max_points_in=points,
                valid_seconds=30 * DAY,
                member_id=member_id,
            )
            giver = find_quoted(session, caller, route, body)
            create_quote(session, route, giver, body, self.signers.signer(self.signers.addresses()[QUOTER]))

    def end_posting(self, *, arrived: bool) -> None:
        """The destination says of the latest swap that waits whether its points arrived."""
        query = select(TokenEvent).where(TokenEvent.name == "SwapPending").order_by(TokenEvent.id.desc()).limit(1)
        with self.sessions() as session:
            event = session.scalars(query).one()
            assert event.ref is not None
            swap_id, payload = event.ref, event.payload["pending"]
        encode = px.encode_confirm_posted if arrived else px.encode_refund_pending
        self.send(ISSUER, self.exchange, encode(swap_id, _pending(payload)))


def _pending(payload: object) -> PendingSwap:
    """A swap that waits, as the projection keeps it."""
    assert isinstance(payload, Mapping)
    values: dict[str, Any] = dict(payload)
    for name in ("lane_id", "account", "to"):
        values[name] = bytes.fromhex(values[name][2:])
    return PendingSwap(**values | {"lots": tuple(Lot(*lot) for lot in values["lots"])})
