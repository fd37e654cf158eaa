"""What an exchange burnt and minted in one transaction of a token, and whether a burn took the earliest lots."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from backend.chain.event_types import CrosschainBurn, CrosschainMint, Lot
from backend.chain.ledger import LotBook
from backend.chain.movements import Movement


@dataclass(frozen=True, slots=True)
class Leg:
    """One burn or mint by an exchange. `earliest_first` is what a burn of that many points takes, None for a mint."""

    event: CrosschainBurn | CrosschainMint
    lots: tuple[Lot, ...]
    earliest_first: tuple[Lot, ...] | None = None


def legs_of(book: LotBook, movements: Sequence[Movement], timestamp_seconds: int) -> list[Leg]:
    """The legs among a transaction's movements, in order. `book` stands at the end of that transaction.

    The token names the lots that it burns, so the replay takes those; whether they were the earliest is asked here, of
    the lots that the account had at that moment: the present ones without what has happened since.
    """
    legs: list[Leg] = []
    since: dict[bytes, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for movement in reversed(movements):
        for change in movement.changes():
            since[change.account][change.epoch] += change.points
        event = movement.operation
        if isinstance(event, CrosschainMint):
            legs.append(Leg(event, tuple(movement.lots)))
        elif isinstance(event, CrosschainBurn):
            lots = dict(book.lots.get(event.sender, {}))
            for epoch, points in since[event.sender].items():
                lots[epoch] = lots.get(epoch, 0) - points
            earliest = _earliest(lots, event.amount, book.first_live_epoch(timestamp_seconds))
            legs.append(Leg(event, tuple(movement.lots), earliest))
    return legs[::-1]


def _earliest(lots: dict[int, int], amount_points: int, first_live_epoch: int) -> tuple[Lot, ...]:
    """The live lots that `amount_points` take when the earliest go first."""
    taken: list[Lot] = []
    missing = amount_points
    for epoch in sorted(lots):
        part = min(missing, lots[epoch]) if epoch >= first_live_epoch else 0
        missing -= part
        if part > 0:
            taken.append(Lot(epoch, part))
    return tuple(taken)
