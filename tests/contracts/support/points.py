"""Short ways to say what tests say often: refs, lots, credits."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Protocol

from tests.contracts.model import Lots

NOBODY = "0x" + "00" * 20
LOT_LIMIT = 1 << 48
"""A lot holds less than this."""


class PointsViews(Protocol):
    """What the helpers ask a token."""

    def lotsOf(self, account: object) -> Sequence[tuple[int, int]]: ...  # noqa: N802

    def holdOf(self, account: object, ref: str) -> tuple[int, int]: ...  # noqa: N802


def ref(text: str) -> str:
    """A 32-byte reference as a backend makes one: the hash of its own key."""
    return "0x" + sha256(text.encode()).hexdigest()


def lots_of(token: PointsViews, account: object) -> Lots:
    """Live lots by epoch, and a check of their order: earliest first, none empty."""
    listed = [(int(epoch), int(amount)) for epoch, amount in token.lotsOf(account)]
    assert listed == sorted(listed)
    assert all(amount > 0 for _, amount in listed)
    return dict(listed)


def credit(account: object, amount: int) -> int:
    """One word of a batch: the account's 160 bits, then 96 bits of amount."""
    return int(str(account), 16) << 96 | amount


def hold_of(token: PointsViews, account: object, order: str) -> tuple[int, int]:
    """Points and deadline of an open hold; zeros when there is none."""
    amount, deadline = token.holdOf(account, order)
    return int(amount), int(deadline)
