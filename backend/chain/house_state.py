"""State of a clearing house, and what follows from it. `backend.chain.house` moves it on by the house's logs."""

from __future__ import annotations

from typing import Final

from backend.chain.exchange_types import Standing
from backend.chain.house_books import CLOSED, OPEN, Pair, PairBook

MAX_DEBT: Final = 2**111 - 1
"""Most that one programme may owe another in a cycle."""
Reservation = tuple[bytes, bytes, int]
"""Debtor, creditor, amount."""


class HouseState:
    """Who owes whom, who has paid, and what is left of a default. Amounts in the currency's smallest unit."""

    def __init__(self, cycle_seconds: int, started_at_seconds: int | None = None) -> None:
        self.programmes: list[bytes] = []
        """Those that take part, in order of joining."""
        self.books = PairBook()
        self.collateral: dict[bytes, int] = {}
        self.reserved: dict[bytes, int] = {}
        self.paid: dict[bytes, int] = {}
        self.claims: dict[Pair, int] = {}
        """(debtor, creditor) → what is left of the claim after the debtor's default; no zeros."""
        self.defaulted: set[bytes] = set()
        self.reservations: dict[bytes, Reservation] = {}
        """By swap; only those that have not ended."""
        self.open_cycle = 1
        self.closes_at = None if started_at_seconds is None else started_at_seconds + cycle_seconds
        """When the open cycle may be closed, Unix seconds; None when the house's beginning is not known."""
        self.is_settling = False
        self.payment_deadline = 0
        """Unix seconds; 0 when no cycle is being settled."""
        self.cycle_seconds = cycle_seconds

    def standing_of(self, programme: bytes) -> Standing:
        """Where a programme stands."""
        return Standing(
            open=self.books.net(programme, OPEN),
            due=self.books.net(programme, CLOSED),
            paid=self.paid.get(programme, 0),
            collateral=self.collateral.get(programme, 0),
            reserved=self.reserved.get(programme, 0),
            uncovered=self.books.uncovered(programme),
            uncovered_open=self.books.uncovered_open(programme),
            claims=sum(amount for (debtor, _), amount in self.claims.items() if debtor == programme),
            in_default=programme in self.defaulted,
        )

    def owed(self, debtor: bytes, creditor: bytes) -> tuple[int, int]:
        """What `debtor` owes `creditor` (negative: is owed): open cycle, and cycle being settled."""
        return self.books.owed(debtor, creditor)

    def credit_line(self, creditor: bytes, debtor: bytes) -> int:
        """What `creditor` lets `debtor` owe it without collateral."""
        return self.books.line(creditor, debtor)

    def claim(self, creditor: bytes, debtor: bytes) -> int:
        """What is left of the claim of `creditor` on `debtor` after its default."""
        return self.claims.get((debtor, creditor), 0)

    def outstanding(self, programme: bytes) -> int:
        """What it still has to pay of the cycle being settled."""
        return max(0, -self.books.net(programme, CLOSED) - self.paid.get(programme, 0))

    def free_of_open(self, programme: bytes) -> int:
        """Collateral that covers nothing of the open cycle: what may pay what is due."""
        money = self.collateral.get(programme, 0) - self.reserved.get(programme, 0)
        return money - self.books.uncovered_open(programme)

    def free(self, programme: bytes) -> int:
        """Collateral that covers nothing; negative when a bound is broken."""
        money = self.collateral.get(programme, 0) - self.reserved.get(programme, 0)
        of_both = money + self.paid.get(programme, 0) - self.books.uncovered(programme)
        return min(of_both, self.free_of_open(programme))

    def withdrawable(self, programme: bytes) -> int:
        """Collateral that may be withdrawn now."""
        return 0 if programme in self.defaulted or self.outstanding(programme) else self.free(programme)

    def available_to(self, debtor: bytes, creditor: bytes) -> int:
        """How much more `debtor` may owe `creditor` now."""
        joined = {debtor, creditor} <= self.collateral.keys()
        if debtor == creditor or {debtor, creditor} & self.defaulted or not joined:
            return 0
        open_amount, closed_amount = self.books.owed(debtor, creditor)
        line = self.books.line(creditor, debtor)
        of_both = self.collateral[debtor] + self.paid.get(debtor, 0) - self.reserved.get(debtor, 0)
        of_both += max(0, line - open_amount - closed_amount) - self.books.uncovered(debtor)
        of_open = self.free_of_open(debtor) + max(0, line - open_amount)
        return max(0, min(of_both, of_open, MAX_DEBT - open_amount))

    def losses_on_default(self, programme: bytes) -> dict[bytes, tuple[int, int]]:
        """What a default would leave each creditor: owed, and recovered from the collateral.

        The collateral (with what was paid of the cycle, less what is set aside) pays first what is beyond credit lines,
        then the rest in proportion, rounded down.
        """
        owed = {
            creditor: sum(amounts) for creditor, amounts in self.books.partners(programme).items() if sum(amounts) > 0
        }
        money = self.collateral.get(programme, 0) + self.paid.get(programme, 0) - self.reserved.get(programme, 0)
        beyond = {creditor: max(0, amount - self.books.line(creditor, programme)) for creditor, amount in owed.items()}
        money -= sum(beyond.values())
        rest = sum(owed.values()) - sum(beyond.values())
        shared = min(max(0, money), rest)
        return {
            creditor: (amount, beyond[creditor] + ((amount - beyond[creditor]) * shared // rest if rest else 0))
            for creditor, amount in owed.items()
        }

    def shares_of_claims(self, programme: bytes) -> dict[bytes, int]:
        """What a distribution of its collateral now would pay each of those that have claims on it, rounded down."""
        claims = {creditor: amount for (debtor, creditor), amount in self.claims.items() if debtor == programme}
        total = sum(claims.values())
        money = min(self.collateral.get(programme, 0) - self.reserved.get(programme, 0), total)
        return {creditor: money * amount // total for creditor, amount in claims.items()}
