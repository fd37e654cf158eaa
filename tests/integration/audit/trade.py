"""A history on a real chain in which three programmes swap, owe each other, settle, and one defaults."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import cast

from backend.chain import clearing_house as ch
from backend.chain import points_exchange as px
from backend.chain import points_token as pt
from backend.chain.clearing_house import ClearingHouse
from backend.chain.client import Json
from backend.chain.deploy import Deployer, ExchangePlan, ProgrammePlan
from backend.chain.events import decode_logs
from backend.chain.exchange_events import SwapPending
from backend.chain.exchange_types import NO_QUOTE, LaneTerms, PendingSwap, Quote, SwapRequest
from backend.chain.manifest import Manifest, TermsEntry
from backend.chain.points_exchange import PointsExchange
from backend.chain.points_token import managed_account
from backend.chain.programme_registry import programme_id
from backend.chain.settlement_currency import encode_approve, encode_mint_test_dollars
from backend.chain.signers import DevSigners
from tests.support.anvil import DAY, Anvil

START = 1_483_228_800
"""2017-01-01."""
ADMIN, ISSUER, CUSTODIAN, TREASURER, QUOTER, HOLDER, RELAYER, KEEPER, STRANGER = range(9)
"""Numbers of the local chain's accounts."""
GROCER, FUEL, AIRLINE = (programme_id(slug) for slug in ("grocer", "fuel", "airline"))
DOLLAR = 1_000_000
CYCLE, PAYMENT, NOTICE = 7 * DAY, 2 * DAY, 3_600
TERMS = LaneTerms(
    rate_numerator=3,
    rate_denominator=2,
    fee_bps=150,
    max_bonus_bps=2_500,
    minimum_in=10,
    daily_cap_out=20_000,
    valid_until=START + 700 * DAY,
    settlement_price=10_000 * DOLLAR,  # a cent a point
    carry_expiry=True,
    posted=False,
)


def plans(signers: DevSigners) -> list[ProgrammePlan]:
    """Three programmes with calendars of their own; the airline keeps its points in another system."""
    accounts = signers.addresses()
    calendars = {"grocer": (30, 4, 10**9), "fuel": (7, 20, 10**9), "airline": (30, 12, 1)}
    return [
        ProgrammePlan(
            slug=slug,
            name=slug.title(),
            symbol=slug[:4].upper(),
            terms=TermsEntry(
                epoch_length_seconds=days * DAY,
                validity_epochs=validity,
                clawback_epochs=1,
                supply_cap_points=cap,
                transferable=True,
            ),
            issuer=accounts[ISSUER],
            custodian=accounts[CUSTODIAN],
            treasurer=accounts[TREASURER],
            quoter=accounts[QUOTER],
        )
        for slug, (days, validity, cap) in calendars.items()
    ]


class Trade:
    """Sends the operations one by one, each in a block of its own."""

    def __init__(self, chain: Anvil, folder: Path) -> None:
        self.chain = chain
        self.signers = DevSigners(chain.client.chain_id())
        self.accounts = self.signers.addresses()
        self.manifest_path = folder / "manifest.json"
        plan = ExchangePlan(
            keeper=self.accounts[KEEPER],
            cycle_seconds=CYCLE,
            payment_seconds=PAYMENT,
            notice_period_seconds=NOTICE,
        )
        deployer = Deployer(chain.client, self.signers.signer(self.accounts[ADMIN]))
        self.manifest: Manifest = deployer.deploy(plans(self.signers), self.manifest_path, plan)
        assert self.manifest.exchange is not None
        assert self.manifest.clearing is not None
        self.exchange = self.manifest.exchange.address_bytes
        self.house = self.manifest.clearing.address_bytes
        self.currency = self.manifest.clearing.currency.address_bytes
        self.tokens = {programme_id(entry.slug): entry.token_bytes for entry in self.manifest.programmes}
        self.refs: Iterator[bytes] = (number.to_bytes(32) for number in count(1))
        self.keys = [bytes([number]) * 32 for number in range(1, 5)]
        self.deployed_block = chain.client.block_number()
        chain.automine(False)

    @property
    def now(self) -> int:
        """Time of the newest block."""
        return int(self.chain.client.block("latest")["timestamp"], 16)

    def send(self, sender: int, to: bytes, data: bytes) -> list[Json]:
        """Sends calldata from a numbered account; it must succeed. Answers the logs."""
        call: dict[str, Json] = {
            "from": "0x" + self.accounts[sender].hex(),
            "to": "0x" + to.hex(),
            "data": "0x" + data.hex(),
            "gas": hex(10_000_000),
        }
        hash_text = self.chain.rpc("eth_sendTransaction", call)
        self.chain.rpc("evm_mine")
        receipt = self.chain.rpc("eth_getTransactionReceipt", hash_text)
        assert isinstance(receipt, dict)
        assert receipt["status"] == "0x1"
        return cast("list[Json]", receipt["logs"])

    # ---- members

    def managed(self, programme: bytes, member: int) -> bytes:
        """A member's account in a programme."""
        return managed_account(self.tokens[programme], self.keys[member])

    def issue(self, programme: bytes, account: bytes, points: int) -> None:
        """Points for an account."""
        self.send(ISSUER, self.tokens[programme], pt.encode_issue(account, points, next(self.refs)))

    def request(self, source: bytes, destination: bytes, to: bytes, points: int) -> SwapRequest:
        """A swap to ask for, with a fresh ref."""
        lane = px.lane_id(self.manifest.chain_id, source, destination)
        return SwapRequest(lane, to, points, 1, next(self.refs), self.now + DAY)

    def quote(self, request: SwapRequest, account: bytes, bonus_bps: int, signer: int = QUOTER) -> Quote:
        """A signed quote for a request."""
        version = PointsExchange(self.chain.client, self.exchange).lane_of(request.lane_id).version
        signs = self.accounts[signer]
        quote = Quote(
            next(self.refs), request.lane_id, version, account, request.max_in, bonus_bps, self.now + DAY, signs, b""
        )
        typed = px.quote_typed_data(exchange=self.exchange, chain_id=self.manifest.chain_id, quote=quote)
        return replace(quote, signature=self.signers.signer(signs).sign_typed_data(typed))

    def swap_managed(
        self, source: bytes, destination: bytes, member: int, points: int, bonus_bps: int = 0
    ) -> list[Json]:
        """A member's swap, sent by the custodian; with a quote where there is a bonus."""
        request = self.request(source, destination, self.managed(destination, member), points)
        account = self.managed(source, member)
        quote = self.quote(request, account, bonus_bps) if bonus_bps else NO_QUOTE
        return self.send(CUSTODIAN, self.exchange, px.encode_swap_managed(self.keys[member], request, quote))

    def swap_pending(self, member: int, points: int) -> tuple[bytes, PendingSwap]:
        """A swap to the airline, which waits."""
        logs = self.swap_managed(GROCER, AIRLINE, member, points)
        (pending,) = [event for event in decode_logs(logs) if isinstance(event, SwapPending)]  # type: ignore[arg-type]
        return pending.swap_id, pending.pending

    def ordered(self, request: SwapRequest, signer: int = HOLDER) -> bytes:
        """Calldata of an order of the holder."""
        holder = self.accounts[HOLDER]
        typed = px.swap_typed_data(
            exchange=self.exchange, chain_id=self.manifest.chain_id, account=holder, request=request
        )
        signature = self.signers.signer(self.accounts[signer]).sign_typed_data(typed)
        return px.encode_swap_with_signature(holder, request, signature)

    # ---- programmes

    def agree(self, source: bytes, destination: bytes, terms: LaneTerms) -> None:
        """The destination proposes, the source accepts."""
        self.send(TREASURER, self.exchange, px.encode_propose(source, destination, destination, terms))
        self.send(TREASURER, self.exchange, px.encode_accept(source, destination, source, terms))

    def deposit(self, programme: bytes, dollars: int) -> None:
        """Collateral of the treasurer's money."""
        self.send(TREASURER, self.currency, encode_mint_test_dollars(self.accounts[TREASURER], dollars * DOLLAR))
        self.send(TREASURER, self.currency, encode_approve(self.house, dollars * DOLLAR))
        self.send(TREASURER, self.house, ch.encode_deposit(programme, dollars * DOLLAR))

    def pay(self, programme: bytes) -> None:
        """Pays what a programme owes in the closed cycle."""
        standing = ClearingHouse(self.chain.client, self.house).standing_of(programme)
        amount = -standing.due - standing.paid
        self.send(TREASURER, self.currency, encode_mint_test_dollars(self.accounts[TREASURER], amount))
        self.send(TREASURER, self.currency, encode_approve(self.house, amount))
        self.send(TREASURER, self.house, ch.encode_pay(programme, amount))

    def close(self) -> None:
        """Closes the open cycle when its time is over."""
        closes_at = ClearingHouse(self.chain.client, self.house).closes_at()
        self.chain.set_next_timestamp(max(closes_at, self.now + 1))
        self.send(KEEPER, self.house, ch.encode_close_cycle())

    # ---- the history

    def play(self) -> None:
        """Everything that exchange and house can do."""
        self.chain.jump(60 * DAY)
        for programme in (GROCER, FUEL, AIRLINE):
            self.send(TREASURER, self.house, ch.encode_join(programme))
            self.deposit(programme, 1_000)
        self.send(TREASURER, self.house, ch.encode_set_credit_line(FUEL, GROCER, 400 * DOLLAR))
        self._open_lanes()
        for member in range(3):
            self.issue(GROCER, self.managed(GROCER, member), 9_000)
        self.issue(FUEL, self.managed(FUEL, 0), 5_000)
        self.issue(GROCER, self.accounts[HOLDER], 3_000)
        self.chain.jump(35 * DAY)
        self.issue(GROCER, self.managed(GROCER, 0), 50)
        self._swap()
        self._change_terms()
        self._post()
        self._settle()
        self._default()

    def _open_lanes(self) -> None:
        back = replace(TERMS, rate_numerator=1, rate_denominator=2, carry_expiry=False, daily_cap_out=50_000)
        self.send(TREASURER, self.exchange, px.encode_propose(GROCER, FUEL, GROCER, replace(TERMS, fee_bps=0)))
        self.send(TREASURER, self.exchange, px.encode_withdraw_proposal(GROCER, FUEL, GROCER))
        self.agree(GROCER, FUEL, TERMS)
        self.agree(FUEL, GROCER, back)
        self.agree(GROCER, AIRLINE, replace(TERMS, posted=True, carry_expiry=False, rate_numerator=1))

    def _swap(self) -> None:
        self.swap_managed(GROCER, FUEL, 0, 1_001)
        self.swap_managed(GROCER, FUEL, 0, 8_030)
        self.swap_managed(GROCER, FUEL, 1, 777, bonus_bps=2_000)
        self.swap_managed(FUEL, GROCER, 0, 301)
        holder = self.accounts[HOLDER]
        request = self.request(GROCER, FUEL, holder, 200)
        self.send(HOLDER, self.exchange, px.encode_swap(request, self.quote(request, holder, 500)))
        self.send(RELAYER, self.exchange, self.ordered(self.request(GROCER, FUEL, self.managed(FUEL, 2), 40)))

    def _change_terms(self) -> None:
        self.agree(GROCER, FUEL, replace(TERMS, fee_bps=500))
        self.swap_managed(GROCER, FUEL, 1, 100)
        self.chain.jump(NOTICE)
        self.swap_managed(GROCER, FUEL, 1, 100)
        self.send(ADMIN, self.exchange, px.encode_stop(GROCER, FUEL, FUEL))
        self.agree(GROCER, FUEL, TERMS)
        self.swap_managed(GROCER, FUEL, 1, 100)
        self.send(ADMIN, self.exchange, pt.encode_pause())
        self.send(ADMIN, self.exchange, pt.encode_unpause())

    def _post(self) -> None:
        arrived, refused, forgotten = (self.swap_pending(1, 600 + each) for each in range(3))
        self.send(ISSUER, self.exchange, px.encode_confirm_posted(*arrived))
        self.send(ISSUER, self.exchange, px.encode_refund_pending(*refused))
        self.chain.set_next_timestamp(forgotten[1].refundable_from)
        self.send(STRANGER, self.exchange, px.encode_refund_pending(*forgotten))
        self.swap_pending(2, 500)

    def _settle(self) -> None:
        self.close()
        self.swap_managed(GROCER, FUEL, 2, 100)
        self.send(TREASURER, self.house, ch.encode_pay_from_collateral(GROCER, DOLLAR))
        self.pay(GROCER)
        self.send(KEEPER, self.house, ch.encode_settle_cycle())
        self.send(TREASURER, self.house, ch.encode_withdraw(FUEL, self.accounts[TREASURER], 20 * DOLLAR))
        self.send(TREASURER, self.house, ch.encode_dispute(1, AIRLINE, b"\x0d" * 32))

    def _default(self) -> None:
        """Grocer owes more than its collateral, within fuel's credit line, and does not pay."""
        house = ClearingHouse(self.chain.client, self.house)
        free = house.withdrawable(GROCER)
        self.send(TREASURER, self.house, ch.encode_withdraw(GROCER, self.accounts[TREASURER], free))
        for _ in range(2):
            self.swap_managed(GROCER, FUEL, 2, 1_500)
        self.close()
        self.chain.jump(PAYMENT + 1)
        self.send(STRANGER, self.house, ch.encode_enforce(GROCER))
        self.send(KEEPER, self.house, ch.encode_settle_cycle())
        self.deposit(GROCER, 10)
        self.send(STRANGER, self.house, ch.encode_distribute(GROCER))
