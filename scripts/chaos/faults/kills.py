"""kill -9 of every process at every point where something has just been kept, or is about to be, and of all pairs."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import bridge
from scripts.chaos import flows
from scripts.chaos.doctor import Doctor
from scripts.chaos.faults.others import forge_a_mint, lane_open
from scripts.chaos.faults.reorganisations import halt_and_resume
from scripts.chaos.processes import Process
from scripts.chaos.rig import NotSurvivedError, Rig
from scripts.chaos.scenario import Scenario

_POINT = re.compile(r'crash_point\(\s*"([a-z_]+\.[a-z_]+)"')
_FLOWS: dict[str, Callable[[Rig], None]] = {
    "attester.before_halt": halt_and_resume,
    "attester.after_halt": halt_and_resume,
    "relayer.after_store_replacement": flows.priced_out,
}
"""What has to happen for a point to be passed, where swaps alone don't do."""
_FINDING = "watchdog.after_finding"
"""Passed when something was forged, which the judge of all others would find wrong."""


@cache
def crash_points(role: str) -> list[str]:
    """Every point that the sources of the bridge name for a role."""
    sources = sorted(Path(bridge.__file__).parent.glob("*.py"))
    found = [point for source in sources for point in _POINT.findall(source.read_text())]
    return [point for point in dict.fromkeys(found) if point.startswith(role + ".")]


def _victim(rig: Rig, point: str) -> Process:
    role = point.partition(".")[0]
    return {"attester": rig.attesters[0], "relayer": rig.relayer, "watchdog": rig.watcher}[role]


def _kill_at(point: str) -> Callable[[Rig], None]:
    def run(rig: Rig) -> None:
        victim = _victim(rig, point)
        flow = _FLOWS.get(point.partition(":")[0], flows.plain)
        running = [*rig.attesters[:2]]
        # What is minted must not vanish: the flow that goes past finality starts the relayer itself, afterwards.
        running += [] if flow is halt_and_resume else [rig.relayer]
        running += [rig.watcher] if victim is rig.watcher else []
        for process in running:
            process.start(crash_at=point if process is victim else "")
        _survive(rig, [victim], flow)

    return run


def _kill_pair(attester_point: str, relayer_point: str) -> Callable[[Rig], None]:
    def run(rig: Rig) -> None:
        # Three attesters, so that the relayer goes on and dies too while the first attester is down.
        rig.attesters[0].start(crash_at=attester_point)
        rig.attesters[1].start()
        rig.attesters[2].start()
        rig.relayer.start(crash_at=relayer_point)
        _survive(rig, [rig.attesters[0], rig.relayer], flows.plain)
        # And now the one that was killed is needed.
        rig.attesters[2].kill()
        rig.town.out.swap(400)

    return run


def _survive(rig: Rig, victims: list[Process], flow: Callable[[Rig], None]) -> None:
    rig.doctor = Doctor(victims)
    flow(rig)
    rig.until(lambda: rig.doctor.done, f"{', '.join(rig.doctor.missing())} did not come to the crash point")
    for victim in victims:
        if not victim.alive():
            raise NotSurvivedError(f"{victim.name} did not run on after it was started again: {victim.log_tail()}")


def _kill_at_a_finding(rig: Rig) -> None:
    """The watchdog dies when it has noted a forged mint and not yet stopped the lane."""
    rig.start()
    rig.watcher.start(crash_at=_FINDING)
    rig.doctor = Doctor([rig.watcher])
    rig.town.out.swap(1_000)
    rig.converge()
    forge_a_mint(rig, 7)
    rig.until(lambda: rig.doctor.done and not lane_open(rig), "the watchdog, started again, did not stop the lane")


def _kill_while_down(rig: Rig) -> None:
    """Everything is killed at any moment, again and again."""
    rig.start(attesters=(0, 1, 2))
    rig.watcher.start()
    running = [*rig.attesters, rig.relayer, rig.watcher]
    for round_ in range(6):
        flows.swap_both_ways(rig)
        rig.blocks(2 * round_)
        for process in running:
            process.kill()
        for process in running:
            process.start()
    rig.converge()


def scenarios() -> list[Scenario]:
    """A scenario for each point, for its second passage, and for each pair of an attester's and a relayer's."""
    found = []
    for role in ("attester", "relayer", "watchdog"):
        for at, point in enumerate(crash_points(role)):
            if point == _FINDING:
                found.append(
                    Scenario(f"kill/{point}", f"kill -9 of the {role} there", _kill_at_a_finding, judged=False)
                )
                continue
            found.append(Scenario(f"kill/{point}", f"kill -9 of the {role} there", _kill_at(point), quick=at == 1))
            if point not in _FLOWS:
                later = f"{point}:2"
                found.append(Scenario(f"kill/{later}", f"kill -9 of the {role} there, second time", _kill_at(later)))
    found.append(Scenario("kill/everything", "kill -9 of all processes, six times", _kill_while_down))
    plain = {role: [point for point in crash_points(role) if point not in _FLOWS] for role in ("attester", "relayer")}
    for attester_point in plain["attester"]:
        for relayer_point in plain["relayer"]:
            name = f"kill-pair/{attester_point}+{relayer_point.partition('.')[2]}"
            fault = "kill -9 of attester and relayer, both down"
            found.append(Scenario(name, fault, _kill_pair(attester_point, relayer_point)))
    return found
