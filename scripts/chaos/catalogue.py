"""All scenarios, in the order in which they are tried."""

from __future__ import annotations

from scripts.chaos.faults import attesters, endpoints, gas, kills, others, reorganisations, stops, storage
from scripts.chaos.scenario import Scenario

_MODULES = (kills, others, reorganisations, endpoints, attesters, gas, storage, stops)


def catalogue() -> list[Scenario]:
    """Every fault there is. Names are unique."""
    found = [scenario for module in _MODULES for scenario in module.scenarios()]
    names = [scenario.name for scenario in found]
    assert len(set(names)) == len(names)
    return found
