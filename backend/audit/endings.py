"""What came of a burnt swap: minted at once, kept waiting, posted or refunded; and what it left owing."""

from __future__ import annotations

from typing import TypeVar

from backend.audit.lanes import LaneState
from backend.audit.legs import Leg
from backend.audit.pricing import carried
from backend.audit.swap_context import BurntSwap, SwapContext, Transaction
from backend.chain.clearing_events import DebtBooked, DebtReserved, ReservationEnded
from backend.chain.event_types import ChainEvent, CrosschainMint, Lot
from backend.chain.exchange_events import SwapMinted, SwapPending, SwapPosted, SwapRefunded
from backend.chain.exchange_types import PendingSwap
from backend.chain.points_exchange import POSTING_WINDOW_SECONDS

_Debt = TypeVar("_Debt", DebtBooked, DebtReserved, ReservationEnded)


class Endings:
    """Judges the logs that end or suspend a swap."""

    def __init__(self, context: SwapContext) -> None:
        self._context = context

    # ---- in the same transaction as the burn

    def on_minted(self, event: SwapMinted, done: Transaction) -> None:
        """The mint leg of an ordinary lane."""
        swap = self._take_opened(event, done)
        if swap is None:
            return
        context, price = self._context, swap.event.price
        if swap.agreement is not None and swap.agreement.terms.posted:
            context.fail("legs", event, "minted on a lane whose destination keeps its points elsewhere")
        if event.points_out != price.points_out:
            context.fail("legs", event, f"{event.points_out} points were given, {price.points_out} were due")
        self.judge_mint(event, swap.lane.destination, event.to, event.lots, done)
        self._judge_expiry(event, swap, done.now)
        self._judge_debt(event, swap.lane, price.settlement, done)

    def on_pending(self, event: SwapPending, done: Transaction) -> None:
        """The burnt swap of a posted lane begins to wait."""
        swap = self._take_opened(event, done)
        if swap is None:
            return
        context, burnt, price = self._context, swap.event, swap.event.price
        if swap.agreement is not None and not swap.agreement.terms.posted:
            context.fail("legs", event, "kept waiting on a lane whose destination mints at once")
        expected = PendingSwap(
            lane_id=burnt.lane_id,
            account=burnt.account,
            to=event.pending.to,
            points_out=price.points_out,
            settlement=price.settlement,
            refundable_from=done.now + POSTING_WINDOW_SECONDS,
            lots=burnt.lots,
        )
        if event.pending != expected:
            context.fail("legs", event, "what waits is not what was burnt, or not for seven days")
        context.spool.put_pending(event.swap_id, expected)
        context.figures_of(event.lane_id).pending += 1
        reserved = self._take_debt(event, DebtReserved, price.settlement, done)
        if reserved is not None:
            self._judge_parties(reserved, swap.lane)

    def _take_opened(self, event: SwapMinted | SwapPending, done: Transaction) -> BurntSwap | None:
        self._context.examine("legs")
        swap = done.opened.pop(event.swap_id, None)
        if swap is None or swap.event.lane_id != event.lane_id:
            self._context.fail("legs", event, "no burn of its transaction belongs to it")
            return None
        return swap

    # ---- later

    def on_posted(self, event: SwapPosted, done: Transaction) -> None:
        """The destination says that the points arrived."""
        pending = self._take_pending(event)
        if pending is None:
            return
        lane = self._context.lanes.lanes[pending.lane_id]
        self._context.figures_of(pending.lane_id).posted += 1
        ended = self._take_debt(event, ReservationEnded, pending.settlement, done)
        if ended is not None and not ended.paid:
            self._judge_debt(event, lane, pending.settlement, done)

    def on_refunded(self, event: SwapRefunded, done: Transaction) -> None:
        """The swap did not happen."""
        pending = self._take_pending(event)
        if pending is None:
            return
        context = self._context
        lane = context.lanes.lanes[pending.lane_id]
        context.figures_of(pending.lane_id).refunded += 1
        leg = self.judge_restored(event, lane, (pending.account, pending.lots), done)
        done.restored += [] if leg is None else [leg]
        ended = self._take_debt(event, ReservationEnded, pending.settlement, done)
        if ended is not None and ended.paid:
            context.fail("debts", event, "a refunded swap was paid for")

    def judge_restored(
        self, event: SwapRefunded, lane: LaneState, burnt: tuple[bytes, tuple[Lot, ...]], done: Transaction
    ) -> Leg | None:
        """What was given back of the lots that an account gave; the token's leg of it, if anything was."""
        account, lots = burnt
        entry = self._context.programmes.get(lane.source)
        if entry is not None:
            first_live = done.now // entry.terms.epoch_length_seconds - entry.terms.validity_epochs
            live = tuple(lot for lot in lots if lot.epoch >= first_live)
            expired = sum(lot.amount for lot in lots if lot.epoch < first_live)
            if (event.account, event.restored, event.expired_amount) != (account, live, expired):
                self._context.fail("legs", event, "what was given back is not what was burnt and is still live")
        if not event.restored:
            return None
        return self.judge_mint(event, lane.source, event.account, event.restored, done)

    def _take_pending(self, event: SwapPosted | SwapRefunded) -> PendingSwap | None:
        context = self._context
        context.examine("legs")
        pending = context.spool.take_pending(event.swap_id)
        if pending is None or pending.lane_id != event.lane_id:
            context.fail("legs", event, "no swap was waiting under this id")
            return None
        context.figures_of(pending.lane_id).pending -= 1
        return pending

    # ---- points

    def judge_mint(
        self, event: ChainEvent, programme: bytes, to: bytes, lots: tuple[Lot, ...], done: Transaction
    ) -> Leg | None:
        """The token's mint of a leg, which must be what the exchange logs; None when there was none."""
        context = self._context
        context.examine("legs")
        mints = done.mints.get(context.token_of(programme))
        if not mints:
            context.fail("legs", event, "nothing was minted for it")
            return None
        leg = mints.popleft()
        if not isinstance(leg.event, CrosschainMint) or leg.event.recipient != to or leg.lots != lots:
            context.fail("legs", event, "what was minted is not what it logs")
        return leg

    def _judge_expiry(self, event: SwapMinted, swap: BurntSwap, now: int) -> None:
        programmes, fail = self._context.programmes, self._context.fail
        source, destination = programmes.get(swap.lane.source), programmes.get(swap.lane.destination)
        if swap.agreement is None or source is None or destination is None:
            return
        if swap.agreement.terms.carry_expiry:
            due = carried(swap.event.lots, event.points_out, source.terms, destination.terms, now)
            if due is None:
                fail("legs", event, "a burnt lot ends before any lot of the destination could")
            elif tuple(due) != event.lots:
                fail("legs", event, "the lots given do not carry the expiry of those burnt")
        elif event.lots != (Lot(now // destination.terms.epoch_length_seconds, event.points_out),):
            fail("legs", event, "the points given are not new ones")

    # ---- debts

    def _judge_debt(self, event: SwapMinted | SwapPosted, lane: LaneState, settlement: int, done: Transaction) -> None:
        booked = self._take_debt(event, DebtBooked, settlement, done)
        if booked is not None:
            self._judge_parties(booked, lane)
            self._context.figures_of(event.lane_id).settlement += booked.amount

    def _take_debt(
        self,
        event: SwapMinted | SwapPending | SwapPosted | SwapRefunded,
        kind: type[_Debt],
        settlement: int,
        done: Transaction,
    ) -> _Debt | None:
        """The one log of that kind that a swap of this settlement leaves; nothing is owed for a settlement of zero."""
        context = self._context
        if not context.has_house or not settlement:
            return None
        context.examine("debts")
        of_swap = done.debts.get(event.swap_id, [])
        found = next((debt for debt in of_swap if isinstance(debt, kind)), None)
        if found is None:
            context.fail("debts", event, f"no {kind.__name__} of {settlement} goes with it")
            return None
        of_swap.remove(found)
        if found.amount != settlement:
            context.fail("debts", found, f"{found.amount}, although the swap's settlement is {settlement}")
        return found

    def _judge_parties(self, debt: DebtBooked | DebtReserved, lane: LaneState) -> None:
        if (debt.debtor, debt.creditor) != (lane.source, lane.destination):
            self._context.fail("debts", debt, "not between the source and the destination of the swap's lane")
