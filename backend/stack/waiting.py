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
    """A port of 127.0.0.1 for a server that is started later, another one each time.

    It stays bound here until this process ends: whoever asks the system for any free port does not get it meanwhile.
    The server gets in beside a socket that does not listen; where the system does not allow that, nothing is kept.
    """
    holder = _reusable()
    holder.bind(("127.0.0.1", 0))
    port: int = holder.getsockname()[1]
    if _may_listen(port):
        holder.detach()  # Stays open.
    else:
        holder.close()
    return port


def claim_port(wanted: int, setting: str) -> int:
    """`wanted` when it is free, a free one for 0. Raises PortTakenError naming the setting that changes it."""
    if wanted == 0:
        return free_port()
    if not _may_listen(wanted):
        raise PortTakenError(wanted, setting)
    return wanted


def _may_listen(port: int) -> bool:
    """Whether a server could listen there now."""
    with _reusable() as probe:
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen()
        except OSError:
            return False
    return True


def _reusable() -> socket.socket:
    """A socket as servers have it: a connection of the previous run in TIME_WAIT doesn't count as taken."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return made
