"""A plain-Python model of the clearing house: who owes whom, what bounds it, and what happens when nobody pays.

Debts are numbers per pair of programmes; every sum is taken anew from them. It is written from docs/clearing.md.
"""

from dataclasses import dataclass, field

from tests.contracts.model import Problems, RefusedError

Pair = tuple[str, str]
"""Debtor and creditor."""
SwapKey = tuple[str, str]
"""Account and ref."""


def proportional(amounts: dict[str, int], available: int) -> dict[str, int]:
    """Shares of what is there, in proportion, each rounded down."""
    whole = sum(amounts.values())
    return {name: amount * available // whole for name, amount in amounts.items()}


@dataclass
class ClearingModel:
    """Debts, collateral, credit lines and cycles of all programmes. Amounts in the smallest unit of the currency."""

    programmes: tuple[str, ...]
    cycle_seconds: int
    payment_seconds: int
    closes_at: int
    now_seconds: int = 0
    cycle: int = 1
    payment_deadline: int = 0
    owed_open: dict[Pair, int] = field(default_factory=dict)
    owed_closed: dict[Pair, int] = field(default_factory=dict)
    lines: dict[Pair, int] = field(default_factory=dict)
    claims: dict[Pair, int] = field(default_factory=dict)
    collateral: dict[str, int] = field(default_factory=dict)
    paid: dict[str, int] = field(default_factory=dict)
    reserved: dict[SwapKey, tuple[Pair, int]] = field(default_factory=dict)
    defaulted: set[str] = field(default_factory=set)

    # ---- views

    def others(self, programme: str) -> list[str]:
        """All other programmes, in order of joining."""
        return [other for other in self.programmes if other != programme]

    def net(self, debts: dict[Pair, int], debtor: str, creditor: str) -> int:
        """What one owes the other, less what the other owes it."""
        return debts.get((debtor, creditor), 0) - debts.get((creditor, debtor), 0)

    def open_of(self, programme: str) -> int:
        """Net of the open cycle: owed to it less owed by it."""
        return -sum(self.net(self.owed_open, programme, other) for other in self.others(programme))

    def due_of(self, programme: str) -> int:
        """Net of the cycle being settled."""
        return -sum(self.net(self.owed_closed, programme, other) for other in self.others(programme))

    def both(self, debtor: str, creditor: str) -> int:
        """What one owes the other in both cycles together."""
        return self.net(self.owed_open, debtor, creditor) + self.net(self.owed_closed, debtor, creditor)

    def uncovered(self, programme: str) -> int:
        """Owed beyond credit lines, both cycles together."""
        return sum(
            max(0, self.both(programme, other) - self.line(other, programme)) for other in self.others(programme)
        )

    def uncovered_open(self, programme: str) -> int:
        """Owed beyond credit lines in the open cycle alone."""
        return sum(
            max(0, self.net(self.owed_open, programme, other) - self.line(other, programme))
            for other in self.others(programme)
        )

    def line(self, creditor: str, debtor: str) -> int:
        """What the creditor lets the debtor owe without collateral."""
        return self.lines.get((creditor, debtor), 0)

    def reserved_of(self, programme: str) -> int:
        """Set aside for swaps that wait."""
        return sum(amount for (debtor, _), amount in self.reserved.values() if debtor == programme)

    def claims_on(self, programme: str) -> int:
        """What is still owed to others after its default."""
        return sum(amount for (debtor, _), amount in self.claims.items() if debtor == programme)

    def outstanding(self, programme: str) -> int:
        """What it has still to pay of the closed cycle."""
        return max(0, -self.due_of(programme) - self.paid.get(programme, 0))

    def free(self, programme: str) -> int:
        """Collateral that covers nothing."""
        collateral = self.collateral.get(programme, 0) - self.reserved_of(programme)
        both = collateral + self.paid.get(programme, 0) - self.uncovered(programme)
        return min(both, collateral - self.uncovered_open(programme))

    def is_covered(self, programme: str) -> bool:
        """Whether both bounds hold."""
        return self.free(programme) >= 0

    def withdrawable(self, programme: str) -> int:
        """What may go out now."""
        blocked = programme in self.defaulted or self.outstanding(programme) > 0
        return 0 if blocked else min(self.free(programme), self.collateral.get(programme, 0))

    def standing(self, programme: str) -> tuple[int | bool, ...]:
        """The struct of the contract."""
        return (
            self.open_of(programme),
            self.due_of(programme),
            self.paid.get(programme, 0),
            self.collateral.get(programme, 0),
            self.reserved_of(programme),
            self.uncovered(programme),
            self.uncovered_open(programme),
            self.claims_on(programme),
            programme in self.defaulted,
        )

    def money(self) -> int:
        """All money in the house."""
        return sum(self.collateral.values()) + sum(self.paid.values())

    # ---- money and lines

    def deposit(self, programme: str, amount: int) -> None:
        """Adds collateral."""
        self.collateral[programme] = self.collateral.get(programme, 0) + amount

    def withdraw(self, programme: str, amount: int) -> None:
        """Takes out what covers nothing."""
        problems = Problems()
        problems.unless(programme not in self.defaulted, "InDefault")
        problems.unless(self.outstanding(programme) == 0, "PaymentOutstanding")
        problems.unless(amount <= self.free(programme), "CollateralInUse")
        problems.stop()
        self.collateral[programme] -= amount

    def set_line(self, creditor: str, debtor: str, amount: int) -> None:
        """Changes a credit line; what is owed must stay covered."""
        before = self.line(creditor, debtor)
        self._require(creditor not in self.defaulted or amount <= before, "InDefault")
        self.lines[creditor, debtor] = amount
        if amount < before and not self.is_covered(debtor):
            self.lines[creditor, debtor] = before
            raise RefusedError("CreditLineInUse")

    # ---- bookings

    def refusals(self, pair: Pair, amount: int, *, reserve: bool) -> list[str]:
        """Why a booking or a reservation would be refused."""
        reasons = ["InDefault"] if set(pair) & self.defaulted else []
        if reserve:
            return reasons + ([] if amount <= self.free(pair[0]) else ["DebitCapExceeded"])
        self._owe(self.owed_open, pair, amount)
        covered = amount == 0 or self.is_covered(pair[0])
        self._owe(self.owed_open, pair, -amount)
        return reasons + ([] if covered else ["DebitCapExceeded"])

    def available(self, debtor: str, creditor: str) -> int:
        """How much more one may owe the other."""
        if {debtor, creditor} & self.defaulted:
            return 0
        line = self.line(creditor, debtor)
        in_open = self.net(self.owed_open, debtor, creditor)
        own = self.collateral.get(debtor, 0) - self.reserved_of(debtor)
        beyond = own + self.paid.get(debtor, 0) - self.uncovered(debtor)
        beyond_open = own - self.uncovered_open(debtor)
        within = max(0, line - self.both(debtor, creditor))
        return min(within + beyond, max(0, line - in_open) + beyond_open)

    def book(self, pair: Pair, amount: int) -> None:
        """Books a debt in the open cycle."""
        self._refuse(self.refusals(pair, amount, reserve=False))
        self._owe(self.owed_open, pair, amount)

    def reserve(self, pair: Pair, amount: int, swap: SwapKey) -> None:
        """Sets collateral aside."""
        self._refuse(self.refusals(pair, amount, reserve=True))
        self.reserved[swap] = pair, amount

    def book_reserved(self, pair: Pair, amount: int, swap: SwapKey) -> None:
        """Books what was set aside, or pays it at once when one of the two is in default."""
        self._require(self.reserved.get(swap) == (pair, amount), "ReservationMismatch")
        del self.reserved[swap]
        if set(pair) & self.defaulted:
            self.collateral[pair[0]] -= amount
            self.deposit(pair[1], amount)
        else:
            self._owe(self.owed_open, pair, amount)

    def release(self, pair: Pair, amount: int, swap: SwapKey) -> None:
        """Frees what was set aside."""
        self._require(self.reserved.get(swap) == (pair, amount), "ReservationMismatch")
        del self.reserved[swap]

    # ---- cycles

    def close(self) -> dict[str, int]:
        """Closes the open cycle, and settles it when nobody owes anything on balance; the nets."""
        problems = Problems()
        problems.unless(not self.payment_deadline, "CycleNotSettled")
        problems.unless(self.now_seconds >= self.closes_at, "CycleStillOpen")
        problems.stop()
        self.owed_closed, self.owed_open = self.owed_open, {}
        self.cycle += 1
        while self.closes_at <= self.now_seconds:
            self.closes_at += self.cycle_seconds
        nets = {programme: self.due_of(programme) for programme in self.programmes}
        if any(nets.values()):
            self.payment_deadline = self.now_seconds + self.payment_seconds
        else:
            self.owed_closed = {}
        return nets

    def pay(self, programme: str, amount: int) -> None:
        """Pays with money from outside."""
        problems = Problems()
        problems.unless(bool(self.payment_deadline), "NothingToSettle")
        problems.unless(amount <= self.outstanding(programme), "Overpaid")
        problems.unless(amount > 0, "InvalidClearingAmount")
        problems.stop()
        self.paid[programme] = self.paid.get(programme, 0) + amount

    def pay_from_collateral(self, programme: str, amount: int) -> None:
        """Pays with collateral that the open cycle does not need."""
        problems = Problems()
        problems.unless(bool(self.payment_deadline), "NothingToSettle")
        problems.unless(amount <= self.outstanding(programme), "Overpaid")
        problems.unless(amount <= self._free_of_open(programme), "CollateralInUse")
        problems.unless(amount > 0, "InvalidClearingAmount")
        problems.stop()
        self._pay_from_collateral(programme, amount)

    def settle(self) -> int:
        """Ends the closed cycle; what was owed on balance."""
        problems = Problems()
        problems.unless(bool(self.payment_deadline), "NothingToSettle")
        problems.unless(all(self.outstanding(programme) == 0 for programme in self.programmes), "PaymentOutstanding")
        problems.stop()
        total = sum(max(0, self.due_of(programme)) for programme in self.programmes)
        for programme in self.programmes:
            self.deposit(programme, self.due_of(programme) + self.paid.get(programme, 0))
        self.owed_closed, self.paid, self.payment_deadline = {}, {}, 0
        return total

    # ---- default

    def enforce(self, programme: str) -> bool:
        """After the deadline: pays from collateral (true) or declares the default (false)."""
        problems = Problems()
        problems.unless(bool(self.payment_deadline), "NothingToSettle")
        problems.unless(self.now_seconds > self.payment_deadline, "DeadlineNotPast")
        missing = self.outstanding(programme)
        problems.unless(missing > 0, "Overpaid")
        problems.stop()
        if missing <= self._free_of_open(programme):
            self._pay_from_collateral(programme, missing)
            return True
        self._default(programme)
        self.payment_deadline = self.now_seconds + self.payment_seconds
        return False

    def distribute(self, programme: str) -> dict[str, int]:
        """Pays claims with collateral that is not set aside."""
        claims = {other: self.claims.get((programme, other), 0) for other in self.others(programme)}
        owed = sum(claims.values())
        available = min(owed, self.collateral.get(programme, 0) - self.reserved_of(programme))
        shares = proportional(claims, available) if available else {}
        self._require(any(shares.values()), "InvalidClearingAmount")
        for other, share in shares.items():
            self._pay_claim(programme, other, share)
        self._end_default(programme)
        return shares

    # ---- parts

    def _default(self, programme: str) -> None:
        self.collateral[programme] = self.collateral.get(programme, 0) + self.paid.pop(programme, 0)
        self.defaulted.add(programme)
        owed = {other: max(0, self.both(programme, other)) for other in self.others(programme)}
        beyond = {other: max(0, owed[other] - self.line(other, programme)) for other in owed}
        within = {other: owed[other] - beyond[other] for other in owed}
        money = self.collateral[programme] - self.reserved_of(programme) - sum(beyond.values())
        money = min(money, sum(within.values()))
        rest = proportional(within, money) if money else {}
        for other, debt in owed.items():
            self._take_out(programme, other)
            self.claims[programme, other] = debt
            self._pay_claim(programme, other, beyond[other] + rest.get(other, 0))
        self._end_default(programme)

    def _take_out(self, debtor: str, creditor: str) -> None:
        """Both cycles are set off against each other; what the debtor owes on balance leaves the netting."""
        in_open, in_closed = (self.net(debts, debtor, creditor) for debts in (self.owed_open, self.owed_closed))
        total = in_open + in_closed
        if total >= 0:
            in_open = in_closed = 0
        elif in_closed > 0:
            in_open, in_closed = total, 0
        elif in_open > 0:
            in_open, in_closed = 0, total
        for debts, amount in ((self.owed_open, in_open), (self.owed_closed, in_closed)):
            debts.pop((creditor, debtor), None)
            debts[debtor, creditor] = amount

    def _end_default(self, programme: str) -> None:
        if self.claims_on(programme) == 0:
            self.defaulted.discard(programme)

    def _pay_claim(self, debtor: str, creditor: str, amount: int) -> None:
        self.claims[debtor, creditor] -= amount
        self.collateral[debtor] -= amount
        self.deposit(creditor, amount)

    def _pay_from_collateral(self, programme: str, amount: int) -> None:
        self.collateral[programme] -= amount
        self.paid[programme] = self.paid.get(programme, 0) + amount

    def _free_of_open(self, programme: str) -> int:
        needed = self.reserved_of(programme) + self.uncovered_open(programme)
        return self.collateral.get(programme, 0) - needed

    @staticmethod
    def _owe(debts: dict[Pair, int], pair: Pair, amount: int) -> None:
        debts[pair] = debts.get(pair, 0) + amount

    @staticmethod
    def _require(condition: bool, reason: str) -> None:
        if not condition:
            raise RefusedError(reason)

    @staticmethod
    def _refuse(reasons: list[str]) -> None:
        if reasons:
            raise RefusedError("|".join(reasons))
