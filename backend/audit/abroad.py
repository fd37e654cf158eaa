"""Swaps to and from other chains, as one chain's logs tell of them; `backend.audit.crossings` compares the chains."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from backend.audit.crossings import Arrival, Calendar, Crossings
from backend.audit.lanes import LaneState, name
from backend.audit.pricing import least_bonus
from backend.audit.swap_context import SwapContext, Transaction
from backend.audit.swaps import SwapRules
from backend.chain.attested_gateway import Message, Route, message_id, parse_interoperable_address
from backend.chain.clearing_events import DebtBooked
from backend.chain.crosschain_exchange import MAX_TRANSIT_SECONDS, decode_payload
from backend.chain.event_types import ChainEvent
from backend.chain.exchange_events import (
    LinkRegistered,
    SwapMinted,
    SwapPending,
    SwapPosted,
    SwapRefunded,
    SwapRefused,
    SwapSent,
)
from backend.chain.exchange_types import NO_QUOTE_ID, CrosschainSwap, RefusalReason
from backend.chain.gateway_events import MessageDelivered, MessageFailed, MessageQueued, MessageSent, RemoteSet
from backend.chain.manifest import Manifest, TermsEntry


class AbroadRules(SwapRules):
    """Judges the logs of the exchange with other chains."""

    def __init__(self, context: SwapContext, suspended: set[bytes], crossings: Crossings) -> None:
        super().__init__(context, suspended)
        self._crossings = crossings
        self._chain_id = context.lanes.chain_id
        self._numbers: dict[bytes, int] = defaultdict(int)
        """Of the last swap sent, by lane."""

    def _judge(self, event: ChainEvent, done: Transaction) -> None:
        match event:
            case SwapSent():
                self._on_sent(event, done)
            case SwapMinted():
                self._on_minted(event, done)
            case SwapRefused():
                self._on_refused(event, done)
            case SwapRefunded():
                self._on_refunded(event, done)
            case SwapPending() | SwapPosted():
                self._context.fail("legs", event, "no lane of another chain is posted")
            case LinkRegistered():
                pass
            case _:
                super()._judge(event, done)

    # ---- out

    def _on_sent(self, event: SwapSent, done: Transaction) -> None:
        context, swap = self._context, event.swap
        context.examine("legs")
        opened = done.opened.pop(event.swap_id, None)
        if opened is None or opened.event.lane_id != event.lane_id:
            context.fail("legs", event, "no burn of its transaction belongs to it")
            return
        lane, burnt = opened.lane, opened.event
        self._numbers[event.lane_id] += 1
        bonus_bps = swap.bonus_bps if burnt.quote_id != NO_QUOTE_ID else 0
        if opened.agreement is not None and bonus_bps < least_bonus(opened.agreement.terms, burnt.price):
            context.fail(
                "swaps", event, f"{burnt.price.points_out} points out are more than a bonus of {bonus_bps} gives"
            )
        entry = context.programmes.get(lane.source)
        calendar = (swap.epoch_length, swap.validity) if entry is None else _calendar_of(entry.terms)
        expected = CrosschainSwap(
            swap_id=burnt.swap_id,
            lane_id=burnt.lane_id,
            number=self._numbers[event.lane_id],
            account=burnt.account,
            to=swap.to,
            points_in=burnt.price.points_in,
            points_out=burnt.price.points_out,
            bonus_bps=bonus_bps,
            deadline=swap.deadline,
            epoch_length=calendar[0],
            validity=calendar[1],
            lots=burnt.lots,
        )
        if swap != expected:
            context.fail("legs", event, "what was sent is not what was burnt, or its number is not the next")
        if not done.now <= swap.deadline <= done.now + MAX_TRANSIT_SECONDS:
            context.fail("swaps", event, "its deadline is past, or more than seven days away")
        lanes = context.lanes
        if lanes.home_of(lane.source) != self._chain_id:
            context.fail("legs", event, f"{name(lane.source)} is not at home on this chain")
        ends = (lane.source, lane.destination)
        destination = lanes.home_of(lane.destination)
        self._crossings.add_sent(self._chain_id, ends, destination, swap, event.block_number)

    def _on_refunded(self, event: SwapRefunded, done: Transaction) -> None:
        context = self._context
        context.examine("legs")
        swap = self._crossings.sent(event.swap_id)
        lane = context.lanes.lanes.get(event.lane_id)
        if swap is None or lane is None or swap.lane_id != event.lane_id:
            context.fail("legs", event, "no swap left under this id")
            return
        if not self._crossings.add_refund(event.swap_id, self._chain_id, event.block_number):
            context.fail("legs", event, "it had been given back before")
        context.figures_of(event.lane_id).refunded += 1
        leg = self._endings.judge_restored(event, lane, (swap.account, swap.lots), done)
        done.restored += [] if leg is None else [leg]
        before = lane.count_back(swap.points_out, done.now)
        context.examine("lane_caps")
        last = lane.agreed or lane.last
        if last is not None and before and before >= last.terms.daily_cap_out:
            context.fail("lane_caps", event, f"{before} points out had come back within a day, no less than its cap")

    # ---- in

    def _on_minted(self, event: SwapMinted, done: Transaction) -> None:
        context = self._context
        lane = self._arriving(event)
        if lane is None:
            return
        if self._paused:
            context.fail("pauses", event, "points were minted while the exchange was paused")
        for programme in {lane.source, lane.destination} & self._suspended:
            context.fail("swaps", event, f"{name(programme)} was suspended")
        self._endings.judge_mint(event, lane.destination, event.to, event.lots, done)
        agreement = lane.in_force(done.now)
        if agreement is None:
            context.fail("swaps", event, "no terms were in force")
        counted = lane.count_out(event.points_out, done.now)
        context.examine("lane_caps")
        if agreement is not None and counted > agreement.terms.daily_cap_out:
            cap = agreement.terms.daily_cap_out
            context.fail("lane_caps", event, f"{counted} points out within a day with a cap of {cap}")
        figures = context.figures_of(event.lane_id)
        figures.arrived += 1
        figures.arrived_points += event.points_out
        debt = self._debt(event, lane, done)
        figures.settlement += debt
        self._arrived(event, lane, done, debt=debt if context.has_house else None)

    def _on_refused(self, event: SwapRefused, done: Transaction) -> None:
        lane = self._arriving(event)
        if lane is not None:
            self._context.figures_of(event.lane_id).refused += 1
        self._arrived(event, lane, done, reason=event.reason)

    def _arriving(self, event: SwapMinted | SwapRefused) -> LaneState | None:
        context = self._context
        context.examine("legs")
        lane = context.lanes.lanes.get(event.lane_id)
        if lane is None:
            if isinstance(event, SwapMinted):
                context.fail("legs", event, "nobody ever proposed this lane")
        elif context.lanes.home_of(lane.destination) != self._chain_id:
            context.fail("legs", event, f"{name(lane.destination)} is not at home on this chain")
        return lane

    def _arrived(
        self,
        event: SwapMinted | SwapRefused,
        lane: LaneState | None,
        done: Transaction,
        *,
        reason: RefusalReason | None = None,
        debt: int | None = None,
    ) -> None:
        agreement = None if lane is None else lane.in_force(done.now)
        entry = None if lane is None else self._context.programmes.get(lane.destination)
        minted = event if isinstance(event, SwapMinted) else None
        arrival = Arrival(
            swap_id=event.swap_id,
            chain_id=self._chain_id,
            lane_id=event.lane_id,
            terms=None if agreement is None else agreement.terms,
            calendar=None if entry is None else Calendar(*_calendar_of(entry.terms)),
            timestamp_seconds=done.now,
            block=event.block_number,
            reason=reason,
            recipient=b"" if minted is None else minted.to,
            points_out=0 if minted is None else minted.points_out,
            lots=() if minted is None else minted.lots,
            debt=debt,
        )
        if not self._crossings.add_arrival(arrival):
            self._context.fail("legs", event, "the swap had been minted or refused before")

    def _debt(self, event: SwapMinted, lane: LaneState, done: Transaction) -> int:
        """What was booked for a mint; whether it is what is due is known when the burn is."""
        booked = [each for each in done.debts.get(event.swap_id, []) if isinstance(each, DebtBooked)]
        for debt in booked:
            done.debts[event.swap_id].remove(debt)
            self._context.examine("debts")
            if (debt.debtor, debt.creditor) != (lane.source, lane.destination):
                self._context.fail("debts", debt, "not between the source and the destination of the swap's lane")
        return sum(debt.amount for debt in booked)


class GatewayRules:
    """Judges the gateway's logs: numbers without gaps, ids that bind what was sent, and the exchange's messages."""

    def __init__(self, context: SwapContext, manifest: Manifest, crossings: Crossings) -> None:
        self._context = context
        self._crossings = crossings
        self._chain_id = manifest.chain_id
        self._exchange = b"" if manifest.crosschain is None else manifest.crosschain.address_bytes
        self._remotes: dict[int, bytes] = {}
        self._nonces: dict[int, int] = defaultdict(int)
        self._taken: set[bytes] = set()
        """Failed messages: their delivery later is no second one."""

    def apply(self, events: Sequence[ChainEvent], of_exchange: Sequence[ChainEvent]) -> None:
        """One transaction: the gateway's events, and those of the exchange."""
        queued: MessageQueued | None = None
        sent: dict[bytes, MessageSent] = {}
        for event in events:
            match event:
                case RemoteSet():
                    self._remotes[event.chain] = event.gateway
                case MessageQueued():
                    queued = event
                case MessageSent():
                    sent[event.send_id] = event
                    self._on_sent(event, queued)
                case MessageDelivered() | MessageFailed():
                    self._on_taken(event)
        for each in of_exchange:
            if isinstance(each, SwapSent | SwapRefused):
                self._judge_content(each, sent.get(each.message_id))

    def _on_sent(self, event: MessageSent, queued: MessageQueued | None) -> None:
        context = self._context
        context.examine("messages")
        if queued is None or queued.message_id != event.send_id:
            context.fail("messages", event, "no MessageQueued goes with it")
            return
        destination = queued.destination_chain
        self._nonces[destination] += 1
        if queued.nonce != self._nonces[destination]:
            context.fail("messages", event, f"number {queued.nonce} follows {self._nonces[destination] - 1}")
            self._nonces[destination] = queued.nonce
        (chain, sender), (to_chain, recipient) = map(parse_interoperable_address, (event.sender, event.recipient))
        route = Route(self._chain_id, event.contract, destination, self._remotes.get(destination, b"").rjust(20, b"\0"))
        message = Message(queued.nonce, sender, recipient, event.payload)
        if (chain, to_chain) != (self._chain_id, destination) or message_id(route, message) != event.send_id:
            context.fail("messages", event, "its id does not follow from what it says")
        self._crossings.add_queued(event.send_id, self._chain_id, destination, queued.nonce)

    def _on_taken(self, event: MessageDelivered | MessageFailed) -> None:
        self._context.examine("messages")
        if event.message_id in self._taken:
            self._taken.discard(event.message_id)
            return
        if isinstance(event, MessageFailed):
            self._taken.add(event.message_id)
        place = (event.source_chain, event.nonce, event.block_number)
        self._crossings.add_taken(event.message_id, self._chain_id, *place)

    def _judge_content(self, event: SwapSent | SwapRefused, sent: MessageSent | None) -> None:
        """What the exchange logged is what its message says."""
        context = self._context
        context.examine("messages")
        if sent is None or parse_interoperable_address(sent.sender)[1] != self._exchange:
            context.fail("messages", event, "no message of the exchange goes with it")
            return
        try:
            _, swap = decode_payload(sent.payload)
        except ValueError:
            context.fail("messages", event, "its message cannot be read")
            return
        told = event.swap if isinstance(event, SwapSent) else swap
        if swap != told or swap.swap_id != event.swap_id:
            context.fail("messages", event, "its message tells of another swap")


def _calendar_of(terms: TermsEntry) -> tuple[int, int]:
    return terms.epoch_length_seconds, terms.validity_epochs
