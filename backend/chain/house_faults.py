"""How a replay of the clearing house's logs says that they cannot be true."""

from __future__ import annotations

from collections.abc import Callable

from backend.chain.event_types import ChainEvent

Fault = Callable[[ChainEvent, str], None]
"""Told the event at which a fault shows, and what is wrong."""


class HouseFaultError(Exception):
    """The logs cannot be what a clearing house logs. `event` is where that shows."""

    def __init__(self, event: ChainEvent, reason: str) -> None:
        super().__init__(f"{type(event).__name__} (block {event.block_number}, log {event.log_index}): {reason}")
        self.event = event
        self.reason = reason


def raise_fault(event: ChainEvent, reason: str) -> None:
    """What a replay does with a fault unless told otherwise."""
    raise HouseFaultError(event, reason)


def ignore_fault(event: ChainEvent, reason: str) -> None:
    """For a replay that starts from sums, and so cannot judge what happened in between."""


def name_of(programme: bytes) -> str:
    """The slug in a programme id of the registry."""
    return programme.rstrip(b"\0").decode("ascii", "replace")
