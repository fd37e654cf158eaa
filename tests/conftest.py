"""What holds for all tests of the main environment (the Brownie suite has its own)."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# How long an example takes says something about the machine and what else it does, not about the code.
settings.register_profile("interpoints", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("interpoints")
