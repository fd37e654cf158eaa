"""What holds for all tests of the main environment (the Brownie suite has its own)."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# How long an example takes says something about the machine and what else it does, not about the code. The same
# examples each time, so that a change fails or passes for its own sake; LARGE=1 draws others.
settings.register_profile(
    "interpoints",
    deadline=None,
    derandomize=os.environ.get("LARGE") != "1",
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("interpoints")
