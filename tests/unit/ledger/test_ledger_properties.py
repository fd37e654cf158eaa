"""LotBook against the naive token: same lots after any history, whole or in pieces."""

from __future__ import annotations

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from backend.chain.event_types import Lot
from backend.chain.ledger import LotBook, accounts_of
from backend.chain.movements import Movement, MovementKind
from tests.unit.ledger.naive_token import DAY_SECONDS, NaiveToken

ACCOUNTS = [bytes([n]) * 20 for n in range(1, 5)]
accounts = st.sampled_from(ACCOUNTS)
amounts = st.integers(1, 12)


class LedgerMachine(RuleBasedStateMachine):
    """Each rule is a block; the whole book and a book that loads only touched accounts both replay it."""

    def __init__(self) -> None:
        super().__init__()
        self.refs = 0
        self.redemptions: list[tuple[bytes, bytes, list[Lot]]] = []
        self.holds: list[tuple[bytes, bytes, bytes]] = []
        self.entries: Counter[tuple[bytes, int]] = Counter()

    @initialize(validity=st.sampled_from([0, 1, 4, 7]))
    def deploy(self, validity: int) -> None:
        self.token = NaiveToken(validity_epochs=validity)
        self.book = LotBook(DAY_SECONDS, validity)

    def ref(self) -> bytes:
        self.refs += 1
        return self.refs.to_bytes(32)

    def replay(self) -> list[Movement]:
        """Replays the block in the whole book, and in a fresh one that knows only what the block touches."""
        now = self.token.timestamp_seconds
        partial = LotBook(DAY_SECONDS, self.token.validity_epochs)
        for account in accounts_of(self.token.log):
            partial.load(account, self.book.lots.get(account, {}))
        movements = self.book.apply_block(self.token.log, now)
        assert partial.apply_block(self.token.log, now) == movements
        for account in accounts_of(self.token.log):
            assert partial.lots.get(account, {}) == self.book.lots.get(account, {})
        for movement in movements:
            assert sum(lot.amount for lot in movement.lots) == movement.transfer.amount
            for change in movement.changes():
                self.entries[change.account, change.epoch] += change.points
        return movements

    def spendable(self, account: bytes, amount: int) -> int:
        return min(amount, len(self.token.live(account)))

    @rule(pause=st.sampled_from([0, 60, DAY_SECONDS, 3 * DAY_SECONDS, 40 * DAY_SECONDS]), account=accounts, n=amounts)
    def issue(self, pause: int, account: bytes, n: int) -> None:
        self.token.start_block(pause)
        ref = self.ref()
        self.token.issue(account, n, ref)
        assert [(each.kind, each.ref) for each in self.replay()] == [(MovementKind.ISSUE, ref)]

    @rule(
        pause=st.sampled_from([0, DAY_SECONDS]), credited=st.lists(st.tuples(accounts, amounts), min_size=1, max_size=6)
    )
    def issue_batch(self, pause: int, credited: list[tuple[bytes, int]]) -> None:
        self.token.start_block(pause)
        ref = self.ref()
        self.token.issue_batch(credited, ref)
        assert {(each.kind, each.ref) for each in self.replay()} == {(MovementKind.ISSUE, ref)}

    @rule(account=accounts, n=amounts)
    def redeem(self, account: bytes, n: int) -> None:
        self.token.start_block(0)
        if self.spendable(account, n):
            ref = self.ref()
            lots = self.token.redeem(account, self.spendable(account, n), ref)
            self.redemptions.append((account, ref, list(lots)))
            assert [(each.kind, tuple(each.lots)) for each in self.replay()] == [(MovementKind.REDEEM, lots)]

    @precondition(lambda self: self.redemptions)
    @rule(pause=st.sampled_from([0, 2 * DAY_SECONDS]))
    def refund(self, pause: int) -> None:
        self.token.start_block(pause)
        account, ref, lots = self.redemptions.pop()
        self.token.refund(account, ref, tuple(lots))
        assert {each.kind for each in self.replay()} <= {MovementKind.REFUND}

    @rule(account=accounts, n=amounts, age=st.integers(0, 3))
    def clawback(self, account: bytes, n: int, age: int) -> None:
        self.token.start_block(0)
        self.token.clawback(account, self.token.epoch - age, n, self.ref())
        assert {each.kind for each in self.replay()} <= {MovementKind.CLAWBACK}

    @rule(account=accounts, n=amounts)
    def hold(self, account: bytes, n: int) -> None:
        self.token.start_block(0)
        if self.spendable(account, n):
            ref = self.ref()
            hold_account = ref[12:]
            self.token.hold(account, hold_account, self.spendable(account, n), ref)
            self.holds.append((account, hold_account, ref))
            assert [each.kind for each in self.replay()] == [MovementKind.HOLD]

    @precondition(lambda self: self.holds)
    @rule(n=amounts, pause=st.sampled_from([0, DAY_SECONDS]))
    def end_hold(self, n: int, pause: int) -> None:
        self.token.start_block(pause)
        account, hold_account, ref = self.holds.pop()
        captured = self.spendable(hold_account, n)
        if captured and n % 3:
            self.token.capture(account, hold_account, captured, ref)
            assert [each.kind for each in self.replay()][:1] == [MovementKind.CAPTURE]
        else:
            self.token.release(account, hold_account, ref)
            assert {each.kind for each in self.replay()} <= {MovementKind.RELEASE}

    @rule(sender=accounts, recipient=accounts, n=st.integers(0, 12))
    def transfer(self, sender: bytes, recipient: bytes, n: int) -> None:
        self.token.start_block(0)
        self.token.move(sender, recipient, self.spendable(sender, n))
        assert [each.kind for each in self.replay()] == [MovementKind.TRANSFER]

    @rule(sender=accounts, recipient=accounts, latest=st.booleans())
    def transfer_lot(self, sender: bytes, recipient: bytes, latest: bool) -> None:
        self.token.start_block(0)
        live = self.token.live(sender)
        if live:
            self.token.transfer_lot(sender, recipient, Lot(live[-1 if latest else 0], 1))
            assert [each.kind for each in self.replay()] == [MovementKind.TRANSFER]

    @rule(account=accounts, n=amounts, inward=st.booleans())
    def exchange(self, account: bytes, n: int, inward: bool) -> None:
        self.token.start_block(0)
        if inward:
            self.token.exchange_in(account, n)
        elif self.spendable(account, n):
            self.token.exchange_out(account, self.spendable(account, n))
        assert {each.kind for each in self.replay()} <= {MovementKind.CROSSCHAIN}

    @rule(account=accounts, wallet=accounts)
    def link(self, account: bytes, wallet: bytes) -> None:
        self.token.start_block(0)
        self.token.link(account, wallet)
        assert {each.kind for each in self.replay()} <= {MovementKind.LINK}

    @rule(account=accounts)
    def expire(self, account: bytes) -> None:
        self.token.start_block(0)
        self.token.expire(account)
        assert {each.kind for each in self.replay()} <= {MovementKind.EXPIRE}

    @invariant()
    def same_lots(self) -> None:
        counted = {account: dict(Counter(points)) for account, points in self.token.points.items() if points}
        assert {account: lots for account, lots in self.book.lots.items() if lots} == counted

    @invariant()
    def supply_is_the_sum_of_lots(self) -> None:
        total: Counter[int] = Counter()
        for lots in self.book.lots.values():
            total.update(lots)
        assert {epoch: points for epoch, points in self.book.supply.items() if points} == dict(total)

    @invariant()
    def entries_add_up_to_lots(self) -> None:
        summed = {place: points for place, points in self.entries.items() if points}
        lots = {(account, epoch): points for account, by in self.book.lots.items() for epoch, points in by.items()}
        assert summed == lots


TestLedger = LedgerMachine.TestCase
TestLedger.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
