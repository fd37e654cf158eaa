"""Two programmes that exchange points on a test's chain: collateral posted, lanes agreed, points in members' hands."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace

from backend.chain import clearing_house, points_exchange, points_token, settlement_currency
from backend.chain.administering import Administrator
from backend.chain.clearing_house import ClearingHouse
from backend.chain.client import Json
from backend.chain.exchange_types import NO_QUOTE, LaneTerms, Quote, SwapRequest
from backend.chain.manifest import ClearingEntry, ExchangeEntry, ProgrammeEntry
from backend.chain.points_exchange import PointsExchange
from backend.chain.points_token import PointsToken
from backend.chain.programme_registry import programme_id
from tests.support.anvil import DAY, Deployment

COLLATERAL = 10_000 * 10**6
TERMS = LaneTerms(
    rate_numerator=3,
    rate_denominator=10,
    fee_bps=250,
    max_bonus_bps=2_000,
    minimum_in=100,
    daily_cap_out=1_000_000,
    valid_until=1 << 40,
    settlement_price=4_200 * 10**6,
    carry_expiry=True,
    posted=False,
)
"""Three points for ten less a fee of 2.5 %, expiry carried, 4,200 dollars a million points."""


@dataclass
class Market:
    """Acts on a deployment with exchange: account 1 issues and is treasurer and quoter of all, 2 is custodian."""

    deployment: Deployment

    def __post_init__(self) -> None:
        manifest = self.deployment.manifest
        assert manifest.exchange is not None
        assert manifest.clearing is not None
        client = self.deployment.chain.client
        self.exchange_entry: ExchangeEntry = manifest.exchange
        self.clearing_entry: ClearingEntry = manifest.clearing
        self.exchange = PointsExchange(client, manifest.exchange.address_bytes)
        self.house = ClearingHouse(client, manifest.clearing.address_bytes)
        self.partner, self.custodian = self.deployment.accounts[1:3]

    @property
    def chain_id(self) -> int:
        """The chain's id."""
        return self.deployment.manifest.chain_id

    def programme(self, slug: str) -> ProgrammeEntry:
        """Entry in the manifest."""
        return self.deployment.manifest.programme(slug)

    def token(self, slug: str) -> PointsToken:
        """A programme's token."""
        return PointsToken(self.deployment.chain.client, self.programme(slug).token_bytes)

    def lane(self, source: str, destination: str) -> bytes:
        """Id of a lane."""
        return points_exchange.lane_id(self.chain_id, programme_id(source), programme_id(destination))

    def send(self, sender: bytes, to: str, data: bytes) -> dict[str, Json]:
        """A transaction of one of the chain's accounts, mined; answers its receipt."""
        signer = self.deployment.signers.signer(sender)
        return Administrator(self.deployment.chain.client, signer).send(to, data)

    def open(self, *, collateral: int = COLLATERAL) -> Market:
        """All programmes take part in the clearing, with collateral."""
        currency = self.clearing_entry.currency.address
        amount = collateral * len(self.deployment.manifest.programmes)
        self.send(self.partner, currency, settlement_currency.encode_mint_test_dollars(self.partner, amount))
        self.send(self.partner, currency, settlement_currency.encode_approve(self.house.address, amount))
        for entry in self.deployment.manifest.programmes:
            id_ = programme_id(entry.slug)
            self.send(self.partner, self.clearing_entry.address, clearing_house.encode_join(id_))
            self.send(self.partner, self.clearing_entry.address, clearing_house.encode_deposit(id_, collateral))
        return self

    def agree(self, source: str, destination: str, terms: LaneTerms = TERMS, **changes: object) -> bytes:
        """Both programmes say yes; answers the lane's id."""
        terms = replace(terms, **changes)  # type: ignore[arg-type]
        one, other = programme_id(source), programme_id(destination)
        target = self.exchange_entry.address
        self.send(self.partner, target, points_exchange.encode_propose(one, other, one, terms))
        self.send(self.partner, target, points_exchange.encode_accept(one, other, other, terms))
        return self.lane(source, destination)

    def issue(self, slug: str, account: bytes, points: int) -> None:
        """Points of the present epoch."""
        data = points_token.encode_issue(account, points, secrets.token_bytes(32))
        self.send(self.partner, self.programme(slug).token, data)

    def request(self, lane: bytes, to: bytes, max_in: int, **changes: object) -> SwapRequest:
        """What a member asks for, for an hour."""
        deadline = int(self.deployment.chain.client.block("latest")["timestamp"], 16) + 3_600
        request = SwapRequest(lane, to, max_in, 1, secrets.token_bytes(32), deadline)
        return replace(request, **changes)  # type: ignore[arg-type]

    def quote(self, lane: bytes, account: bytes, bonus_bps: int, version: int = 1) -> Quote:
        """A transfer bonus, signed, for a day."""
        expires_at = int(self.deployment.chain.client.block("latest")["timestamp"], 16) + DAY
        quote = replace(
            NO_QUOTE,
            quote_id=secrets.token_bytes(32),
            lane_id=lane,
            version=version,
            account=account,
            max_in=1_000_000,
            bonus_bps=bonus_bps,
            expires_at=expires_at,
            signer=self.partner,
        )
        typed = points_exchange.quote_typed_data(exchange=self.exchange.address, chain_id=self.chain_id, quote=quote)
        return replace(quote, signature=self.deployment.signers.signer(self.partner).sign_typed_data(typed))

    def swap(self, account: bytes, request: SwapRequest, quote: Quote = NO_QUOTE) -> bytes:
        """A swap sent by its holder, one of the chain's accounts; answers its id."""
        self.send(account, self.exchange_entry.address, points_exchange.encode_swap(request, quote))
        return self.swap_id(account, request)

    def swap_id(self, account: bytes, request: SwapRequest) -> bytes:
        """Id of the swap that an account's request becomes."""
        return points_exchange.swap_hash(self.chain_id, self.exchange.address, account, request.ref)
