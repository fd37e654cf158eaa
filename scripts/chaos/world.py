"""The two chains as each scenario finds them."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path

from scripts.chaos.town import MEMBERS, SLOTS_IN_AN_EPOCH, Place, Town
from tests.support.anvil import DAY
from tests.support.two_chains import Setting, two_chains

_MONTH_SECONDS = 30 * DAY
_POINTS = 100_000


def build_town(stack: ExitStack, folder: Path) -> Town:
    """Two chains with programmes, lanes both ways, and members that hold lots of two epochs."""
    setting = Setting(
        slots_in_an_epoch=SLOTS_IN_AN_EPOCH,
        timestamp=int(time.time()) - _MONTH_SECONDS,
    )
    world = stack.enter_context(two_chains(folder, setting))
    slugs = ("grocer", "fuel")
    home, away = (Place(side, slug, world.route(side)) for side, slug in zip(world.sides, slugs, strict=True))
    town = Town(world, home, away)
    for days in (30, 0):
        for place in town.places:
            for member in range(len(MEMBERS)):
                place.issue(member, _POINTS)
            if days:
                place.anvil.jump(days * DAY)
    town.level()
    town.finalise()
    return town
