"""Replay of one token's logs into lots: pure, in order, and usable from the first block or from lots loaded elsewhere.

The grammar is that of IPointsToken: a run of LotTransferred names the lots of the Transfer after it; a PointsExpired
says that its Transfer removes a dead lot; any other mint goes into the epoch of its block, and any other movement takes
the earliest-expiring live lots first (FEFO). The log after a Transfer says what the movement was for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter

from backend.chain.event_types import (
    ZERO_ADDRESS,
    BatchIssued,
    ChainEvent,
    CrosschainBurn,
    CrosschainMint,
    HoldCaptured,
    HoldReleased,
    Lot,
    LotTransferred,
    PointsClawedBack,
    PointsExpired,
    PointsHeld,
    PointsIssued,
    PointsRedeemed,
    PointsRefunded,
    Transfer,
    WalletLinked,
)
from backend.chain.movements import (
    Fault,
    Movement,
    MovementKind,
    OverspendError,
    SumMismatchError,
    UnexplainedMovementError,
    raise_fault,
)

Lots = dict[int, int]
"""Points by epoch; no zeros."""


def accounts_of(events: Iterable[ChainEvent]) -> set[bytes]:
    """Accounts whose lots a replay of `events` reads or changes."""
    touched = {side for event in events if type(event) is Transfer for side in (event.sender, event.recipient)}
    touched.discard(ZERO_ADDRESS)
    return touched


class LotBook:
    """Lots of one token's accounts, moved on by its logs.

    `lots` holds every account's points by epoch, expired lots included until a log removes them. A book that started
    empty replays from the token's first block; otherwise `load` gives it the accounts that the logs touch. Faults are
    raised, or handed to `on_fault`, after which the replay goes on with what can be had.
    """

    def __init__(self, epoch_length_seconds: int, validity_epochs: int, on_fault: Fault = raise_fault) -> None:
        self.lots: dict[bytes, Lots] = {}
        self.supply: Lots = {}
        """Points of all loaded accounts by epoch, expired ones included until removed."""
        self._epoch_length_seconds = epoch_length_seconds
        self._validity_epochs = validity_epochs
        self._on_fault = on_fault

    def load(self, account: bytes, lots: Mapping[int, int]) -> None:
        """Takes over an account's present lots, in place of what the book had."""
        for epoch, points in self.lots.get(account, {}).items():
            self.supply[epoch] -= points
        self.lots[account] = {epoch: points for epoch, points in lots.items() if points}
        for epoch, points in lots.items():
            self.supply[epoch] = self.supply.get(epoch, 0) + points

    def epoch_at(self, timestamp_seconds: int) -> int:
        """Epoch of a block."""
        return timestamp_seconds // self._epoch_length_seconds

    def first_live_epoch(self, timestamp_seconds: int) -> int:
        """Oldest epoch whose lots are worth something in a block of that time."""
        return self.epoch_at(timestamp_seconds) - self._validity_epochs

    def live_lots(self, account: bytes, timestamp_seconds: int) -> list[Lot]:
        """Lots of an account that a block of that time counts, earliest first."""
        first = self.first_live_epoch(timestamp_seconds)
        lots = self.lots.get(account, {})
        return [Lot(epoch, lots[epoch]) for epoch in sorted(lots) if epoch >= first]

    def apply_block(self, events: Iterable[ChainEvent], timestamp_seconds: int) -> list[Movement]:
        """Replays the token's events of one block, in order; the movements say what happened."""
        movements: list[Movement] = []
        for _, group in groupby(events, key=attrgetter("transaction_hash")):
            movements += self.apply_transaction(list(group), timestamp_seconds)
        return movements

    def apply_transaction(self, events: Sequence[ChainEvent], timestamp_seconds: int) -> list[Movement]:
        """Replays the token's events of one transaction, in order."""
        return _TransactionReplay(self, self._on_fault, timestamp_seconds).run(events)

    def add(self, account: bytes, epoch: int, points: int) -> None:
        """Adds points to a lot."""
        lots = self.lots.get(account)
        if lots is None:
            self.lots[account] = {epoch: points}
        else:
            lots[epoch] = lots.get(epoch, 0) + points
        self.supply[epoch] = self.supply.get(epoch, 0) + points

    def take(self, account: bytes, epoch: int, points: int) -> int:
        """Takes up to `points` from a lot; answers how many were there."""
        lots = self.lots.get(account, {})
        available = lots.get(epoch, 0)
        taken = min(points, available)
        if taken == available:
            lots.pop(epoch, None)
        else:
            lots[epoch] = available - taken
        if taken:
            self.supply[epoch] -= taken
        return taken


class _TransactionReplay:
    """Replay of one transaction: first the lots of each Transfer, then what the operation's log calls it."""

    def __init__(self, book: LotBook, on_fault: Fault, timestamp_seconds: int) -> None:
        self._book = book
        self._fault = on_fault
        self._epoch = book.epoch_at(timestamp_seconds)
        self._first_live = book.first_live_epoch(timestamp_seconds)
        self._movements: list[Movement] = []
        self._open: list[Movement] = []
        """Movements that no log of an operation has explained yet."""
        self._named: list[LotTransferred] = []
        self._expired: PointsExpired | None = None
        self._captures: dict[tuple[bytes, bytes], Movement] = {}
        """Burns out of a hold that wait for their HoldCaptured, by account and ref."""

    def run(self, events: Sequence[ChainEvent]) -> list[Movement]:
        """Replays all events; the movements are complete only after the last of them."""
        for event in events:
            if isinstance(event, Transfer):
                self._on_transfer(event)
            elif isinstance(event, LotTransferred):
                self._named.append(event)
            else:
                if self._named or self._expired:
                    self._dangling()
                self._on_operation(event)
        self._finish()
        return self._movements

    def _on_operation(self, event: ChainEvent) -> None:
        match event:
            case BatchIssued():
                self._on_batch(event)
            case PointsExpired():
                self._expired = event
            case PointsIssued():
                self._on_issued(event)
            case PointsRedeemed():
                self._on_redeemed(event)
            case PointsRefunded():
                self._on_refunded(event)
            case PointsClawedBack():
                self._on_clawed_back(event)
            case PointsHeld():
                self._on_held(event)
            case HoldCaptured():
                self._on_captured(event)
            case HoldReleased():
                self._release(event, event.account, event.released, event.ref)
            case WalletLinked():
                self._on_linked(event)
            case CrosschainMint():
                self._on_exchange(event, (ZERO_ADDRESS, event.recipient, event.amount))
            case CrosschainBurn():
                self._on_exchange(event, (event.sender, ZERO_ADDRESS, event.amount))

    # ---- lots

    def _on_transfer(self, event: Transfer) -> None:
        if self._expired is not None:
            self._on_expiry(event, self._expired)
            return
        if self._named:
            lots = self._named_lots(event)
        elif event.sender == ZERO_ADDRESS:
            lots = [Lot(self._epoch, event.amount)] if event.amount else []
        else:
            lots = self._take_earliest(event)
        recipient = event.recipient
        if recipient != ZERO_ADDRESS:
            add = self._book.add
            for epoch, amount in lots:
                add(recipient, epoch, amount)
        movement = Movement(event, lots, MovementKind.TRANSFER)
        self._movements.append(movement)
        self._open.append(movement)

    def _on_expiry(self, event: Transfer, expired: PointsExpired) -> None:
        self._expired = None
        if (event.sender, event.recipient, event.amount) != (expired.account, ZERO_ADDRESS, expired.amount):
            self._fault(SumMismatchError(event, "not the Transfer that the PointsExpired before it announces"))
        if expired.epoch >= self._first_live:
            self._fault(UnexplainedMovementError(expired, f"the lot of epoch {expired.epoch} has not expired"))
        available = self._book.lots.get(expired.account, {}).get(expired.epoch, 0)
        if self._book.take(expired.account, expired.epoch, expired.amount) != expired.amount:
            self._fault(OverspendError(expired, expired.account, expired.amount, available))
        lot = Lot(expired.epoch, expired.amount)
        self._movements.append(Movement(event, [lot], MovementKind.EXPIRE, operation=expired))

    def _named_lots(self, event: Transfer) -> list[Lot]:
        named, self._named = self._named, []
        ends = (event.sender, event.recipient)
        if any((lot.sender, lot.recipient) != ends for lot in named):
            self._fault(SumMismatchError(event, "the LotTransferred before it name other accounts"))
        if sum(lot.amount for lot in named) != event.amount:
            self._fault(SumMismatchError(event, f"moves {event.amount} points, its LotTransferred another sum"))
        for lot in named:
            if not self._first_live <= lot.epoch <= self._epoch:
                self._fault(UnexplainedMovementError(lot, f"the lot of epoch {lot.epoch} is not live"))
            if event.sender != ZERO_ADDRESS:
                available = self._book.lots.get(event.sender, {}).get(lot.epoch, 0)
                if self._book.take(event.sender, lot.epoch, lot.amount) != lot.amount:
                    self._fault(OverspendError(lot, event.sender, lot.amount, available))
        return [Lot(lot.epoch, lot.amount) for lot in named if lot.amount]

    def _take_earliest(self, event: Transfer) -> list[Lot]:
        owned = self._book.lots.get(event.sender, {})
        missing = event.amount
        taken: list[Lot] = []
        for epoch in sorted(owned):
            if missing and epoch >= self._first_live:
                part = self._book.take(event.sender, epoch, missing)
                taken.append(Lot(epoch, part))
                missing -= part
        if missing:
            self._fault(OverspendError(event, event.sender, event.amount, event.amount - missing))
        return taken

    def _dangling(self) -> None:
        names: Sequence[ChainEvent] = self._named or ([self._expired] if self._expired else [])
        self._named, self._expired = [], None
        self._fault(UnexplainedMovementError(names[0], "no Transfer follows"))

    # ---- operations

    def _on_issued(self, event: PointsIssued) -> None:
        if self._open and self._open[-1].transfer.sender == ZERO_ADDRESS:
            self._explain(self._open.pop(), MovementKind.ISSUE, event.ref, event)
        else:
            self._fault(UnexplainedMovementError(event, "no mint before it"))

    def _on_batch(self, event: BatchIssued) -> None:
        start = max(0, len(self._open) - event.credits)
        credited = self._open[start:]
        del self._open[start:]
        if len(credited) != event.credits or any(each.transfer.sender != ZERO_ADDRESS for each in credited):
            self._fault(SumMismatchError(event, f"{event.credits} credits announced, other movements logged"))
        total = sum(each.transfer.amount for each in credited)
        if total != event.total_amount:
            self._fault(SumMismatchError(event, f"{event.total_amount} points announced, {total} minted"))
        for each in credited:
            self._explain(each, MovementKind.ISSUE, event.batch_id, event)

    def _on_redeemed(self, event: PointsRedeemed) -> None:
        # A captured hold logs what it gives back between the burn and this log.
        movement = self._find(event, lambda t: t.recipient == ZERO_ADDRESS and t.amount == event.amount, within=2)
        if movement is None:
            return
        self._explain(movement, MovementKind.REDEEM, event.ref, event)
        if tuple(movement.lots) != event.lots:
            self._fault(SumMismatchError(event, f"logs lots {event.lots}, the replay took {tuple(movement.lots)}"))
        if movement.transfer.sender != event.account:
            self._captures[event.account, event.ref] = movement

    def _on_captured(self, event: HoldCaptured) -> None:
        movement = self._captures.pop((event.account, event.ref), None)
        if movement is not None:
            movement.kind = MovementKind.CAPTURE
        if (movement.transfer.amount if movement else 0) != event.captured:
            self._fault(SumMismatchError(event, f"{event.captured} points captured, another amount redeemed"))
        self._release(event, event.account, event.released, event.ref)

    def _on_refunded(self, event: PointsRefunded) -> None:
        restored = event.amount - event.expired_amount
        if restored != sum(lot.amount for lot in event.restored):
            self._fault(SumMismatchError(event, f"{restored} points given back, its lots hold another sum"))
        if not restored:
            return
        movement = self._find(event, lambda t: t.sender == ZERO_ADDRESS and t.recipient == event.account)
        if movement is not None:
            self._explain(movement, MovementKind.REFUND, event.ref, event)
            if sorted(movement.lots) != sorted(event.restored):
                self._fault(SumMismatchError(event, f"logs lots {event.restored}, minted were {movement.lots}"))

    def _on_clawed_back(self, event: PointsClawedBack) -> None:
        if not event.taken:
            return
        movement = self._find(event, lambda t: t.sender == event.account and t.recipient == ZERO_ADDRESS)
        if movement is not None:
            self._explain(movement, MovementKind.CLAWBACK, event.ref, event)
            if movement.lots != [Lot(event.epoch, event.taken)]:
                self._fault(SumMismatchError(event, f"{event.taken} points taken, the replay took {movement.lots}"))

    def _on_held(self, event: PointsHeld) -> None:
        ends = (event.account, event.hold_account, event.amount)
        movement = self._find(event, lambda t: (t.sender, t.recipient, t.amount) == ends)
        if movement is not None:
            self._explain(movement, MovementKind.HOLD, event.ref, event)

    def _on_linked(self, event: WalletLinked) -> None:
        ends = (event.account, event.wallet, event.amount)
        if event.amount:
            movement = self._find(event, lambda t: (t.sender, t.recipient, t.amount) == ends)
            if movement is not None:
                self._explain(movement, MovementKind.LINK, None, event)

    def _on_exchange(self, event: ChainEvent, ends: tuple[bytes, bytes, int]) -> None:
        movement = self._find(event, lambda t: (t.sender, t.recipient, t.amount) == ends)
        if movement is not None:
            self._explain(movement, MovementKind.CROSSCHAIN, None, event)

    # ---- parts

    def _find(self, event: ChainEvent, fits: Callable[[Transfer], bool], within: int = 1) -> Movement | None:
        """Takes the latest movement that fits out of the last `within` unexplained ones."""
        for at in range(len(self._open) - 1, max(-1, len(self._open) - 1 - within), -1):
            if fits(self._open[at].transfer):
                return self._open.pop(at)
        self._fault(UnexplainedMovementError(event, "the Transfer before it is not the one it stands for"))
        return None

    def _release(self, event: ChainEvent, account: bytes, amount: int, ref: bytes) -> None:
        if amount:
            movement = self._find(event, lambda t: t.recipient == account and t.amount == amount)
            if movement is not None:
                self._explain(movement, MovementKind.RELEASE, ref, event)

    @staticmethod
    def _explain(movement: Movement, kind: MovementKind, ref: bytes | None, event: ChainEvent) -> None:
        movement.kind = kind
        movement.ref = ref
        movement.operation = event

    def _finish(self) -> None:
        if self._named or self._expired:
            self._dangling()
        for movement in self._open:
            if ZERO_ADDRESS in (movement.transfer.sender, movement.transfer.recipient):
                movement.kind = MovementKind.UNEXPLAINED
                self._fault(UnexplainedMovementError(movement.transfer, "no operation explains this mint or burn"))
        for (account, _), movement in self._captures.items():
            reason = f"redeems points of another account than 0x{account.hex()}, and no hold was captured"
            self._fault(UnexplainedMovementError(movement.transfer, reason))
