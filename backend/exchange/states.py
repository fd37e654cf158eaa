"""Where a swap is: it follows from what the exchange has logged, and before that from the operation."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Literal

from backend.chain.models import Operation

SwapState = Literal["pending", "sent", "posting", "crossing", "completed", "refunded", "failed"]
SWAP_EVENTS = ("SwapBurnt", "SwapMinted", "SwapPending", "SwapPosted", "SwapRefunded", "SwapSent")
Events = Mapping[str, Mapping[str, Any]]
"""Payloads of a swap's logs, by name; each comes at most once."""


class Outcome(StrEnum):
    """What another chain made of a swap; it is final there."""

    MINTED = "minted"
    REFUSED = "refused"


def swap_state(operation: Operation, events: Events, outcome: Outcome | None = None) -> SwapState:
    """The state in one word. What the chain has logged counts more than what became of our transaction.

    `outcome` is what another chain made of a swap that was sent there.
    """
    if "SwapRefunded" in events:
        return "refunded"
    if "SwapMinted" in events or "SwapPosted" in events:
        return "completed"
    if "SwapSent" in events:
        return "completed" if outcome is Outcome.MINTED else "crossing"
    if "SwapBurnt" in events:
        return "posting"
    if operation.state == "failed":
        return "failed"
    return "pending" if operation.state == "pending" else "sent"
