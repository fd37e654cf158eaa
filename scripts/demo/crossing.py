"""Swaps on their way between the chains: carried by the bridge while blocks come, and one lane stopped in flight."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.console import Console
from rich.table import Table

from scripts.demo.exchange import Exchange, LanePlan
from scripts.demo.replay import Replay, ReplayError
from scripts.demo.stage import Stage

CARRY_DEADLINE_SECONDS = 300.0
STOPPED_SWAPS = 3
"""Swaps that are on their way when their lane is stopped: fewer than blocks to finality, so none has arrived."""
CANDIDATES = 40
"""Households looked at for them."""
AGAIN = "-stopped"
_BLOCKS_AT_A_TIME = 3

Lots = list[tuple[int, str]]


def carry(stage: Stage, sites: Sequence[Replay]) -> None:
    """Let blocks come on both chains until every swap between them has ended. Raises ReplayError when one does not."""

    def arrived() -> bool:
        stage.check()
        for site in sites:
            site.clock.tick(_BLOCKS_AT_A_TIME)
        return not any(site.crossing() for site in sites)

    for site in sites:
        site.clock.finalise()
    what = "the end of every swap between the chains"
    sites[0].wait_for(what, arrived, deadline_seconds=CARRY_DEADLINE_SECONDS, poll_seconds=0.5)


def align(sites: Sequence[Replay]) -> None:
    """Let the chain that is behind catch up: deadlines hold on both."""
    latest = max(site.clock.now() for site in sites)
    for site in sites:
        site.clock.advance_to_timestamp(latest)


class StoppedLane:
    """A lane that its destination stops while swaps are on their way."""

    def __init__(self, console: Console, stage: Stage, exchange: Exchange, plan: LanePlan) -> None:
        self._console = console
        self._stage = stage
        self._exchange = exchange
        self._plan = plan
        self._source = exchange.homes[plan.source.slug]
        self._destination = exchange.homes[plan.destination.slug]

    def run(self) -> None:
        """Swap, stop, wait for the refunds, and show the lots. Raises ReplayError when they are not those before."""
        before, swaps = self._swap()
        self._source.settle()
        burnt = {household: self._lots(household) for household in swaps}
        self._stop()
        carry(self._stage, (self._source, self._destination))
        after = {household: self._lots(household) for household in swaps}
        for household, swap in swaps.items():
            state = self._source.api.get(f"/v1/swaps/{swap}")["state"]
            if state != "refunded" or after[household] != before[household]:
                raise ReplayError(f"The swap {swap} on the stopped lane is {state}, and its points are not as before.")
        self._show([("before", before), ("left when burnt", burnt), ("refunded", after)])

    def _swap(self) -> tuple[dict[str, Lots], dict[str, str]]:
        before: dict[str, Lots] = {}
        swaps: dict[str, str] = {}
        # Those with most to lose see most: several lots, each with its expiry.
        candidates = self._exchange.households(self._plan)[:CANDIDATES]
        for household in sorted(candidates, key=self._most_lots):
            if len(swaps) == STOPPED_SWAPS:
                break
            lots = self._lots(household)
            swap = self._exchange.swap(self._plan, household, again=AGAIN)
            if swap is not None:
                before[household], swaps[household] = lots, swap
        return before, swaps

    def _stop(self) -> None:
        path = f"/v1/lanes/{self._exchange.lane(self._plan)}/stop"
        programme_id = self._destination.programme_ids[self._plan.destination.slug]
        self._destination.api.post(path, {"programme_id": programme_id}, f"stop{AGAIN}")
        self._destination.settle()

    def _most_lots(self, household: str) -> tuple[int, int]:
        return -len(self._lots(household)), int(household)

    def _lots(self, household: str) -> Lots:
        return self._source.lots(self._plan.source.slug, household)

    def _show(self, stages: Sequence[tuple[str, dict[str, Lots]]]) -> None:
        plan = self._plan
        title = (
            f"{plan.destination.name} stops the lane from {plan.source.name} while {STOPPED_SWAPS} swaps are on it:\n"
            f"{plan.source.name}'s points, and the day on which they expire"
        )
        table = Table(title=title, title_justify="left")
        table.add_column("household", no_wrap=True)
        for name, _ in stages:
            table.add_column(name, no_wrap=True)
        for household in stages[0][1]:
            table.add_row(household, *(_text(lots[household]) for _, lots in stages))
        self._console.print(table)


def _text(lots: Lots) -> str:
    return "\n".join(f"{points:,}  {datetime.fromisoformat(ends):%Y-%m-%d}" for points, ends in lots) or "none"
