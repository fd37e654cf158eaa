"""What goes on while faults happen: swaps both ways that are minted, refused, kept waiting and priced out."""

from __future__ import annotations

from scripts.chaos.rig import Rig
from scripts.chaos.town import FINALITY_BLOCKS, PAUSE, UNPAUSE, Lane


def swap_both_ways(rig: Rig) -> None:
    """Swaps that are minted, two of them in one block, and one that comes too late and is refunded."""
    town = rig.town
    anvil = town.home.anvil
    anvil.automine(False)
    town.out.swap(1_000, member=0)
    town.out.swap(700, member=1)
    anvil.mine(1)
    anvil.automine(True)
    town.back.swap(500, member=0)
    too_late(rig, town.out)


def too_late(rig: Rig, lane: Lane) -> None:
    """A swap whose deadline is past when its block becomes final: refused, and refunded by a message back."""
    lane.swap(300, member=2, seconds=30)
    lane.source.anvil.jump(60)
    rig.town.level()


def settle(rig: Rig) -> None:
    """Until every swap has ended."""
    rig.converge()


def plain(rig: Rig) -> None:
    """Nothing in the way."""
    swap_both_ways(rig)
    settle(rig)


def kept_waiting(rig: Rig) -> None:
    """A swap that its destination does not take at first: delivered, failed, tried again."""
    away = rig.town.away
    away.send(0, away.exchange.address, PAUSE)
    rig.town.out.swap(800)
    rig.until(lambda: bool(away.failures()), "the message was not delivered")
    rig.blocks(10)
    away.send(0, away.exchange.address, UNPAUSE)
    settle(rig)


def priced_out(rig: Rig) -> None:
    """A delivery whose fee is overtaken while it waits in the pool: replaced by a dearer one."""
    away = rig.town.away
    away.anvil.automine(False)
    rig.town.out.swap(800)
    rig.town.home.anvil.mine(FINALITY_BLOCKS)
    rig.until(lambda: away.pooled() > 0, "no delivery was sent", mining=False)
    rig.make_dear(away, blocks=12)
    away.anvil.automine(True)
    settle(rig)
