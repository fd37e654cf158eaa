"""The cycles of a house, one by one: what was opened with, owed, paid, settled and disputed. Pure, from its logs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace

from backend.chain import clearing_events as logs
from backend.chain.event_types import ZERO_ADDRESS, ChainEvent
from backend.chain.house import HouseReplay
from backend.chain.house_books import CLOSED, Pair


@dataclass(frozen=True, slots=True)
class DebtSum:
    """What swaps of a cycle left one programme owing another."""

    amount: int = 0
    swaps: int = 0


@dataclass(frozen=True, slots=True)
class DisputeLog:
    """A dispute as it is on chain."""

    programme: bytes
    note_hash: bytes
    block_number: int
    transaction_hash: bytes
    timestamp: int


@dataclass(slots=True)
class CycleShare:
    """What one programme had, owed and paid in a cycle. Amounts in the currency's smallest unit."""

    opening_collateral: int = 0
    opening_claims: int = 0
    """Still owed by it after a default, when the cycle began."""
    opening_claimed: int = 0
    """Still owed to it by programmes in default."""
    due: int | None = None
    """Net that it was advised of last; None while the cycle is open."""
    paid_with_money: int = 0
    paid_from_collateral: int = 0
    enforced: int = 0
    """Part of `paid_from_collateral` that was taken after the deadline."""
    returned: int = 0
    """Part of what was paid that came back to its collateral, because a default had changed what was due."""
    received: int = 0
    """Added to its collateral by the settlement."""
    defaulted: bool = False


@dataclass(slots=True)
class Cycle:
    """One cycle. Times are Unix seconds; None: not yet, or not known."""

    number: int
    opened_at: int | None
    closed_at: int | None = None
    payment_deadline: int | None = None
    settled_at: int | None = None
    debts: Mapping[Pair, DebtSum] = field(default_factory=dict)
    """(debtor, creditor) → what swaps left owing."""
    taken_out: dict[Pair, int] = field(default_factory=lambda: defaultdict(int))
    """(debtor, creditor) → what a default took out of the netting of this cycle."""
    shares: dict[bytes, CycleShare] = field(default_factory=lambda: defaultdict(CycleShare))
    disputes: list[DisputeLog] = field(default_factory=list)

    @property
    def state(self) -> str:
        """open, settling, settled."""
        if self.closed_at is None:
            return "open"
        return "settling" if self.settled_at is None else "settled"

    def debt(self, debtor: bytes, creditor: bytes) -> DebtSum:
        """What swaps left `debtor` owing `creditor`."""
        return self.debts.get((debtor, creditor), DebtSum())

    def taken(self, debtor: bytes, creditor: bytes) -> int:
        """What defaults took away of what `debtor` owed `creditor`, less the other way round."""
        return self.taken_out.get((debtor, creditor), 0) - self.taken_out.get((creditor, debtor), 0)

    def net(self, programme: bytes, partner: bytes) -> int:
        """What a partner owes a programme on balance (negative: is owed)."""
        gross = self.debt(partner, programme).amount - self.debt(programme, partner).amount
        return gross + self.taken(programme, partner)

    def partners(self, programme: bytes) -> list[bytes]:
        """Those that a programme owes or is owed by, or was."""
        pairs = [*self.debts, *self.taken_out]
        return sorted({other for pair in pairs if programme in pair for other in pair if other != programme})


Place = tuple[int, int]
"""Block number and log index."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A house just after the log that closed a cycle, before anything of the next: nothing later changes it."""

    place: Place
    closed_at: int
    state: HouseReplay
    cycles: Mapping[int, Cycle]


class CycleRecorder:
    """Replays a house from its rare logs and the sums of its debts, and writes down each cycle on the way.

    It begins with the house, or goes on from a snapshot, which stays as it is; the sums are those of the cycles from
    there on. At the log `snapshot_at`, which closes a cycle, a new snapshot is taken.
    """

    def __init__(
        self, state: HouseReplay, sums: Mapping[int, Mapping[Pair, DebtSum]], snapshot_at: Place | None = None
    ) -> None:
        self.state = state
        self.cycles: dict[int, Cycle] = {}
        self.snapshot: Snapshot | None = None
        self._snapshot_at = snapshot_at
        self._sums = sums
        self._default: tuple[bytes, Mapping[bytes, tuple[int, int]]] | None = None
        """A programme whose default is being logged, and what it owed each partner before."""
        if state.open_cycle == 1:
            self._open(1, None if state.closes_at is None else state.closes_at - state.cycle_seconds)

    @classmethod
    def resume(
        cls, snapshot: Snapshot, sums: Mapping[int, Mapping[Pair, DebtSum]], snapshot_at: Place | None = None
    ) -> CycleRecorder:
        """Goes on from a snapshot with the logs after it."""
        recorder = cls(deepcopy(snapshot.state), sums, snapshot_at)
        recorder.snapshot = snapshot
        recorder.cycles = dict(snapshot.cycles)
        closed = recorder.state.open_cycle - 1
        recorder.cycles[closed] = deepcopy(recorder.cycles[closed])
        recorder._open(closed + 1, snapshot.closed_at)
        return recorder

    def apply(self, event: ChainEvent, timestamp_seconds: int) -> None:
        """Moves on by one event, in order."""
        if self._default is not None and not isinstance(
            event, logs.CycleReadvised | logs.PositionAdvised | logs.LossAllocated
        ):
            self._write_default()
        self._before(event)
        self.state.apply(event, timestamp_seconds)
        self._after(event, timestamp_seconds)

    def finish(self) -> None:
        """Ends the last transaction."""
        self._write_default()
        self.state.finish_transaction()

    def _open(self, number: int, opened_at: int | None) -> None:
        debts = self._sums.get(number, {})
        for (debtor, creditor), debt in debts.items():
            self.state.add_sum(debtor, creditor, debt.amount)
        cycle = self.cycles[number] = Cycle(number, opened_at, debts=debts)
        claims = self.state.claims
        for programme in self.state.programmes:
            share = cycle.shares[programme]
            share.opening_collateral = self.state.collateral.get(programme, 0)
            share.opening_claims = sum(amount for (debtor, _), amount in claims.items() if debtor == programme)
            share.opening_claimed = sum(amount for (_, creditor), amount in claims.items() if creditor == programme)

    def _before(self, event: ChainEvent) -> None:
        match event:
            case logs.DefaultDeclared():
                partners = self.state.books.partners(event.programme_id)
                self._default = (event.programme_id, dict(partners))
                share = self.cycles[event.cycle].shares[event.programme_id]
                share.defaulted = True
                share.returned += self.state.paid.get(event.programme_id, 0)
            case logs.CycleSettled():
                for programme in self.state.programmes:
                    due = self.state.books.net(programme, CLOSED)
                    share = self.cycles[event.cycle].shares[programme]
                    share.received = max(0, due)
                    share.returned += max(0, self.state.paid.get(programme, 0) + min(0, due))

    def _after(self, event: ChainEvent, timestamp_seconds: int) -> None:
        match event:
            case logs.CycleClosed():
                cycle = self.cycles[event.cycle]
                cycle.closed_at, cycle.payment_deadline = timestamp_seconds, event.payment_deadline
                for programme in self.state.programmes:
                    cycle.shares[programme].due = self.state.books.net(programme, CLOSED)
                if (event.block_number, event.log_index) == self._snapshot_at:
                    cycles = {**self.cycles, event.cycle: deepcopy(cycle)}
                    self.snapshot = Snapshot(self._snapshot_at, timestamp_seconds, deepcopy(self.state), cycles)
                self._open(event.cycle + 1, timestamp_seconds)
            case logs.CycleReadvised():
                self.cycles[event.cycle].payment_deadline = event.payment_deadline
            case logs.PositionAdvised():
                self.cycles[event.cycle].shares[event.programme_id].due = event.due
            case logs.DebtPaid():
                self._count_payment(event)
            case logs.CollateralEnforced():
                self.cycles[event.cycle].shares[event.programme_id].enforced += event.amount
            case logs.CycleSettled():
                self.cycles[event.cycle].settled_at = timestamp_seconds
            case logs.CycleDisputed():
                place = (event.block_number, event.transaction_hash, timestamp_seconds)
                cycle = self.cycles[event.cycle]
                # A new object: snapshots share the old one.
                disputes = [*cycle.disputes, DisputeLog(event.programme_id, event.note_hash, *place)]
                self.cycles[event.cycle] = replace(cycle, disputes=disputes)

    def _count_payment(self, event: logs.DebtPaid) -> None:
        share = self.cycles[event.cycle].shares[event.programme_id]
        if event.payer == ZERO_ADDRESS:
            share.paid_from_collateral += event.amount
        else:
            share.paid_with_money += event.amount

    def _write_default(self) -> None:
        """Notes what the default took out of both cycles' netting."""
        if self._default is None:
            return
        debtor, before = self._default
        self._default = None
        number = self.state.open_cycle
        for partner, amounts in before.items():
            left = self.state.books.owed(debtor, partner)
            for cycle, was, now in zip((number, number - 1), amounts, left, strict=True):
                if was != now:
                    self.cycles[cycle].taken_out[debtor, partner] += was - now
