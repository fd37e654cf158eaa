"""Who asked for what: each swap by the holder, the holder's signature or the custodian; each quote by a quoter.

A log does not say who asked and what was promised. The call does, so that what is called directly is decoded and held
against the logs and the roles of that moment. A contract may call the exchange too, a member's wallet for instance;
such calls are counted, and their swaps judged by their logs alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar, cast

from eth_utils.crypto import keccak

from backend.audit.lanes import name
from backend.audit.pricing import points_out_rounding_down
from backend.audit.roles import RolesReplay
from backend.audit.swap_context import SwapContext
from backend.audit.transactions import Call, recover
from backend.chain.abi_reading import canonical_type, read_values
from backend.chain.client import ChainClient
from backend.chain.event_types import ChainEvent
from backend.chain.exchange_events import (
    EXCHANGE_PARAMETERS,
    LaneAgreed,
    LaneProposed,
    LaneStopped,
    LinkRegistered,
    ProposalWithdrawn,
    SwapBurnt,
    SwapMinted,
    SwapPending,
    SwapPosted,
    SwapRefunded,
    SwapRefused,
    SwapSent,
)
from backend.chain.exchange_types import NO_QUOTE_ID, PendingSwap, Quote, SwapRequest
from backend.chain.points_exchange import DOMAIN_NAME
from backend.chain.points_token import managed_account
from backend.chain.words import address_word, number_word, selector

_PARTY: Final = ("bytes32", "bytes32", "bytes32")
_FUNCTIONS: Final[dict[str, tuple[str, ...]]] = {
    "propose": (*_PARTY, "LaneTerms"),
    "accept": (*_PARTY, "LaneTerms"),
    "withdrawProposal": _PARTY,
    "stop": _PARTY,
    "swap": ("SwapRequest", "Quote"),
    "swapWithSignature": ("address", "SwapRequest", "Quote", "bytes"),
    "swapManaged": ("bytes32", "SwapRequest", "Quote"),
    "confirmPosted": ("bytes32", "PendingSwap"),
    "refundPending": ("bytes32", "PendingSwap"),
    "declareHome": ("bytes32", "uint256"),
    "halt": ("bytes32",),
}
_SELECTORS: Final = {
    selector(f"{function}({','.join(canonical_type(kind) for kind in kinds)})"): function
    for function, kinds in _FUNCTIONS.items()
}
_ROLES: Final = {
    role: keccak(text=role)
    for role in ("LANE_ROLE", "QUOTER_ROLE", "CUSTODIAN_ROLE", "ISSUER_ROLE", "PAUSER_ROLE", "GUARDIAN_ROLE")
}
_SWAP_TYPEHASH: Final = keccak(
    text="Swap(address account,bytes32 laneId,address to,uint256 maxIn,uint256 minOut,bytes32 ref,bytes32 quoteId,"
    "uint256 deadline)"
)
_QUOTE_TYPEHASH: Final = keccak(
    text="Quote(bytes32 quoteId,bytes32 laneId,uint32 version,address account,uint48 maxIn,uint16 bonusBps,"
    "uint48 expiresAt)"
)
_DOMAIN_TYPEHASH: Final = keccak(
    text="EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
_DELIVERED: Final = (SwapMinted, SwapRefused, SwapRefunded, LinkRegistered)
"""What an exchange with other chains logs when only its gateway, or its administrator, asked for anything."""
LaneEvent = LaneProposed | ProposalWithdrawn | LaneAgreed | LaneStopped
_Event = TypeVar("_Event", bound=ChainEvent)


@dataclass(frozen=True, slots=True)
class _Order:
    """A decoded swap: whose points, what was asked for and what had been promised."""

    account: bytes
    request: SwapRequest
    quote: Quote


class OrderRules:
    """Judges the calls to the exchange against its logs. `roles` are those of the tokens, replayed up to the call."""

    def __init__(self, context: SwapContext, roles: Mapping[bytes, RolesReplay], client: ChainClient) -> None:
        self._context = context
        self._roles = roles
        self._client = client
        self._domain = _domain_separator(context.lanes.chain_id, context.exchange)
        self._through_contracts = 0
        self._by_wallets = 0

    def judge(self, call: Call, logged: Sequence[ChainEvent], timestamp_seconds: int) -> None:
        """One transaction in which the exchange logged `logged`. The lanes have been moved on by them already."""
        events = [event for event in logged if type(event) in EXCHANGE_PARAMETERS]
        if self._context.lanes.crosschain:
            events = [event for event in events if not isinstance(event, _DELIVERED)]
        if not events:
            return  # Its own roles, a stop of everything, what a gateway delivered: judged elsewhere.
        function = _SELECTORS.get(call.data[:4]) if call.to == self._context.exchange else None
        if function is None:
            self._through_contracts += 1
            return
        self._context.examine("orders")
        try:
            values = read_values(_FUNCTIONS[function], call.data[4:])
        except ValueError:
            self._through_contracts += 1  # Encoded in another way than usual; the contract is not as strict.
            return
        if function in {"propose", "accept", "withdrawProposal", "stop"}:
            self._judge_party(function, call, cast("tuple[bytes, ...]", values), events)
        elif function == "declareHome":
            programme = cast("bytes", values[0])
            if not self._holds(programme, "LANE_ROLE", call.sender):
                self._fail("orders", events[0], f"0x{call.sender.hex()} may not act for {name(programme)}")
        elif function == "halt":
            self._judge_halt(call, events)
        elif function in {"confirmPosted", "refundPending"}:
            self._judge_ending(call, cast("tuple[bytes, PendingSwap]", values)[1], events, timestamp_seconds)
        else:
            self._judge_swap(function, call, values, events, timestamp_seconds)

    def finish(self) -> None:
        """Says what could not be judged from calls."""
        check = self._context.report.check("orders")
        if self._through_contracts:
            count = self._through_contracts
            check.note(
                "calls", f"{count} went through other contracts; who asked was judged by the exchange's code alone"
            )
        if self._by_wallets:
            check.note(
                "signatures", f"{self._by_wallets} are of contract wallets, which only they can verify (ERC-1271)"
            )

    # ---- lanes and endings

    def _judge_party(self, function: str, call: Call, values: Sequence[bytes], events: Sequence[ChainEvent]) -> None:
        source, destination, party = values[:3]
        event = next(each for each in events if isinstance(each, LaneEvent))
        roles = ("LANE_ROLE", "PAUSER_ROLE") if function == "stop" else ("LANE_ROLE",)
        if not any(self._holds(party, role, call.sender) for role in roles):
            self._fail("orders", event, f"0x{call.sender.hex()} may not act for {name(party)}")
        match event:
            case LaneProposed(proposer=acted) | LaneStopped(programme_id=acted):
                if acted != party:
                    self._fail("orders", event, f"asked for in the name of {name(party)}")
            case LaneAgreed():
                other = destination if party == source else source
                lane = self._context.lanes.lanes.get(event.lane_id)
                if lane is None or other not in lane.accepted_from:
                    self._fail("lanes", event, f"{name(party)} accepted what {name(other)} had not proposed")

    def _judge_halt(self, call: Call, events: Sequence[ChainEvent]) -> None:
        roles = self._roles.get(self._context.exchange)
        if roles is None or (_ROLES["GUARDIAN_ROLE"], call.sender) not in roles.since:
            self._fail("orders", events[0], f"0x{call.sender.hex()} is not a guardian")

    def _judge_ending(self, call: Call, pending: PendingSwap, events: Sequence[ChainEvent], now: int) -> None:
        event = _first(events, SwapPosted) or _first(events, SwapRefunded)
        lane = self._context.lanes.lanes.get(pending.lane_id)
        if event is None or lane is None:
            return
        late = isinstance(event, SwapRefunded) and now >= pending.refundable_from
        if not late and not self._holds(lane.destination, "ISSUER_ROLE", call.sender):
            self._fail("orders", event, f"0x{call.sender.hex()} does not issue for {name(lane.destination)}")

    # ---- swaps

    def _judge_swap(
        self, function: str, call: Call, values: Sequence[object], events: Sequence[ChainEvent], now: int
    ) -> None:
        event = _first(events, SwapBurnt)
        lane = None if event is None else self._context.lanes.lanes.get(event.lane_id)
        if event is None or lane is None:
            return
        account, request, quote = call.sender, *cast("tuple[SwapRequest, Quote]", tuple(values[-2:]))
        if function == "swapWithSignature":
            account, request, quote, signature = cast("tuple[bytes, SwapRequest, Quote, bytes]", tuple(values))
            self._judge_signature(event, _Order(account, request, quote), signature)
        elif function == "swapManaged":
            account = managed_account(self._context.token_of(lane.source), cast("bytes", values[0]))
            if not self._holds(lane.source, "CUSTODIAN_ROLE", call.sender):
                self._fail("orders", event, f"0x{call.sender.hex()} is not the custodian of {name(lane.source)}")
        order = _Order(account, request, quote)
        for problem in _request_problems(event, order, events, now):
            self._fail("orders", event, problem)
        agreement = lane.in_force(now)
        if quote.quote_id != NO_QUOTE_ID:
            self._judge_quote(event, order, lane.destination, now)
        if agreement is not None:
            bonus_bps = quote.bonus_bps if quote.quote_id != NO_QUOTE_ID else 0
            points_out = points_out_rounding_down(agreement.terms, request.max_in, bonus_bps)
            if event.price.points_out != points_out:
                detail = f"{request.max_in} points in were offered, which come to {points_out} out"
                self._fail("swaps", event, f"{detail}, not {event.price.points_out}")
            if bonus_bps > agreement.terms.max_bonus_bps:
                most = agreement.terms.max_bonus_bps
                self._fail("quotes", event, f"a bonus of {bonus_bps} hundredths of a percent, the lane allows {most}")

    def _judge_signature(self, event: SwapBurnt, order: _Order, signature: bytes) -> None:
        request = order.request
        words = [address_word(order.account), request.lane_id, address_word(request.to)]
        words += [number_word(request.max_in), number_word(request.min_out), request.ref, order.quote.quote_id]
        digest = self._digest(keccak(b"".join([_SWAP_TYPEHASH, *words, number_word(request.deadline)])))
        self._judge_signer("orders", event, order.account, digest, signature)

    def _judge_quote(self, event: SwapBurnt, order: _Order, destination: bytes, now: int) -> None:
        quote = order.quote
        if (quote.lane_id, quote.version, quote.account) != (event.lane_id, event.version, event.account):
            self._fail("quotes", event, "the quote is for another lane, version or account")
        if event.price.points_in > quote.max_in:
            self._fail("quotes", event, f"the quote is good for {quote.max_in} points in")
        if now > quote.expires_at:
            self._fail("quotes", event, f"the quote had expired {now - quote.expires_at} s before")
        if not self._holds(destination, "QUOTER_ROLE", quote.signer):
            self._fail("quotes", event, f"0x{quote.signer.hex()} does not quote for {name(destination)}")
        words = [quote.quote_id, quote.lane_id, number_word(quote.version), address_word(quote.account)]
        words += [number_word(number) for number in (quote.max_in, quote.bonus_bps, quote.expires_at)]
        digest = self._digest(keccak(b"".join([_QUOTE_TYPEHASH, *words])))
        self._judge_signer("quotes", event, quote.signer, digest, quote.signature)

    def _judge_signer(self, check: str, event: SwapBurnt, signer: bytes, digest: bytes, signature: bytes) -> None:
        try:
            if recover(digest, signature) == signer:
                return
        except ValueError:
            pass  # Contract wallets sign in their own way.
        if self._client.code("0x" + signer.hex(), hex(self._context.report.to_block)):
            self._by_wallets += 1
        else:
            self._fail(check, event, f"the signature is not that of 0x{signer.hex()}")

    # ---- parts

    def _digest(self, struct_hash: bytes) -> bytes:
        return keccak(b"\x19\x01" + self._domain + struct_hash)

    def _holds(self, programme: bytes, role: str, account: bytes) -> bool:
        roles = self._roles.get(self._context.token_of(programme))
        return roles is not None and (_ROLES[role], account) in roles.since

    def _fail(self, check: str, event: ChainEvent, detail: str) -> None:
        self._context.fail(check, event, detail)


def _first(events: Sequence[ChainEvent], kind: type[_Event]) -> _Event | None:
    return next((event for event in events if isinstance(event, kind)), None)


def _request_problems(event: SwapBurnt, order: _Order, events: Sequence[ChainEvent], now: int) -> list[str]:
    """What of a swap is not what was asked for."""
    request, price = order.request, event.price
    problems = []
    if (event.account, event.lane_id, event.ref) != (order.account, request.lane_id, request.ref):
        problems.append("another account, lane or ref than was asked for")
    if event.quote_id != order.quote.quote_id:
        problems.append("another quote than was shown")
    if price.points_in > request.max_in:
        problems.append(f"{price.points_in} points were taken of {request.max_in} offered")
    if price.points_out < request.min_out:
        problems.append(f"{price.points_out} points were given, at least {request.min_out} were asked for")
    if now > request.deadline:
        problems.append(f"{now - request.deadline} s after its deadline")
    minted, pending, sent = _first(events, SwapMinted), _first(events, SwapPending), _first(events, SwapSent)
    receivers = [each for each in (minted and minted.to, pending and pending.pending.to, sent and sent.swap.to) if each]
    if receivers != [request.to]:
        problems.append("the points went to another account than was asked for")
    return problems


def _domain_separator(chain_id: int, exchange: bytes) -> bytes:
    hashes = keccak(text=DOMAIN_NAME) + keccak(text="1")
    return keccak(_DOMAIN_TYPEHASH + hashes + number_word(chain_id) + address_word(exchange))
