"""A plain-Python model of a programme's points: what the contracts must do, written without their tricks.

Lots are dictionaries from epoch to points, nothing is packed, evicted or reused, and time is a number that
the caller sets. The stateful machine drives this model and the token side by side and compares them.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

Lots = dict[int, int]
"""Points by epoch; an absent epoch is zero."""


class RefusedError(Exception):
    """The operation breaks a rule; the token must revert. `reason` is the name of the custom error."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Problems:
    """All rules an operation breaks: a contract may name any one of them."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def unless(self, condition: bool, reason: str) -> None:
        """Notes a broken rule."""
        if not condition:
            self.reasons.append(reason)

    def stop(self) -> None:
        """Refuses when anything is broken."""
        if self.reasons:
            raise RefusedError("|".join(self.reasons))


@dataclass(frozen=True)
class ProgrammeTerms:
    """What the token was deployed with; durations in seconds or epochs as named."""

    epoch_length_seconds: int
    validity_epochs: int
    clawback_epochs: int
    supply_cap_points: int


@dataclass
class Redemption:
    """Points burned under a ref, and how many of them have not been given back."""

    lots: Lots
    remaining_points: int


@dataclass
class Hold:
    """Points set aside until captured, released or expired. `amount_points` is what was held at first."""

    amount_points: int
    deadline_seconds: int
    lots: Lots


@dataclass
class PointsModel:
    """Every account's lots, holds and redemptions, and the rules that change them."""

    terms: ProgrammeTerms
    max_hold_seconds: int
    now_seconds: int = 0
    accounts: dict[str, Lots] = field(default_factory=dict)
    holds: dict[tuple[str, str], Hold] = field(default_factory=dict)
    redemptions: dict[tuple[str, str], Redemption] = field(default_factory=dict)
    issuer_refs: set[str] = field(default_factory=set)
    account_refs: set[tuple[str, str]] = field(default_factory=set)

    # ---- views

    @property
    def epoch(self) -> int:
        """The present epoch."""
        return self.now_seconds // self.terms.epoch_length_seconds

    def is_live(self, epoch: int) -> bool:
        """Whether a lot of `epoch` is worth anything."""
        return epoch <= self.epoch <= epoch + self.terms.validity_epochs

    def live_lots(self, lots: Lots) -> Lots:
        """The lots that are worth something, earliest first, without empty ones."""
        return {epoch: lots[epoch] for epoch in sorted(lots) if lots[epoch] and self.is_live(epoch)}

    def lots_of(self, account: str) -> Lots:
        """Live lots of an account, earliest first."""
        return self.live_lots(self.accounts.get(account, {}))

    def balance_of(self, account: str) -> int:
        """Live points of an account."""
        return sum(self.lots_of(account).values())

    def lots_of_hold(self, account: str, ref: str) -> Lots:
        """Live lots that an open hold keeps."""
        hold = self.holds.get((account, ref))
        return self.live_lots(hold.lots) if hold else {}

    def supply_by_epoch(self) -> Lots:
        """Live points of all accounts and holds by epoch."""
        supply: Lots = {}
        owned = [*self.accounts.values(), *(hold.lots for hold in self.holds.values())]
        for lots in owned:
            for epoch, amount in self.live_lots(lots).items():
                supply[epoch] = supply.get(epoch, 0) + amount
        return supply

    def total_supply(self) -> int:
        """Live points of all accounts and holds."""
        return sum(self.supply_by_epoch().values())

    def refundable_of(self, account: str, ref: str) -> int:
        """Points of a redemption that have not been given back."""
        redemption = self.redemptions.get((account, ref))
        return redemption.remaining_points if redemption else 0

    # ---- rules

    def issue(self, account: str, amount: int, ref: str) -> None:
        """Mints into the present epoch, once a ref, up to the cap."""
        self._require(ref not in self.issuer_refs, "RefAlreadyUsed")
        self._require_cap(amount)
        self.issuer_refs.add(ref)
        self._add(self._own(account), {self.epoch: amount})

    def issue_batch(self, batch: str, credited: Iterable[tuple[str, int]]) -> None:
        """Mints many credits or none."""
        listed = list(credited)
        self._require(batch not in self.issuer_refs, "RefAlreadyUsed")
        self._require(bool(listed), "EmptyBatch")
        self._require_cap(sum(amount for _, amount in listed))
        self.issuer_refs.add(batch)
        for account, amount in listed:
            self._add(self._own(account), {self.epoch: amount})

    def transfer(self, sender: str, recipient: str, amount: int) -> None:
        """Moves the earliest-expiring points; their epochs stay."""
        moved = self._take_earliest(self._own(sender), amount)
        self._add(self._own(recipient), moved)

    def transfer_at_epoch(self, sender: str, recipient: str, epoch: int, amount: int) -> None:
        """Moves points of one live lot."""
        self._require(epoch <= self.epoch, "EpochInFuture")
        self._require(self.is_live(epoch), "ERC7818TransferredExpiredToken")
        self._require(self.lots_of(sender).get(epoch, 0) >= amount, "ERC20InsufficientBalance")
        self._own(sender)[epoch] = self._own(sender).get(epoch, 0) - amount
        self._add(self._own(recipient), {epoch: amount})

    def redeem(self, account: str, amount: int, ref: str) -> Lots:
        """Burns the earliest-expiring points under a ref that the account has not used."""
        self._require((account, ref) not in self.account_refs, "RefAlreadyUsed")
        burned = self._take_earliest(self._own(account), amount)
        self.account_refs.add((account, ref))
        self.redemptions[account, ref] = Redemption(burned, amount)
        return burned

    def refund(self, account: str, ref: str, amount: int) -> Lots:
        """Gives back into the original lots, latest-expiring first; what has expired is not given back."""
        redemption = self.redemptions.get((account, ref))
        if redemption is None:
            raise RefusedError("RedemptionMismatch")
        self._require(amount <= redemption.remaining_points, "RefundExceedsRedemption")
        skipped = sum(redemption.lots.values()) - redemption.remaining_points
        restored: Lots = {}
        for epoch in sorted(redemption.lots, reverse=True):
            available = redemption.lots[epoch] - min(skipped, redemption.lots[epoch])
            skipped -= redemption.lots[epoch] - available
            given = min(available, amount - sum(restored.values()))
            if given:
                restored[epoch] = given
        redemption.remaining_points -= amount
        live = self.live_lots(restored)
        self._add(self._own(account), live)
        return live

    def clawback(self, account: str, epoch: int, amount: int, ref: str) -> int:
        """Takes back what is left of one lot inside the window."""
        self._require(ref not in self.issuer_refs, "RefAlreadyUsed")
        self._require(epoch <= self.epoch, "EpochInFuture")
        self._require(self.epoch <= epoch + self.terms.clawback_epochs, "ClawbackWindowClosed")
        self.issuer_refs.add(ref)
        taken = min(amount, self.lots_of(account).get(epoch, 0))
        if taken:
            self._own(account)[epoch] -= taken
        return taken

    def hold(self, account: str, amount: int, ref: str, deadline_seconds: int) -> None:
        """Sets the earliest-expiring points aside."""
        self._require((account, ref) not in self.account_refs, "RefAlreadyUsed")
        latest = self.now_seconds + self.max_hold_seconds
        self._require(self.now_seconds <= deadline_seconds <= latest, "InvalidDeadline")
        held = self._take_earliest(self._own(account), amount)
        self.account_refs.add((account, ref))
        self.holds[account, ref] = Hold(amount, deadline_seconds, held)

    def capture(self, account: str, ref: str, amount: int) -> Lots:
        """Redeems part or all of a hold and gives back the live rest."""
        hold = self._open_hold(account, ref)
        self._require(self.now_seconds <= hold.deadline_seconds, "HoldExpired")
        live = sum(self.live_lots(hold.lots).values())
        self._require(amount <= live, "CaptureExceedsHold")
        burned = self._take_earliest(hold.lots, amount)
        self._give_back(account, ref)
        self.redemptions[account, ref] = Redemption(burned, amount)
        return burned

    def release(self, account: str, ref: str, *, privileged: bool) -> int:
        """Ends a hold and gives back what is still live."""
        hold = self._open_hold(account, ref)
        self._require(privileged or self.now_seconds > hold.deadline_seconds, "HoldStillActive")
        return self._give_back(account, ref)

    def move_all(self, account: str, wallet: str) -> int:
        """Moves every live lot of a managed account to the member's wallet."""
        amount = self.balance_of(account)
        self.transfer(account, wallet, amount)
        return amount

    def burn(self, account: str, amount: int) -> Lots:
        """Burns the earliest-expiring points for an exchange."""
        return self._take_earliest(self._own(account), amount)

    def earliest(self, account: str, amount: int) -> Lots:
        """The lots that spending an amount would take; fewer points when the account has fewer."""
        left, lots = amount, {}
        for epoch, available in self.lots_of(account).items():
            lots[epoch] = min(available, left)
            left -= lots[epoch]
        return {epoch: part for epoch, part in lots.items() if part}

    def restore_lots(self, account: str, lots: Lots) -> Lots:
        """Gives burnt lots back, whatever the cap says; the ones that are still live."""
        live = self.live_lots(lots)
        self._add(self._own(account), live)
        return live

    def mint_lots(self, account: str, lots: Lots) -> None:
        """Mints live lots for an exchange, up to the cap."""
        for epoch in lots:
            self._require(epoch <= self.epoch, "EpochInFuture")
            self._require(self.is_live(epoch), "ERC7818TransferredExpiredToken")
        self._require_cap(sum(lots.values()))
        self._add(self._own(account), lots)

    def refusal(self, rule: Callable[[], object]) -> str | None:
        """Runs a rule; the name of the error when it is refused, else None."""
        try:
            rule()
        except RefusedError as refused:
            return refused.reason
        return None

    # ---- parts

    @staticmethod
    def _require(condition: bool, reason: str) -> None:
        if not condition:
            raise RefusedError(reason)

    def _require_cap(self, amount: int) -> None:
        increased = self.total_supply() + amount
        self._require(increased <= self.terms.supply_cap_points, "SupplyCapExceeded")

    def _own(self, account: str) -> Lots:
        return self.accounts.setdefault(account, {})

    @staticmethod
    def _add(lots: Lots, added: Lots) -> None:
        for epoch, amount in added.items():
            lots[epoch] = lots.get(epoch, 0) + amount

    def _take_earliest(self, lots: Lots, amount: int) -> Lots:
        live = self.live_lots(lots)
        self._require(sum(live.values()) >= amount, "ERC20InsufficientBalance")
        taken: Lots = {}
        for epoch, available in live.items():
            part = min(available, amount - sum(taken.values()))
            if part:
                taken[epoch] = part
                lots[epoch] -= part
        return taken

    def _open_hold(self, account: str, ref: str) -> Hold:
        hold = self.holds.get((account, ref))
        if hold is None:
            raise RefusedError("HoldNotOpen")
        return hold

    def _give_back(self, account: str, ref: str) -> int:
        rest = self.live_lots(self.holds.pop((account, ref)).lots)
        self._add(self._own(account), rest)
        return sum(rest.values())
