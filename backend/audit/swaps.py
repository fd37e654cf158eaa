"""Every swap: what was burnt for it and on which terms. `backend.audit.endings` judges what came of it.

A leg and the swap that it belongs to are matched within their transaction: the n-th burn that the exchange did on a
token is that of the n-th swap that takes points there. Swaps that wait for their destination are in the spool.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

from backend.audit.endings import Endings
from backend.audit.lanes import Agreement, LaneState, name
from backend.audit.legs import Leg
from backend.audit.pricing import least_bonus, price_problems
from backend.audit.swap_context import BurntSwap, Debts, SwapContext, Transaction, debts_of
from backend.chain.event_types import ChainEvent, CrosschainBurn, Paused, Unpaused
from backend.chain.exchange_events import SwapBurnt, SwapMinted, SwapPending, SwapPosted, SwapRefunded
from backend.chain.exchange_types import NO_QUOTE_ID
from backend.chain.points_exchange import swap_hash


class SwapRules:
    """Judges the exchange's logs beside those of the tokens and the clearing house, transaction by transaction."""

    def __init__(self, context: SwapContext, suspended: set[bytes]) -> None:
        """`suspended` are the ids of programmes that the registry suspends at the moment, kept up to date by others."""
        self._context = context
        self._endings = Endings(context)
        self._suspended = suspended
        self._paused = False

    def apply(
        self,
        events: Sequence[ChainEvent],
        legs: Mapping[bytes, Sequence[Leg]],
        house_events: Sequence[ChainEvent],
        timestamp_seconds: int,
    ) -> Transaction:
        """One transaction of the only exchange: its events in order, the legs by token, the clearing house's events."""
        debts = debts_of(house_events)
        done = self.apply_own(events, legs, debts, timestamp_seconds)
        judge_leftovers(self._context, {self._context.exchange}, legs, debts)
        return done

    def apply_own(
        self,
        events: Sequence[ChainEvent],
        legs: Mapping[bytes, Sequence[Leg]],
        debts: Debts,
        timestamp_seconds: int,
    ) -> Transaction:
        """One transaction: the exchange's events in order, the legs by token, what was logged of debts.

        Takes its own legs, and from `debts` those that its swaps leave.
        """
        done = Transaction(timestamp_seconds, debts)
        for token, of_token in legs.items():
            for leg in of_token:
                if leg.event.caller == self._context.exchange:
                    side = done.burns if isinstance(leg.event, CrosschainBurn) else done.mints
                    side.setdefault(token, deque()).append(leg)
        for event in events:
            self._judge(event, done)
        self._judge_rest(done)
        return done

    def _judge(self, event: ChainEvent, done: Transaction) -> None:
        match event:
            case SwapBurnt():
                self._on_burnt(event, done)
            case SwapMinted():
                self._endings.on_minted(event, done)
            case SwapPending():
                self._endings.on_pending(event, done)
            case SwapPosted():
                self._endings.on_posted(event, done)
            case SwapRefunded():
                self._endings.on_refunded(event, done)
            case Paused():
                self._paused = True
            case Unpaused():
                self._paused = False
            case _:
                self._context.lanes.apply(event, done.now)

    def _judge_rest(self, done: Transaction) -> None:
        fail = self._context.fail
        for swap in done.opened.values():
            fail("legs", swap.event, "the points were burnt, and neither minted nor kept waiting")
        for leg in (leg for side in (done.burns, done.mints) for legs in side.values() for leg in legs):
            fail("legs", leg.event, f"{leg.event.amount} points, and no swap that they belong to")

    # ---- the burn leg

    def _on_burnt(self, event: SwapBurnt, done: Transaction) -> None:
        context = self._context
        context.examine("swaps")
        if event.swap_id != swap_hash(context.lanes.chain_id, context.exchange, event.account, event.ref):
            context.fail("swaps", event, "its id does not follow from account and ref")
        if not context.spool.use_once(b"s" + event.swap_id):
            context.fail("swaps", event, f"the account had used the ref 0x{event.ref.hex()} before")
        if self._paused:
            context.fail("pauses", event, "a swap while the exchange was paused")
        lane = context.lanes.lanes.get(event.lane_id)
        if lane is None:
            context.fail("swaps", event, "nobody ever proposed this lane")
            return
        for programme in {lane.source, lane.destination} & self._suspended:
            context.fail("swaps", event, f"{name(programme)} was suspended")
        agreement = self._judge_terms(event, lane, done.now)
        done.opened[event.swap_id] = BurntSwap(event, lane, agreement)
        self._count(event, lane, agreement, done.now)
        self._judge_burn(event, lane, done)

    def _judge_terms(self, event: SwapBurnt, lane: LaneState, now: int) -> Agreement | None:
        context = self._context
        agreement = lane.in_force(now)
        if agreement is None:
            context.fail("swaps", event, "no terms were in force")
            return None
        if agreement.version != event.version:
            context.fail("swaps", event, f"on version {event.version} of the terms, in force was {agreement.version}")
        bonus_bps = 0
        if event.quote_id != NO_QUOTE_ID:
            bonus_bps = least_bonus(agreement.terms, event.price)
            self._judge_quote(event, lane, agreement, bonus_bps)
        for problem in price_problems(agreement.terms, event.price, bonus_bps):
            context.fail("swaps", event, problem)
        return agreement

    def _judge_quote(self, event: SwapBurnt, lane: LaneState, agreement: Agreement, bonus_bps: int) -> None:
        context = self._context
        context.examine("quotes")
        if not context.spool.use_once(b"q" + lane.destination + event.quote_id):
            context.fail("quotes", event, f"the quote 0x{event.quote_id.hex()} was used before")
        most = agreement.terms.max_bonus_bps
        if bonus_bps > most:
            context.fail("quotes", event, f"a bonus of {bonus_bps} hundredths of a percent, the lane allows {most}")

    def _count(self, event: SwapBurnt, lane: LaneState, agreement: Agreement | None, now: int) -> None:
        context, price = self._context, event.price
        context.examine("lane_caps")
        counted = lane.count_out(price.points_out, now)
        if agreement is not None and counted > agreement.terms.daily_cap_out:
            cap = agreement.terms.daily_cap_out
            context.fail("lane_caps", event, f"{counted} points out within a day with a cap of {cap}")
        figures = context.figures_of(event.lane_id)
        figures.swaps += 1
        figures.points_in += price.points_in
        figures.points_out += price.points_out
        figures.bonus_points += price.points_out - price.base_out

    def _judge_burn(self, event: SwapBurnt, lane: LaneState, done: Transaction) -> None:
        context = self._context
        context.examine("legs")
        burns = done.burns.get(context.token_of(lane.source))
        if not burns:
            context.fail("legs", event, "nothing was burnt for it")
            return
        leg = burns.popleft()
        burn = leg.event
        if not isinstance(burn, CrosschainBurn) or burn.sender != event.account:
            context.fail("legs", event, "points of another account were burnt")
        if burn.amount != event.price.points_in:
            context.fail("legs", event, f"{burn.amount} points were burnt, its price is {event.price.points_in}")
        if event.lots != leg.lots:
            context.fail("legs", event, "the lots that it logs are not those that were burnt")
        if leg.lots != leg.earliest_first:
            context.fail("legs", event, "the burnt lots were not the account's earliest")


def judge_leftovers(
    context: SwapContext, exchanges: set[bytes], legs: Mapping[bytes, Sequence[Leg]], debts: Debts
) -> None:
    """What of a transaction belongs to no exchange and to no swap, when all exchanges have taken theirs."""
    for leg in (leg for of_token in legs.values() for leg in of_token):
        if leg.event.caller not in exchanges:
            detail = f"{leg.event.amount} points by 0x{leg.event.caller.hex()}, who is not the exchange"
            context.fail("legs", leg.event, detail)
    for debt in (debt for of_swap in debts.values() for debt in of_swap):
        context.fail("debts", debt, f"no swap 0x{debt.swap_id.hex()} of this transaction leaves that")
