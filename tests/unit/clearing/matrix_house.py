"""A clearing house in plain Python that keeps full matrices and computes every sum anew: what the replay is held to.

Each operation answers the events that the contract would log, or raises `Refused`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from backend.chain import clearing_events as logs
from backend.chain.event_types import ZERO_ADDRESS, ChainEvent

CYCLE_SECONDS = 1000
PAYMENT_SECONDS = 200
START = 10_000
HOUSE = b"\x07" * 20
PAYER = b"\x09" * 20

Make = Callable[..., ChainEvent]


class Refused(Exception):  # noqa: N818 - an outcome, not an error of ours
    """The house would revert."""


class MatrixHouse:
    """Programmes by number; `names` are their ids on chain."""

    def __init__(self, count: int) -> None:
        self.names = [f"p{number}".encode().ljust(32, b"\0") for number in range(count)]
        self.count = 0
        zeros = range(count)
        self.open = [[0] * count for _ in zeros]
        """What the row owes the column."""
        self.closed = [[0] * count for _ in zeros]
        self.line = [[0] * count for _ in zeros]
        """What the row lets the column owe it."""
        self.claim = [[0] * count for _ in zeros]
        """What is left of the claim of the column on the row."""
        self.collateral = [0] * count
        self.reserved = [0] * count
        self.paid = [0] * count
        self.default = [False] * count
        self.reservations: dict[bytes, tuple[int, int, int]] = {}
        self.cycle = 1
        self.closes_at = START + CYCLE_SECONDS
        self.deadline = 0
        self.now = START
        self.sums: dict[int, dict[tuple[bytes, bytes], list[int]]] = defaultdict(dict)
        """By cycle and pair: amount and number of what was booked, as the indexer keeps it."""
        self._places = 0

    # ---- what follows

    def owed(self, debtor: int, creditor: int, matrix: list[list[int]]) -> int:
        return matrix[debtor][creditor] - matrix[creditor][debtor]

    def net(self, programme: int, matrix: list[list[int]]) -> int:
        return sum(self.owed(other, programme, matrix) for other in range(self.count))

    def both(self, debtor: int, creditor: int) -> int:
        return self.owed(debtor, creditor, self.open) + self.owed(debtor, creditor, self.closed)

    def uncovered(self, debtor: int) -> int:
        return sum(max(0, self.both(debtor, p) - self.line[p][debtor]) for p in range(self.count))

    def uncovered_open(self, debtor: int) -> int:
        return sum(max(0, self.owed(debtor, p, self.open) - self.line[p][debtor]) for p in range(self.count))

    def free_of_open(self, programme: int) -> int:
        return self.collateral[programme] - self.reserved[programme] - self.uncovered_open(programme)

    def free(self, programme: int) -> int:
        of_both = self.collateral[programme] + self.paid[programme] - self.reserved[programme]
        return min(of_both - self.uncovered(programme), self.free_of_open(programme))

    def outstanding(self, programme: int) -> int:
        return max(0, -self.net(programme, self.closed) - self.paid[programme])

    def claims(self, debtor: int) -> int:
        return sum(self.claim[debtor])

    # ---- operations

    def join(self) -> list[ChainEvent]:
        if self.count == len(self.names):
            raise Refused
        self.count += 1
        return self._log(logs.ProgrammeJoined, self.names[self.count - 1], self.count - 1)

    def deposit(self, programme: int, amount: int) -> list[ChainEvent]:
        self._need(amount > 0)
        self.collateral[programme] += amount
        return self._log(logs.CollateralDeposited, self.names[programme], PAYER, amount)

    def withdraw(self, programme: int, amount: int) -> list[ChainEvent]:
        self._need(amount > 0 and not self.default[programme] and not self.outstanding(programme))
        self._need(amount <= self.free(programme))
        self.collateral[programme] -= amount
        return self._log(logs.CollateralWithdrawn, self.names[programme], PAYER, amount)

    def set_line(self, creditor: int, debtor: int, amount: int) -> list[ChainEvent]:
        previous = self.line[creditor][debtor]
        self._need(creditor != debtor and not (self.default[creditor] and amount > previous))
        self.line[creditor][debtor] = amount
        if self.free(debtor) < 0:
            self.line[creditor][debtor] = previous
            raise Refused
        return self._log(logs.CreditLineChanged, self.names[creditor], self.names[debtor], previous, amount)

    def book(self, debtor: int, creditor: int, amount: int, swap: bytes) -> list[ChainEvent]:
        self._need(debtor != creditor and amount > 0 and not self.default[debtor] and not self.default[creditor])
        self.open[debtor][creditor] += amount
        if self.free(debtor) < 0:
            self.open[debtor][creditor] -= amount
            raise Refused
        return self._booked(debtor, creditor, amount, swap)

    def reserve(self, debtor: int, creditor: int, amount: int, swap: bytes) -> list[ChainEvent]:
        self._need(debtor != creditor and not self.default[debtor] and not self.default[creditor])
        self._need(0 < amount <= self.free(debtor) and swap not in self.reservations)
        self.reservations[swap] = (debtor, creditor, amount)
        self.reserved[debtor] += amount
        return self._log(logs.DebtReserved, self.names[debtor], self.names[creditor], amount, swap)

    def book_reserved(self, swap: bytes) -> list[ChainEvent]:
        debtor, creditor, amount = self._end(swap)
        if self.default[debtor] or self.default[creditor]:
            self.collateral[debtor] -= amount
            self.collateral[creditor] += amount
            return self._log(logs.ReservationEnded, swap, amount, True)
        self.open[debtor][creditor] += amount
        booked = self._booked(debtor, creditor, amount, swap)
        return booked + self._log(logs.ReservationEnded, swap, amount, False, more=True)

    def release(self, swap: bytes) -> list[ChainEvent]:
        _, _, amount = self._end(swap)
        return self._log(logs.ReservationEnded, swap, amount, False)

    def close(self) -> list[ChainEvent]:
        self._need(not self.deadline and self.now >= self.closes_at)
        number, self.cycle = self.cycle, self.cycle + 1
        self.closes_at += ((self.now - self.closes_at) // CYCLE_SECONDS + 1) * CYCLE_SECONDS
        self.closed, self.open = self.open, [[0] * len(self.names) for _ in self.names]
        deadline = self.now + PAYMENT_SECONDS
        events = self._log(logs.CycleClosed, number, deadline)
        nets = {p: self.net(p, self.closed) for p in range(self.count)}
        for programme, net in nets.items():
            if net:
                events += self._log(logs.PositionAdvised, number, self.names[programme], net, more=True)
        if any(nets.values()):
            self.deadline = deadline
            return events
        return events + self._settled(number, more=True)

    def pay(self, programme: int, amount: int) -> list[ChainEvent]:
        self._need(bool(self.deadline) and 0 < amount <= self.outstanding(programme))
        self.paid[programme] += amount
        return self._log(logs.DebtPaid, self.cycle - 1, self.names[programme], PAYER, amount)

    def pay_from_collateral(self, programme: int, amount: int) -> list[ChainEvent]:
        self._need(bool(self.deadline) and 0 < amount <= min(self.outstanding(programme), self.free_of_open(programme)))
        self.collateral[programme] -= amount
        self.paid[programme] += amount
        return self._log(logs.DebtPaid, self.cycle - 1, self.names[programme], ZERO_ADDRESS, amount)

    def settle(self) -> list[ChainEvent]:
        self._need(bool(self.deadline) and not any(self.outstanding(p) for p in range(self.count)))
        return self._settled(self.cycle - 1)

    def enforce(self, programme: int) -> list[ChainEvent]:
        missing = self.outstanding(programme)
        self._need(bool(self.deadline) and missing > 0 and self.now > self.deadline)
        if missing > self.free_of_open(programme):
            return self._declare(programme)
        self.collateral[programme] -= missing
        self.paid[programme] += missing
        events = self._log(logs.DebtPaid, self.cycle - 1, self.names[programme], ZERO_ADDRESS, missing)
        return events + self._log(logs.CollateralEnforced, self.cycle - 1, self.names[programme], missing, more=True)

    def distribute(self, programme: int) -> list[ChainEvent]:
        total = self.claims(programme)
        money = min(self.collateral[programme] - self.reserved[programme], total)
        self._need(total > 0 and money > 0)
        shares = {p: money * self.claim[programme][p] // total for p in range(self.count)}
        self._need(any(shares.values()))
        events: list[ChainEvent] = []
        for creditor, share in shares.items():
            if share:
                self.claim[programme][creditor] -= share
                self.collateral[programme] -= share
                self.collateral[creditor] += share
                names = (self.names[programme], self.names[creditor])
                events += self._log(logs.ClaimPaid, *names, share, more=bool(events))
        return events + self._end_default(programme)

    def dispute(self, programme: int, cycle: int) -> list[ChainEvent]:
        self._need(0 < cycle < self.cycle)
        return self._log(logs.CycleDisputed, cycle, self.names[programme], bytes(32))

    # ---- parts

    def _declare(self, debtor: int) -> list[ChainEvent]:
        number = self.cycle - 1
        self.default[debtor] = True
        self.collateral[debtor] += self.paid[debtor]
        self.paid[debtor] = 0
        self.deadline = self.now + PAYMENT_SECONDS
        events = self._log(logs.DefaultDeclared, number, self.names[debtor])
        events += self._log(logs.CycleReadvised, number, self.deadline, more=True)
        owed, events = self._close_out(debtor, number, events)
        beyond = {p: max(0, amount - self.line[p][debtor]) for p, amount in owed.items()}
        rest = sum(owed.values()) - sum(beyond.values())
        money = min(self.collateral[debtor] - self.reserved[debtor] - sum(beyond.values()), rest)
        assert money >= 0, "collateral always pays what is beyond lines"
        for creditor, amount in owed.items():
            recovered = beyond[creditor] + (money * (amount - beyond[creditor]) // rest if rest else 0)
            self.collateral[debtor] -= recovered
            self.collateral[creditor] += recovered
            self.claim[debtor][creditor] = amount - recovered
            names = (self.names[debtor], self.names[creditor])
            events += self._log(logs.LossAllocated, *names, amount, recovered, more=True)
        return events + self._end_default(debtor)

    def _close_out(self, debtor: int, number: int, events: list[ChainEvent]) -> tuple[dict[int, int], list[ChainEvent]]:
        owed: dict[int, int] = {}
        for partner in range(self.count):
            o, c = self.owed(debtor, partner, self.open), self.owed(debtor, partner, self.closed)
            if partner == debtor or (o <= 0 and c <= 0):
                continue
            if o + c > 0:
                owed[partner] = o + c
            left = min(0, o + c)
            next_open, next_closed = (left, 0) if c > 0 else (0, left)
            for matrix, amount in ((self.open, next_open), (self.closed, next_closed)):
                matrix[debtor][partner], matrix[partner][debtor] = 0, -amount
            if next_closed != c:
                due = self.net(partner, self.closed)
                events += self._log(logs.PositionAdvised, number, self.names[partner], due, more=True)
        own = self.net(debtor, self.closed)
        return owed, events + self._log(logs.PositionAdvised, number, self.names[debtor], own, more=True)

    def _end_default(self, programme: int) -> list[ChainEvent]:
        if self.claims(programme):
            return []
        self.default[programme] = False
        return self._log(logs.DefaultEnded, self.names[programme], more=True)

    def _settled(self, number: int, *, more: bool = False) -> list[ChainEvent]:
        nets = [self.net(p, self.closed) for p in range(self.count)]
        for programme, net in enumerate(nets):
            self.collateral[programme] += net + self.paid[programme]
            self.paid[programme] = 0
        self.closed = [[0] * len(self.names) for _ in self.names]
        self.deadline = 0
        return self._log(logs.CycleSettled, number, sum(max(0, net) for net in nets), more=more)

    def _booked(self, debtor: int, creditor: int, amount: int, swap: bytes) -> list[ChainEvent]:
        pair = (self.names[debtor], self.names[creditor])
        entry = self.sums[self.cycle].setdefault(pair, [0, 0])
        entry[0] += amount
        entry[1] += 1
        return self._log(logs.DebtBooked, self.cycle, *pair, amount, swap)

    def _end(self, swap: bytes) -> tuple[int, int, int]:
        self._need(swap in self.reservations)
        reservation = self.reservations.pop(swap)
        self.reserved[reservation[0]] -= reservation[2]
        return reservation

    def _need(self, holds: bool) -> None:
        if not holds:
            raise Refused

    def _log(self, make: Make, *values: object, more: bool = False) -> list[ChainEvent]:
        """An event in a transaction of its own, or in that of the events before it."""
        self._places += not more
        return [make(HOUSE, self._places, self._places.to_bytes(32, "big"), 0, *values)]
