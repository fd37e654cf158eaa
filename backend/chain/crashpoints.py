"""Named places at which a test kills the process, to see that a restart loses and doubles nothing.

`INTERPOINTS_CRASH_AT` names one, as `submitter.after_sign` or `submitter.after_sign:3` for the third passage; the
process then kills itself with SIGKILL, so that nothing is flushed, closed or rolled back in good order.
"""

from __future__ import annotations

import os
import signal

_passed: dict[str, int] = {}


def crash_point(name: str) -> None:
    """Dies here if the environment says so; otherwise costs a dictionary lookup."""
    wanted = os.environ.get("INTERPOINTS_CRASH_AT")
    if not wanted:
        return
    place, _, passage = wanted.partition(":")
    if place != name:
        return
    _passed[name] = _passed.get(name, 0) + 1
    if _passed[name] == int(passage or 1):
        os.kill(os.getpid(), signal.SIGKILL)
