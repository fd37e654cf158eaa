"""Waiting for a condition, with an end."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

from backend.stack.errors import PortTakenError

POLL_SECONDS = 0.05


def wait_until(condition: Callable[[], bool], deadline_seconds: float, poll_seconds: float = POLL_SECONDS) -> bool:
    """Ask until `condition` holds; False when it did not within the deadline."""
    end = time.monotonic() + deadline_seconds
    while not condition():
        if time.monotonic() >= end:
            return False
        time.sleep(poll_seconds)
    return True


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def claim_port(wanted: int, setting: str) -> int:
    """`wanted` when it is free, a free one for 0. Raises PortTakenError naming the setting that changes it."""
    if wanted == 0:
        return free_port()
    with socket.socket() as probe:
        # As servers do: a connection of the previous run in TIME_WAIT doesn't count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            raise PortTakenError(wanted, setting) from None
    return wanted
