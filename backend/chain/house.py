"""Replay of the clearing house's logs: pure, in order, and with the house's own rules.

A log that the house could not have written is a fault. The state at a block follows from the events up to it.
"""

from __future__ import annotations

from collections.abc import Iterable

from backend.chain import clearing_events as logs
from backend.chain.event_types import ZERO_ADDRESS, ChainEvent
from backend.chain.house_books import CLOSED, OPEN
from backend.chain.house_defaults import DefaultReplay
from backend.chain.house_faults import Fault, name_of, raise_fault
from backend.chain.house_state import MAX_DEBT


class HouseReplay(DefaultReplay):
    """State of one clearing house, moved on by its events.

    `apply` takes one event after the other. `finish_transaction` judges what only holds between operations; it is
    called by itself when an event of another transaction comes, and must be called after the last one. Faults are
    raised as `HouseFaultError`, or handed to `on_fault`, after which the replay goes on with what the log says.
    """

    def __init__(
        self,
        cycle_seconds: int,
        payment_seconds: int,
        started_at_seconds: int | None = None,
        on_fault: Fault = raise_fault,
    ) -> None:
        super().__init__(cycle_seconds, started_at_seconds, on_fault)
        self._payment_seconds = payment_seconds
        self._advice: dict[bytes, int] = {}
        """Nets that the logs of a close have still to say."""

    def replay(self, events: Iterable[tuple[ChainEvent, int]]) -> None:
        """Applies events with their blocks' times (Unix seconds), in order, and judges the last transaction too."""
        for event, timestamp_seconds in events:
            self.apply(event, timestamp_seconds)
        self.finish_transaction()

    def apply(self, event: ChainEvent, timestamp_seconds: int) -> None:
        """Moves on by one event of the house; others are ignored."""
        if type(event) not in logs.CLEARING_PARAMETERS:
            return
        if self._last is not None and self._last.transaction_hash != event.transaction_hash:
            self.finish_transaction()
        self._now = timestamp_seconds
        self._move_on(event)
        self._last = event

    def add_sum(self, debtor: bytes, creditor: bytes, amount: int) -> None:
        """Adds what was booked in a whole cycle at once to the open one, for a replay that starts from sums.

        Such a replay needs a cycle's sums before the events that follow its beginning, and cannot judge bounds in
        between: give it an `on_fault` that does nothing.
        """
        self.books.add(debtor, creditor, OPEN, amount)

    def finish_transaction(self) -> None:
        """Judges what must hold after every operation: bounds of those concerned, and nothing left unsaid."""
        last, touched = self._last, self._touched
        self._touched = set()
        if last is None:
            return
        for programme in touched:
            free = self.free(programme)
            self._check(last, free >= 0, f"{name_of(programme)} owes {-free} that nothing covers")
        for programme, due in self._advice.items():
            self._fault(last, f"no log advises {name_of(programme)} of {due}")
        self._advice = {}
        self._finish_default(last)

    # ---- parts

    def _move_on(self, event: ChainEvent) -> None:
        match event:
            case logs.DebtBooked():
                self._on_booked(event)
            case logs.DebtReserved():
                self._on_reserved(event)
            case logs.ReservationEnded():
                self._on_reservation_ended(event)
            case logs.ProgrammeJoined():
                self._on_joined(event)
            case logs.CollateralDeposited():
                self._on_deposited(event)
            case logs.CollateralWithdrawn():
                self._on_withdrawn(event)
            case logs.CreditLineChanged():
                self._on_line_changed(event)
            case _:
                self._move_cycle_on(event)

    def _move_cycle_on(self, event: ChainEvent) -> None:
        match event:
            case logs.CycleClosed():
                self._on_closed(event)
            case logs.PositionAdvised():
                self._on_advised(event)
            case logs.CycleReadvised():
                self._on_readvised(event)
            case logs.DebtPaid():
                self._on_paid(event)
            case logs.CollateralEnforced():
                self._on_enforced(event)
            case logs.CycleSettled():
                self._on_settled(event)
            case logs.CycleDisputed():
                self._on_disputed(event)
            case logs.DefaultDeclared():
                self._on_default(event)
            case logs.LossAllocated():
                self._on_loss(event)
            case logs.ClaimPaid():
                self._on_claim_paid(event)
            case logs.DefaultEnded():
                self._on_default_ended(event)

    # ---- collateral and lines

    def _on_joined(self, event: logs.ProgrammeJoined) -> None:
        self._check(event, event.programme_id not in self.collateral, "has joined before")
        self._check(event, event.index == len(self.programmes), f"{len(self.programmes)} have joined before it")
        self.programmes.append(event.programme_id)
        self.collateral.setdefault(event.programme_id, 0)

    def _on_deposited(self, event: logs.CollateralDeposited) -> None:
        self._concern(event, event.programme_id)
        self._pay_in(event.programme_id, event.amount)

    def _on_withdrawn(self, event: logs.CollateralWithdrawn) -> None:
        self._concern(event, event.programme_id)
        may = self.withdrawable(event.programme_id)
        self._check(event, event.amount <= may, f"{event.amount} withdrawn, {may} could be")
        self._take(event, event.programme_id, event.amount)

    def _on_line_changed(self, event: logs.CreditLineChanged) -> None:
        self._concern(event, event.creditor, event.debtor)
        line = self.books.line(event.creditor, event.debtor)
        raised = event.creditor in self.defaulted and event.amount > line
        self._check(event, not raised, f"{name_of(event.creditor)} is in default")
        self._check(event, line == event.previous_amount, f"the line was {line}, not {event.previous_amount}")
        self.books.set_line(event.creditor, event.debtor, event.amount)

    # ---- debts

    def _on_booked(self, event: logs.DebtBooked) -> None:
        self._concern(event, event.debtor, event.creditor)
        self._check(event, event.cycle == self.open_cycle, f"cycle {self.open_cycle} is open")
        able = not {event.debtor, event.creditor} & self.defaulted
        self._check(event, able, "one of the two is in default")
        self.books.add(event.debtor, event.creditor, OPEN, event.amount)

    def _on_reserved(self, event: logs.DebtReserved) -> None:
        self._concern(event, event.debtor, event.creditor)
        self._check(event, event.swap_id not in self.reservations, "the swap has a reservation")
        self.reservations[event.swap_id] = (event.debtor, event.creditor, event.amount)
        self.reserved[event.debtor] = self.reserved.get(event.debtor, 0) + event.amount

    def _on_reservation_ended(self, event: logs.ReservationEnded) -> None:
        reservation = self.reservations.pop(event.swap_id, None)
        if reservation is None:
            self._fault(event, "the swap has no reservation")
            return
        debtor, creditor, amount = reservation
        self._check(event, amount == event.amount, f"{amount} were reserved")
        self._concern(event, debtor, creditor)
        self.reserved[debtor] -= amount
        booked = isinstance(self._last, logs.DebtBooked) and self._last.swap_id == event.swap_id
        self._check(event, not (booked and event.paid), "the debt was booked and paid")
        if event.paid:
            fits = self.books.owed(debtor, creditor)[OPEN] + amount <= MAX_DEBT
            self._check(
                event, bool({debtor, creditor} & self.defaulted) or not fits, "neither of the two is in default"
            )
            self._take(event, debtor, event.amount)
            self._pay_in(creditor, event.amount)

    # ---- cycles

    def _on_closed(self, event: logs.CycleClosed) -> None:
        self._check(event, event.cycle == self.open_cycle, f"cycle {self.open_cycle} is open")
        self._check(event, not self.is_settling, "the cycle before it has not been settled")
        if self.closes_at is not None:
            self._check(event, self._now >= self.closes_at, f"could not be closed before {self.closes_at}")
            # Closing times stay on the grid of the first one.
            self.closes_at += ((self._now - self.closes_at) // self.cycle_seconds + 1) * self.cycle_seconds
        self._set_deadline(event, event.payment_deadline)
        self.books.close()
        self.open_cycle = event.cycle + 1
        self.is_settling = True
        nets = {programme: self.books.net(programme, CLOSED) for programme in self.programmes}
        self._advice = {programme: net for programme, net in nets.items() if net}

    def _on_advised(self, event: logs.PositionAdvised) -> None:
        self._check_settling(event, event.cycle)
        self._advice.pop(event.programme_id, None)
        if self._closing_out is not None:
            self._advise_again(event, self._closing_out)
        net = self.books.net(event.programme_id, CLOSED)
        self._check(event, net == event.due, f"{event.due} advised, what was booked comes to {net}")

    def _on_readvised(self, event: logs.CycleReadvised) -> None:
        self._check_settling(event, event.cycle)
        self._check(event, isinstance(self._last, logs.DefaultDeclared), "no default before it")
        self._set_deadline(event, event.payment_deadline)

    def _on_paid(self, event: logs.DebtPaid) -> None:
        self._concern(event, event.programme_id)
        self._check_settling(event, event.cycle)
        left = self.outstanding(event.programme_id)
        self._check(event, 0 < event.amount <= left, f"{event.amount} paid, {left} were outstanding")
        if event.payer == ZERO_ADDRESS:
            may = self.free_of_open(event.programme_id)
            self._check(event, event.amount <= may, f"{event.amount} taken from collateral, {may} could be")
            self._take(event, event.programme_id, event.amount)
        self.paid[event.programme_id] = self.paid.get(event.programme_id, 0) + event.amount

    def _on_enforced(self, event: logs.CollateralEnforced) -> None:
        self._check_settling(event, event.cycle)
        self._check(event, self._now > self.payment_deadline, "the payment deadline was not past")
        paid = self._last
        wanted = (event.programme_id, ZERO_ADDRESS, event.amount)
        said = isinstance(paid, logs.DebtPaid) and (paid.programme_id, paid.payer, paid.amount) == wanted
        self._check(event, said, "the log before it is not the payment")

    def _on_settled(self, event: logs.CycleSettled) -> None:
        self._check_settling(event, event.cycle)
        total = 0
        for programme in self.programmes:
            left, due = self.outstanding(programme), self.books.net(programme, CLOSED)
            self._check(event, left == 0, f"{name_of(programme)} has still to pay {left}")
            # What was paid and is not due any more after a default comes back.
            self._pay_in(programme, due + self.paid.get(programme, 0))
            total += max(0, due)
        self._check(event, total == event.total, f"creditors were due {total}, not {event.total}")
        self._touched |= set(self.programmes)
        self.books.settle()
        self.paid = {}
        self.is_settling = False
        self.payment_deadline = 0

    def _on_disputed(self, event: logs.CycleDisputed) -> None:
        self._concern(event, event.programme_id)
        self._check(event, 0 < event.cycle < self.open_cycle, "no such cycle has been closed")

    def _check_settling(self, event: ChainEvent, cycle: int) -> None:
        settling = self.is_settling and cycle == self.open_cycle - 1
        self._check(event, settling, f"cycle {cycle} is not being settled")

    def _set_deadline(self, event: ChainEvent, deadline: int) -> None:
        earliest = self._now + self._payment_seconds
        self._check(event, deadline == earliest, f"the payment deadline should be {earliest}")
        self.payment_deadline = deadline
