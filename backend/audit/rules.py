"""The rules a token's operations keep, judged log by log beside the replay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from backend.audit.legs import Leg, legs_of
from backend.audit.report import ProgrammeFigures, Report
from backend.audit.spool import Redemption, Spool
from backend.chain.event_types import (
    BatchIssued,
    ChainEvent,
    HoldCaptured,
    HoldReleased,
    Lot,
    Paused,
    PointsClawedBack,
    PointsHeld,
    PointsIssued,
    PointsRedeemed,
    PointsRefunded,
    SupplyCapChanged,
    Transfer,
    Unpaused,
)
from backend.chain.ledger import LotBook
from backend.chain.movements import LedgerError, Movement, MovementKind, SumMismatchError, UnexplainedMovementError
from backend.chain.points_token import hold_account

MAX_HOLD_SECONDS = 90 * 86_400
"""PointsToken.MAX_HOLD_DURATION."""


@dataclass(frozen=True, slots=True)
class OpenHold:
    """Points that an open hold set aside; `deadline` in Unix seconds."""

    account: bytes
    hold_account: bytes
    points: int
    deadline: int


class TokenRules:
    """Replays one token and judges it; what it finds goes into the report's checks."""

    def __init__(
        self,
        report: Report,
        figures: ProgrammeFigures,
        *,
        token: bytes,
        epoch_length_seconds: int,
        validity_epochs: int,
        clawback_epochs: int,
        spool: Spool,
        has_exchange: bool = False,
    ) -> None:
        """`has_exchange`: what an exchange mints is held to the cap by `judge_exchange_cap`."""
        self.book = LotBook(epoch_length_seconds, validity_epochs, on_fault=self._on_fault)
        self.figures = figures
        self.cap_points: int | None = None
        self.first_cap_points: int | None = None
        self.open_holds: dict[tuple[bytes, bytes], OpenHold] = {}
        self.report = report
        self._checks = {check.id: check for check in report.checks}
        self._token = token
        self._clawback_epochs = clawback_epochs
        self._spool = spool
        self._uncapped = {MovementKind.REFUND} | ({MovementKind.CROSSCHAIN} if has_exchange else set())
        self._paused = False

    def apply(self, events: Sequence[ChainEvent], timestamp_seconds: int) -> list[Leg]:
        """The token's events of one transaction, in order; answers what an exchange did of it."""
        self._examine(events)
        movements = self.book.apply_transaction(events, timestamp_seconds)
        crosschain = self._count(movements)
        if movements and self._paused:
            self._fail("pauses", movements[0].transfer, "points moved while the token was paused")
        for event in events:
            if not isinstance(event, Transfer):  # Nearly all are, and the replay has judged them.
                self._judge(event, timestamp_seconds)
        if isinstance(events[-1], PointsClawedBack):
            self._judge_rest(events[-1], timestamp_seconds)
        if any(not any(each.transfer.sender) and each.kind not in self._uncapped for each in movements):
            self._judge_cap(movements[-1].transfer, timestamp_seconds)
        return legs_of(self.book, movements, timestamp_seconds) if crosschain else []

    # ---- counting

    def _examine(self, events: Sequence[ChainEvent]) -> None:
        self.figures.events += len(events)
        self._checks["replay"].examined += len(events)

    def _count(self, movements: Sequence[Movement]) -> bool:
        """Adds to the figures; answers whether an exchange moved something."""
        sums: dict[MovementKind, int] = {}
        for kind, run in groupby(movements, key=attrgetter("kind")):
            sums[kind] = sums.get(kind, 0) + sum(movement.transfer.amount for movement in run)
        figures = self.figures
        figures.issued += sums.get(MovementKind.ISSUE, 0)
        figures.redeemed += sums.get(MovementKind.REDEEM, 0) + sums.get(MovementKind.CAPTURE, 0)
        figures.refunded += sums.get(MovementKind.REFUND, 0)
        figures.clawed_back += sums.get(MovementKind.CLAWBACK, 0)
        figures.expired += sums.get(MovementKind.EXPIRE, 0)
        for movement in movements if MovementKind.CROSSCHAIN in sums else ():
            if movement.kind is MovementKind.CROSSCHAIN:
                minted = not any(movement.transfer.sender)
                figures.exchanged_in += movement.transfer.amount if minted else 0
                figures.exchanged_out += 0 if minted else movement.transfer.amount
        self._checks["mints"].examined += len(movements)
        return MovementKind.CROSSCHAIN in sums

    # ---- judging

    def _judge(self, event: ChainEvent, now: int) -> None:
        match event:
            case BatchIssued():
                self.figures.batches += 1
                self._checks["batches"].examined += 1
                self._use_ref(event, b"i" + event.batch_id)
            case PointsIssued():
                self._use_ref(event, b"i" + event.ref)
            case PointsRedeemed():
                self._on_redeemed(event)
            case PointsRefunded():
                self._on_refunded(event, now)
            case PointsClawedBack():
                self._on_clawed_back(event, now)
            case PointsHeld():
                self._on_held(event, now)
            case HoldCaptured():
                self._on_captured(event, now)
            case HoldReleased():
                self._end_hold(event, event.account, event.ref)
            case SupplyCapChanged():
                self.cap_points = event.cap
                if self.first_cap_points is None:
                    self.first_cap_points = event.cap
            case Paused():
                self._paused = True
            case Unpaused():
                self._paused = False

    def _use_ref(self, event: ChainEvent, key: bytes) -> None:
        self._checks["refs"].examined += 1
        if not self._spool.use_once(self._token + key):
            self._fail("refs", event, f"the reference 0x{key[-32:].hex()} was used before")

    def _on_redeemed(self, event: PointsRedeemed) -> None:
        self._checks["redemptions"].examined += 1
        if (event.account, event.ref) not in self.open_holds:
            self._use_ref(event, b"a" + event.account + event.ref)
        self._spool.put_redemption(self._token, event.account, event.ref, Redemption(event.lots, event.amount))

    def _on_refunded(self, event: PointsRefunded, now: int) -> None:
        self._checks["refunds"].examined += 1
        redemption = self._spool.redemption(self._token, event.account, event.ref)
        if redemption is None:
            self._fail("refunds", event, f"there is no redemption 0x{event.ref.hex()} of this account")
            return
        if event.amount > redemption.remaining_points:
            detail = f"{event.amount} points were refunded of {redemption.remaining_points} that were left"
            self._fail("refunds", event, detail)
        first_live = self.book.first_live_epoch(now)
        expected = [lot for lot in latest_first(redemption, event.amount) if lot.epoch >= first_live]
        if sorted(expected) != sorted(event.restored):
            self._fail("refunds", event, "the lots given back are not the latest-expiring of the redemption")
        left = Redemption(redemption.lots, max(0, redemption.remaining_points - event.amount))
        self._spool.put_redemption(self._token, event.account, event.ref, left)

    def _on_clawed_back(self, event: PointsClawedBack, now: int) -> None:
        self._checks["clawbacks"].examined += 1
        self._use_ref(event, b"i" + event.ref)
        current = self.book.epoch_at(now)
        if not event.epoch <= current <= event.epoch + self._clawback_epochs:
            self._fail("clawbacks", event, f"the lot of epoch {event.epoch} was outside the window in epoch {current}")
        if event.taken > event.requested:
            self._fail("clawbacks", event, f"{event.taken} points were taken of {event.requested} asked for")

    def _judge_rest(self, event: PointsClawedBack, now: int) -> None:
        left = self.book.lots.get(event.account, {}).get(event.epoch, 0)
        if event.taken < event.requested and left and event.epoch >= self.book.first_live_epoch(now):
            self._fail("clawbacks", event, f"{left} points of the lot were left although more was asked for")

    def _on_held(self, event: PointsHeld, now: int) -> None:
        self._checks["holds"].examined += 1
        self._use_ref(event, b"a" + event.account + event.ref)
        if event.hold_account != hold_account(self._token, event.account, event.ref):
            self._fail("holds", event, "the points went to an account that is not the hold's")
        if not now <= event.deadline <= now + MAX_HOLD_SECONDS:
            self._fail("holds", event, f"the deadline {event.deadline} is past or more than 90 days off")
        held = OpenHold(event.account, event.hold_account, event.amount, event.deadline)
        self.open_holds[event.account, event.ref] = held

    def _on_captured(self, event: HoldCaptured, now: int) -> None:
        hold = self._end_hold(event, event.account, event.ref)
        if hold is not None and event.captured > hold.points:
            self._fail("holds", event, f"{event.captured} points were captured of {hold.points} held")
        if hold is not None and now > hold.deadline:
            self._fail("holds", event, f"captured {now - hold.deadline} s after its deadline")

    def _end_hold(self, event: ChainEvent, account: bytes, ref: bytes) -> OpenHold | None:
        self._checks["holds"].examined += 1
        hold = self.open_holds.pop((account, ref), None)
        if hold is None:
            self._fail("holds", event, f"no hold 0x{ref.hex()} of this account was open")
        elif self.book.lots.get(hold.hold_account):
            self._fail("holds", event, "points stayed behind in the hold's account")
        return hold

    def judge_exchange_cap(self, legs: Sequence[Leg], now: int) -> None:
        """Holds to the cap what an exchange minted; without what it gave back, which no cap bounds."""
        minted = [leg.event for leg in legs if leg.earliest_first is None]
        if minted:
            self._judge_cap(minted[-1], now)

    def _judge_cap(self, event: ChainEvent, now: int) -> None:
        self._checks["caps"].examined += 1
        first = self.book.first_live_epoch(now)
        live = sum(points for epoch, points in self.book.supply.items() if epoch >= first)
        if self.cap_points is not None and live > self.cap_points:
            self._fail("caps", event, f"{live} points were live with a cap of {self.cap_points}")

    # ---- findings

    def _on_fault(self, error: LedgerError) -> None:
        check = "replay"
        if isinstance(error.event, BatchIssued):
            check = "batches"
        elif isinstance(error.event, PointsRedeemed) and isinstance(error, SumMismatchError):
            check = "redemptions"
        elif isinstance(error, UnexplainedMovementError):
            check = "mints"
        self._fail(check, error.event, error.reason)

    def _fail(self, check: str, event: ChainEvent, detail: str) -> None:
        subject = f"{self.figures.slug}: {type(event).__name__}, log {event.log_index}"
        self._checks[check].fail(subject, detail, block=event.block_number, transaction=event.transaction_hash)


def latest_first(redemption: Redemption, amount_points: int) -> list[Lot]:
    """Which original lots a refund of `amount_points` gives back, after what was refunded before."""
    skip = sum(lot.amount for lot in redemption.lots) - redemption.remaining_points
    missing = amount_points
    restored: list[Lot] = []
    for lot in sorted(redemption.lots, reverse=True):
        skipped = min(skip, lot.amount)
        skip -= skipped
        part = min(lot.amount - skipped, missing)
        missing -= part
        if part:
            restored.append(Lot(lot.epoch, part))
    return restored
