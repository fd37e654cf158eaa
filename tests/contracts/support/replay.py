"""The replay rule of `IPointsToken`: logs and block times alone give every account's lots.

A `Transfer` is explained by the logs directly before it. A run of `LotTransferred` with the same accounts names its
lots; a `PointsExpired` says that a dead lot was removed. Otherwise it is a mint into the present epoch (from the zero
address) or takes the earliest-expiring lots (all others).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import cast

from tests.contracts.model import Lots
from tests.contracts.support.outcomes import Log
from tests.contracts.support.points import NOBODY

Transfer = tuple[str, str, str, int]
LotTransferred = tuple[str, str, str, int, int]
PointsExpired = tuple[str, str, int, int]


class ReplayError(Exception):
    """A log contradicts the rule or the lots replayed so far."""

    def __init__(self, log: Log, reason: str) -> None:
        super().__init__(f"{reason}: {log}")
        self.log = log


@dataclass
class Replay:
    """Lots of all accounts as far as the logs have been replayed; dead lots stay until a log removes them."""

    epoch_seconds: int
    validity_epochs: int
    accounts: dict[str, Lots] = field(default_factory=dict)

    def lots_of(self, account: str, now_seconds: int) -> Lots:
        """Live lots of an account at a time, earliest first."""
        oldest = now_seconds // self.epoch_seconds - self.validity_epochs
        lots = self.accounts.get(account, {})
        return {epoch: lots[epoch] for epoch in sorted(lots) if epoch >= oldest and lots[epoch]}

    def apply(self, block_seconds: int, logs: Iterable[Log]) -> None:
        """Replays the logs of one transaction."""
        before: list[Log] = []
        for log in logs:
            if log[0] == "Transfer":
                self._transfer(log, before, block_seconds)
            before = [*before, log] if log[0] == "LotTransferred" else [log]

    def _transfer(self, log: Log, before: list[Log], block_seconds: int) -> None:
        _, sender, recipient, amount = cast(Transfer, log)
        named = [part for part in before if part[:3] == ("LotTransferred", sender, recipient)]
        if named:
            moved = self._sum_of(cast(LotTransferred, part)[3:] for part in named)
        elif before and before[-1][0] == "PointsExpired":
            moved = self._expired(log, before[-1])
        elif sender == NOBODY:
            moved = {block_seconds // self.epoch_seconds: amount}
        else:
            moved = self._earliest(sender, amount, block_seconds)
        if sum(moved.values()) != amount:
            raise ReplayError(log, f"explained as {moved}")
        self._move(log, moved)

    @staticmethod
    def _sum_of(parts: Iterable[tuple[int, int]]) -> Lots:
        lots: Lots = {}
        for epoch, amount in parts:
            lots[epoch] = lots.get(epoch, 0) + amount
        return lots

    def _expired(self, log: Log, expired: Log) -> Lots:
        _, account, epoch, amount = cast(PointsExpired, expired)
        whole = self.accounts.get(account, {}).get(epoch)
        if log[1:] != (account, NOBODY, amount) or whole != amount:
            raise ReplayError(log, f"does not remove the lot {epoch} of {whole} points")
        return {epoch: amount}

    def _earliest(self, sender: str, amount: int, block_seconds: int) -> Lots:
        moved: Lots = {}
        for epoch, available in self.lots_of(sender, block_seconds).items():
            moved[epoch] = min(available, amount - sum(moved.values()))
        return moved

    def _move(self, log: Log, moved: Lots) -> None:
        _, sender, recipient, _ = cast(Transfer, log)
        for epoch, amount in moved.items():
            if sender != NOBODY:
                lots = self.accounts.setdefault(sender, {})
                lots[epoch] = lots.get(epoch, 0) - amount
                if lots[epoch] < 0:
                    raise ReplayError(log, f"lot {epoch} below zero")
            if recipient != NOBODY:
                lots = self.accounts.setdefault(recipient, {})
                lots[epoch] = lots.get(epoch, 0) + amount
