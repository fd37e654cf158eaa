"""The API's world with an exchange: three programmes that take part in the clearing, and lanes between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from backend.chain import outbox
from backend.chain.clearing_house import encode_deposit, encode_join, encode_set_credit_line
from backend.chain.event_types import Lot
from backend.chain.exchange_types import PendingSwap
from backend.chain.models import TokenEvent
from backend.chain.points_exchange import PointsExchange, encode_refund_pending
from backend.chain.settlement_currency import encode_approve, encode_mint_test_dollars
from backend.database import transaction
from backend.exchange.identifiers import lane_between, lane_text, programme_key
from backend.programmes.models import Programme
from tests.integration.api.chain_world import ChainWorld
from tests.integration.api.world import Caller

CREDIT_LINE = 10**12
"""What each programme lets each other owe it, in the smallest unit of the test dollar: a million dollars."""
TERMS: dict[str, Any] = {
    "rate": {"points_out": 1, "points_in": 2},
    "fee_bps": 0,
    "max_bonus_bps": 2_000,
    "minimum_points_in": 10,
    "daily_cap_points_out": 1_000,
    "valid_until": "2018-01-01T00:00:00Z",
    "settlement_price": {"amount": "5000.00", "currency": "USD"},
    "expiry": "carried",
}
"""Two points for one, worth half a cent each."""


@dataclass
class ExchangeWorld(ChainWorld):
    """Market, pharmacy and fuel on an anvil with an exchange."""

    fuel: Programme = None  # type: ignore[assignment]  # dataclasses want a default after defaults
    fuel_till: Caller = None  # type: ignore[assignment]
    """A key of fuel with every scope."""

    @property
    def exchange(self) -> PointsExchange:
        """The contract."""
        entry = self.deployment.manifest.exchange
        assert entry is not None
        return PointsExchange(self.deployment.chain.client, entry.address_bytes)

    @property
    def house(self) -> bytes:
        """Address of the clearing house."""
        entry = self.deployment.manifest.clearing
        assert entry is not None
        return entry.address_bytes

    def order(self, signer: bytes, target: bytes, *calls: bytes) -> None:
        """Has the chain do something that is not under test, and waits until it is final."""
        with transaction(self.sessions) as session:
            for data in calls:
                outbox.enqueue(
                    session,
                    kind="test",
                    programme_id=None,
                    chain_id=self.market.chain_id,
                    signer=signer,
                    target=target,
                    data=data,
                )
        self.finalise()

    def join_clearing(self) -> None:
        """Every programme takes part and trusts every other with a credit line."""
        keys = [programme_key(programme.slug) for programme in (self.market, self.pharmacy, self.fuel)]
        lines = [
            encode_set_credit_line(creditor, debtor, CREDIT_LINE)
            for creditor in keys
            for debtor in keys
            if creditor != debtor
        ]
        # All three have the same treasurer here.
        self.order(self.market.treasurer, self.house, *(encode_join(key) for key in keys), *lines)

    def post_collateral(self, programme: Programme, amount: int) -> None:
        """Money of the programme's treasurer becomes its collateral; in the smallest unit of the test dollar."""
        entry = self.deployment.manifest.clearing
        assert entry is not None
        currency = entry.currency.address_bytes
        self.order(programme.treasurer, currency, encode_mint_test_dollars(programme.treasurer, amount))
        self.order(programme.treasurer, currency, encode_approve(self.house, amount))
        self.order(programme.treasurer, self.house, encode_deposit(programme_key(programme.slug), amount))

    def refund_pending(self, swap_hash: str) -> None:
        """The pharmacy has a pending swap refunded."""
        with self.sessions() as session:
            query = select(TokenEvent.payload).where(TokenEvent.ref == bytes.fromhex(swap_hash[2:]))
            payload: Any = session.scalars(query.where(TokenEvent.name == "SwapPending")).one()
        pending = payload["pending"]
        shown = PendingSwap(
            lane_id=bytes.fromhex(pending["lane_id"][2:]),
            account=bytes.fromhex(pending["account"][2:]),
            to=bytes.fromhex(pending["to"][2:]),
            points_out=pending["points_out"],
            settlement=pending["settlement"],
            refundable_from=pending["refundable_from"],
            lots=tuple(Lot(*lot) for lot in pending["lots"]),
        )
        data = encode_refund_pending(bytes.fromhex(swap_hash[2:]), shown)
        self.order(self.pharmacy.issuer, self.exchange.address, data)

    def propose(self, destination: Programme, till: Caller | None = None, **changes: Any) -> dict[str, Any]:
        """The market's proposal, or another's, for the lane from the market; answers the change."""
        body = {"source": "market", "destination": destination.slug, "terms": TERMS | changes}
        response = (till or self.till).post("/v1/lanes", body)
        assert response.status_code == 202, response.text
        self.step()
        change: dict[str, Any] = response.json()
        return change

    def open_lane(self, destination: Programme, till: Caller, **changes: Any) -> str:
        """A lane from the market that both have agreed to; answers its id."""
        proposed = self.propose(destination, **changes)
        lane = lane_text(lane_between(self.market, destination))
        accepted = till.post(f"/v1/lanes/{lane}/accept", {"terms_hash": proposed["terms_hash"]})
        assert accepted.status_code == 202, accepted.text
        self.step()
        return lane

    def enrol_at(self, member: dict[str, Any], programme: Programme) -> None:
        """The member joins another programme."""
        body = {
            "programme_id": programme.id,
            "member_id": member["id"],
            "reference": f"{programme.slug}-{next(self.numbers)}",
        }
        response = self.operator.post("/v1/members", body)
        assert response.status_code == 201, response.text

    def swapper(self, amount: str = "100.00", programme: Programme | None = None) -> dict[str, Any]:
        """A member with points at the market who is enrolled at the other programme as well."""
        member = self.credited(amount)
        self.enrol_at(member, programme or self.pharmacy)
        return member

    def swap_body(self, lane: str, member: dict[str, Any], points: int, **changes: Any) -> dict[str, Any]:
        """A swap as a till asks for it."""
        return {
            "lane_id": lane,
            "member_id": member["id"],
            "reference": f"swap-{next(self.numbers)}",
            "max_points_in": points,
            "min_points_out": 1,
            **changes,
        }

    def swap(self, lane: str, member: dict[str, Any], points: int, **changes: Any) -> Any:
        """Asks for a swap; answers the response."""
        return self.till.post("/v1/swaps", self.swap_body(lane, member, points, **changes))

    def points_at(self, member: dict[str, Any], programme: Programme, **params: Any) -> int:
        """The member's points in a programme."""
        response = self.operator.get(
            f"/v1/members/{member['id']}/balances", params={"programme_id": programme.id, **params}
        )
        total: int = response.json()["data"][0]["total_points"]
        return total
