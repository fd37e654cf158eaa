"""Replay of defaults: what a debtor owes leaves the netting, its collateral is shared out, and claims are paid."""

from __future__ import annotations

from backend.chain import clearing_events as logs
from backend.chain.event_types import ChainEvent
from backend.chain.house_books import CLOSED, OPEN, Pair
from backend.chain.house_faults import Fault, name_of
from backend.chain.house_state import HouseState


def without_debt(open_amount: int, closed_amount: int) -> tuple[int, int]:
    """What is left of what a programme in default owes a partner: open cycle, and cycle being settled.

    Both are set off against each other first, so that it owes in neither; what the partner owes on balance stays, in
    the cycle in which the partner owes it.
    """
    owed = open_amount + closed_amount
    if owed >= 0:
        return 0, 0
    if closed_amount > 0:
        return owed, 0
    return (0, owed) if open_amount > 0 else (open_amount, closed_amount)


class DefaultReplay(HouseState):
    """The part of a replay that defaults concern, and what all parts share."""

    def __init__(self, cycle_seconds: int, started_at_seconds: int | None, on_fault: Fault) -> None:
        super().__init__(cycle_seconds, started_at_seconds)
        self._fault = on_fault
        self._now = started_at_seconds or 0
        self._last: ChainEvent | None = None
        self._touched: set[bytes] = set()
        self._closing_out: bytes | None = None
        """Programme whose default is being logged, until its own position is advised."""
        self._left: dict[bytes, tuple[int, int]] = {}
        """What that programme is to owe each partner afterwards."""
        self._losses: dict[Pair, tuple[int, int]] = {}
        """(debtor, creditor) → owed and recovered that the logs of a default have still to say."""
        self._shares: dict[Pair, int] = {}
        """(debtor, creditor) → what the logs of a distribution have still to say."""

    def _on_default(self, event: logs.DefaultDeclared) -> None:
        debtor, left = event.programme_id, self.outstanding(event.programme_id)
        self._concern(event, debtor)
        self._check(event, self.is_settling and event.cycle == self.open_cycle - 1, "the cycle is not being settled")
        self._check(event, self._now > self.payment_deadline, "the payment deadline was not past")
        self._check(event, left > 0, f"{name_of(debtor)} had nothing to pay")
        self._check(event, left > self.free_of_open(debtor), "its collateral could have paid")
        self._losses = {(debtor, creditor): loss for creditor, loss in self.losses_on_default(debtor).items()}
        partners = self.books.partners(debtor)
        self._left = {creditor: without_debt(*amounts) for creditor, amounts in partners.items()}
        self._closing_out = debtor
        self._pay_in(debtor, self.paid.pop(debtor, 0))
        self.defaulted.add(debtor)

    def _advise_again(self, event: logs.PositionAdvised, debtor: bytes) -> None:
        """Takes over what a default changed in the cycle being settled, from the partner's new net.

        The sum of both cycles stays; `LossAllocated` takes from the open one what the debtor owed on balance.
        """
        partner = event.programme_id
        if partner != debtor:
            moved = event.due - self.books.net(partner, CLOSED)
            self.books.add(debtor, partner, CLOSED, moved)
            self.books.add(debtor, partner, OPEN, -moved)
            closed_amount = self.books.owed(debtor, partner)[CLOSED]
            expected = self._left.get(partner, (0, 0))[CLOSED]
            self._check(event, closed_amount == expected, f"leaves {closed_amount} between the two, not {expected}")
            return
        for each, (_, expected) in self._left.items():
            closed_amount = self.books.owed(debtor, each)[CLOSED]
            self._check(event, closed_amount == expected, f"{name_of(each)} was not advised of its new net")
        self._closing_out = None

    def _on_loss(self, event: logs.LossAllocated) -> None:
        debtor, creditor = event.debtor, event.creditor
        self._concern(event, debtor, creditor)
        expected = self._losses.pop((debtor, creditor), None)
        logged = (event.owed, event.recovered)
        self._check(event, logged == expected, f"owed and recovered are {logged}, should be {expected}")
        self.books.add(debtor, creditor, OPEN, -event.owed)
        self._take(event, debtor, event.recovered)
        self._pay_in(creditor, event.recovered)
        self._change_claim(debtor, creditor, event.owed - event.recovered)

    def _on_claim_paid(self, event: logs.ClaimPaid) -> None:
        debtor, creditor = event.debtor, event.creditor
        self._concern(event, debtor, creditor)
        if not self._shares:
            shares = self.shares_of_claims(debtor)
            self._shares = {(debtor, other): amount for other, amount in shares.items() if amount}
        share = self._shares.pop((debtor, creditor), 0)
        self._check(event, event.amount == share, f"{event.amount} paid, the share was {share}")
        self._take(event, debtor, event.amount)
        self._pay_in(creditor, event.amount)
        self._change_claim(debtor, creditor, -event.amount)

    def _on_default_ended(self, event: logs.DefaultEnded) -> None:
        self._check(event, event.programme_id in self.defaulted, f"{name_of(event.programme_id)} is not in default")
        claims = self.standing_of(event.programme_id).claims
        self._check(event, claims == 0, f"claims of {claims} are left")
        self.defaulted.discard(event.programme_id)

    def _finish_default(self, last: ChainEvent) -> None:
        for (_, creditor), (owed, _) in self._losses.items():
            self._fault(last, f"no log allocates the {owed} owed to {name_of(creditor)}")
        for (_, creditor), amount in self._shares.items():
            self._fault(last, f"no log pays {name_of(creditor)} its share of {amount}")
        self._losses, self._shares, self._left, self._closing_out = {}, {}, {}, None

    # ---- parts

    def _check(self, event: ChainEvent, holds: bool, reason: str) -> None:
        if not holds:
            self._fault(event, reason)

    def _concern(self, event: ChainEvent, *programmes: bytes) -> None:
        """Programmes whose bounds are judged when the transaction ends."""
        for programme in programmes:
            self._check(event, programme in self.collateral, f"{name_of(programme)} has not joined")
            self._touched.add(programme)

    def _pay_in(self, programme: bytes, amount: int) -> None:
        self.collateral[programme] = self.collateral.get(programme, 0) + amount

    def _take(self, event: ChainEvent, programme: bytes, amount: int) -> None:
        self._pay_in(programme, -amount)
        left = self.collateral[programme]
        self._check(event, left >= 0, f"takes {amount} from {name_of(programme)}, {-left} more than it has")

    def _change_claim(self, debtor: bytes, creditor: bytes, amount: int) -> None:
        left = self.claims.pop((debtor, creditor), 0) + amount
        if left:
            self.claims[debtor, creditor] = left
