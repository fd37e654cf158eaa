"""Where a swap is: it follows from what the exchange has logged, and before that from the operation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from backend.chain.models import Operation

SwapState = Literal["pending", "sent", "posting", "completed", "refunded", "failed"]
SWAP_EVENTS = ("SwapBurnt", "SwapMinted", "SwapPending", "SwapPosted", "SwapRefunded")
Events = Mapping[str, Mapping[str, Any]]
"""Payloads of a swap's logs, by name; each comes at most once."""


def swap_state(operation: Operation, events: Events) -> SwapState:
    """The state in one word. What the chain has logged counts more than what became of our transaction."""
    if "SwapRefunded" in events:
        return "refunded"
    if "SwapMinted" in events or "SwapPosted" in events:
        return "completed"
    if "SwapBurnt" in events:
        return "posting"
    if operation.state == "failed":
        return "failed"
    return "pending" if operation.state == "pending" else "sent"
