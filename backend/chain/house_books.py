"""What programmes owe each other at the clearing house, and how much of it no credit line covers.

Amounts are in the smallest unit of the settlement currency. A pair's amount is signed: positive when the first owes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Final

Pair = tuple[bytes, bytes]

OPEN: Final = 0
CLOSED: Final = 1


class PairBook:
    """Debts of the open and of the closed cycle, credit lines, and the sums that follow from them.

    Each change costs the same however many programmes there are: the sums are moved on by the difference.
    """

    def __init__(self) -> None:
        self.lines: dict[Pair, int] = {}
        """(creditor, debtor) → what may be owed without collateral."""
        self._owed: dict[Pair, list[int]] = {}
        self._nets: tuple[dict[bytes, int], dict[bytes, int]] = (defaultdict(int), defaultdict(int))
        self._uncovered: dict[bytes, int] = defaultdict(int)
        self._uncovered_open: dict[bytes, int] = defaultdict(int)

    def owed(self, debtor: bytes, creditor: bytes) -> tuple[int, int]:
        """What `debtor` owes `creditor` (negative: is owed): open cycle, and cycle being settled."""
        entry = self._owed.get((debtor, creditor))
        return (entry[OPEN], entry[CLOSED]) if entry else (0, 0)

    def line(self, creditor: bytes, debtor: bytes) -> int:
        """What `creditor` lets `debtor` owe it without collateral."""
        return self.lines.get((creditor, debtor), 0)

    def net(self, programme: bytes, cycle: int) -> int:
        """What a programme is owed less what it owes, in the `OPEN` or the `CLOSED` cycle."""
        return self._nets[cycle].get(programme, 0)

    def uncovered(self, programme: bytes) -> int:
        """Over all partners, what it owes beyond the line, both cycles together."""
        return self._uncovered.get(programme, 0)

    def uncovered_open(self, programme: bytes) -> int:
        """The same of the open cycle alone."""
        return self._uncovered_open.get(programme, 0)

    def add(self, debtor: bytes, creditor: bytes, cycle: int, amount: int) -> None:
        """Adds `amount` (negative to take away) to what `debtor` owes `creditor`."""
        self._move(debtor, creditor, cycle, amount)
        self._move(creditor, debtor, cycle, -amount)
        self._nets[cycle][debtor] -= amount
        self._nets[cycle][creditor] += amount

    def set_line(self, creditor: bytes, debtor: bytes, amount: int) -> None:
        """Replaces a credit line."""
        self._count(debtor, creditor, -1)
        self.lines[creditor, debtor] = amount
        self._count(debtor, creditor, 1)

    def close(self) -> None:
        """What is owed in the open cycle becomes what is owed in the closed one, which must have been settled."""
        for (debtor, creditor), (amount, _) in list(self._owed.items()):
            if amount > 0:
                self.add(debtor, creditor, OPEN, -amount)
                self.add(debtor, creditor, CLOSED, amount)

    def settle(self) -> None:
        """Nothing is owed in the closed cycle any more."""
        for (debtor, creditor), (_, amount) in list(self._owed.items()):
            if amount > 0:
                self.add(debtor, creditor, CLOSED, -amount)

    def partners(self, programme: bytes) -> Mapping[bytes, tuple[int, int]]:
        """What it owes each partner it ever dealt with (negative: is owed): open cycle, cycle being settled."""
        return {
            creditor: (entry[OPEN], entry[CLOSED])
            for (debtor, creditor), entry in self._owed.items()
            if debtor == programme
        }

    def _move(self, debtor: bytes, creditor: bytes, cycle: int, amount: int) -> None:
        self._count(debtor, creditor, -1)
        entry = self._owed.setdefault((debtor, creditor), [0, 0])
        entry[cycle] += amount
        self._count(debtor, creditor, 1)

    def _count(self, debtor: bytes, creditor: bytes, sign: int) -> None:
        """Adds (or takes out) the pair's part of the two sums of `debtor`."""
        open_amount, closed_amount = self.owed(debtor, creditor)
        line = self.line(creditor, debtor)
        self._uncovered[debtor] += sign * max(0, open_amount + closed_amount - line)
        self._uncovered_open[debtor] += sign * max(0, open_amount - line)
