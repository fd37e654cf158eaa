"""An attester in a process of its own, for tests that kill it: works until there is nothing more to do, then ends."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from bridge.attester import open_attester
from bridge.settings import BridgeSettings


def main(settings_json: str, crash_at: str, clock_offset_seconds: float = 0) -> None:
    """Attests, or kills itself at the crash point `crash_at`; its clock is wrong by so much."""
    right = time.time
    time.time = lambda: right() + clock_offset_seconds
    os.environ["INTERPOINTS_CRASH_AT"] = crash_at
    settings = BridgeSettings.model_validate_json(settings_json)
    log_path = Path(settings.data_dir).parent / "attester.log"
    with log_path.open("ab") as log:
        os.dup2(log.fileno(), sys.stdout.fileno())
        os.dup2(log.fileno(), sys.stderr.fileno())
    attester = open_attester(settings)
    while attester.step():
        pass
    attester.close()
