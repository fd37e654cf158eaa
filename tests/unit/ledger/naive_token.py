"""A points token at its simplest: each point is a list entry that says its epoch. It logs as the contract does."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import count

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

TOKEN = b"\x10" * 20
DAY_SECONDS = 86_400


def lots_of(points: list[int]) -> tuple[Lot, ...]:
    """Points counted into lots, earliest first."""
    return tuple(Lot(epoch, amount) for epoch, amount in sorted(Counter(points).items()))


@dataclass
class NaiveToken:
    """Points by account, one list entry each; operations append what they log to `log`."""

    validity_epochs: int = 3
    timestamp_seconds: int = 100 * DAY_SECONDS
    block: int = 0
    points: dict[bytes, list[int]] = field(default_factory=dict)
    log: list[ChainEvent] = field(default_factory=list)
    indices: count[int] = field(default_factory=count)

    @property
    def epoch(self) -> int:
        return self.timestamp_seconds // DAY_SECONDS

    def start_block(self, pause_seconds: int) -> None:
        self.block += 1
        self.timestamp_seconds += pause_seconds
        self.log = []
        self.indices = count()

    def where(self) -> tuple[bytes, int, bytes, int]:
        return TOKEN, self.block, self.block.to_bytes(32), next(self.indices)

    def live(self, account: bytes) -> list[int]:
        return sorted(each for each in self.points.get(account, []) if each >= self.epoch - self.validity_epochs)

    def give(self, account: bytes, points: list[int]) -> None:
        self.points.setdefault(account, []).extend(points)

    def take(self, account: bytes, amount: int) -> list[int]:
        taken = self.live(account)[:amount]
        assert len(taken) == amount
        for each in taken:
            self.points[account].remove(each)
        return taken

    def move(self, sender: bytes, recipient: bytes, amount: int) -> list[int]:
        moved = self.take(sender, amount)
        if recipient != ZERO_ADDRESS:
            self.give(recipient, moved)
        self.log.append(Transfer(*self.where(), sender, recipient, amount))
        return moved

    def mint(self, account: bytes, amount: int) -> None:
        self.give(account, [self.epoch] * amount)
        self.log.append(Transfer(*self.where(), ZERO_ADDRESS, account, amount))

    def issue(self, account: bytes, amount: int, ref: bytes) -> None:
        self.mint(account, amount)
        self.log.append(PointsIssued(*self.where(), ref))

    def issue_batch(self, credited: list[tuple[bytes, int]], ref: bytes) -> None:
        for account, amount in credited:
            self.mint(account, amount)
        total = sum(amount for _, amount in credited)
        self.log.append(BatchIssued(*self.where(), ref, len(credited), total))

    def redeem(self, account: bytes, amount: int, ref: bytes) -> tuple[Lot, ...]:
        lots = lots_of(self.move(account, ZERO_ADDRESS, amount))
        self.log.append(PointsRedeemed(*self.where(), ref, account, amount, lots))
        return lots

    def refund(self, account: bytes, ref: bytes, restored: tuple[Lot, ...]) -> None:
        live = tuple(lot for lot in restored if lot.epoch >= self.epoch - self.validity_epochs)
        for lot in live:
            self.log.append(LotTransferred(*self.where(), ZERO_ADDRESS, account, lot.epoch, lot.amount))
            self.give(account, [lot.epoch] * lot.amount)
        total, given = sum(lot.amount for lot in restored), sum(lot.amount for lot in live)
        if given:
            self.log.append(Transfer(*self.where(), ZERO_ADDRESS, account, given))
        self.log.append(PointsRefunded(*self.where(), ref, account, total, total - given, live))

    def clawback(self, account: bytes, epoch: int, amount: int, ref: bytes) -> None:
        taken = min(amount, self.live(account).count(epoch))
        for _ in range(taken):
            self.points[account].remove(epoch)
        if taken:
            self.log.append(LotTransferred(*self.where(), account, ZERO_ADDRESS, epoch, taken))
            self.log.append(Transfer(*self.where(), account, ZERO_ADDRESS, taken))
        self.log.append(PointsClawedBack(*self.where(), ref, account, epoch, amount, taken))

    def hold(self, account: bytes, hold_account: bytes, amount: int, ref: bytes) -> None:
        self.move(account, hold_account, amount)
        self.log.append(PointsHeld(*self.where(), ref, account, hold_account, amount, self.timestamp_seconds + 60))

    def capture(self, account: bytes, hold_account: bytes, amount: int, ref: bytes) -> None:
        lots = lots_of(self.move(hold_account, ZERO_ADDRESS, amount))
        released = len(self.live(hold_account))
        if released:
            self.move(hold_account, account, released)
        self.log.append(PointsRedeemed(*self.where(), ref, account, amount, lots))
        self.log.append(HoldCaptured(*self.where(), ref, account, amount, released))

    def release(self, account: bytes, hold_account: bytes, ref: bytes) -> None:
        released = len(self.live(hold_account))
        if released:
            self.move(hold_account, account, released)
        self.log.append(HoldReleased(*self.where(), ref, account, released))

    def link(self, account: bytes, wallet: bytes) -> None:
        amount = len(self.live(account))
        if amount:
            self.move(account, wallet, amount)
        self.log.append(WalletLinked(*self.where(), account, wallet, amount))

    def transfer_lot(self, sender: bytes, recipient: bytes, lot: Lot) -> None:
        for _ in range(lot.amount):
            self.points[sender].remove(lot.epoch)
        self.give(recipient, [lot.epoch] * lot.amount)
        self.log.append(LotTransferred(*self.where(), sender, recipient, lot.epoch, lot.amount))
        self.log.append(Transfer(*self.where(), sender, recipient, lot.amount))

    def exchange_in(self, account: bytes, amount: int) -> None:
        self.mint(account, amount)
        self.log.append(CrosschainMint(*self.where(), account, amount, b"\xee" * 20))

    def exchange_out(self, account: bytes, amount: int) -> None:
        for lot in lots_of(self.take(account, amount)):
            self.log.append(LotTransferred(*self.where(), account, ZERO_ADDRESS, lot.epoch, lot.amount))
        self.log.append(Transfer(*self.where(), account, ZERO_ADDRESS, amount))
        self.log.append(CrosschainBurn(*self.where(), account, amount, b"\xee" * 20))

    def expire(self, account: bytes) -> None:
        kept = self.live(account)
        for lot in lots_of(self.points.get(account, [])):
            if lot.epoch < self.epoch - self.validity_epochs:
                self.log.append(PointsExpired(*self.where(), account, lot.epoch, lot.amount))
                self.log.append(Transfer(*self.where(), account, ZERO_ADDRESS, lot.amount))
        self.points[account] = kept
