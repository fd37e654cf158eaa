"""A relayer in a process of its own, for tests that kill it: a few rounds, then it ends."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from bridge.relayer import open_relayer
from bridge.settings import BridgeSettings

ROUNDS = 4


def main(settings_json: str, crash_at: str) -> None:
    """Relays, or kills itself at the crash point `crash_at`."""
    os.environ["INTERPOINTS_CRASH_AT"] = crash_at
    settings = BridgeSettings.model_validate_json(settings_json)
    log_path = Path(settings.data_dir).parent / "relayer.log"
    with log_path.open("ab") as log:
        os.dup2(log.fileno(), sys.stdout.fileno())
        os.dup2(log.fileno(), sys.stderr.fileno())
    relayer = open_relayer(settings)
    for _ in range(ROUNDS):
        relayer.step()
    relayer.close()
