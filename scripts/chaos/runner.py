"""Runs scenarios side by side, each line of them with a pair of chains of its own."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from backend.chain.errors import ChainError
from scripts.chaos.rig import Rig
from scripts.chaos.scenario import Result, Scenario

_NOT_TRIED = "not tried: the time was up"


def run_scenarios(
    scenarios: Sequence[Scenario],
    folder: Path,
    *,
    workers: int,
    minutes: float,
    report: Callable[[Result], None],
) -> list[Result]:
    """Tries all of them, in order, `workers` at a time; after `minutes` no other is begun.

    What keeps a failed scenario's folder is that its logs are wanted; the others' are removed.
    """
    waiting: queue.SimpleQueue[Scenario] = queue.SimpleQueue()
    for scenario in scenarios:
        waiting.put(scenario)
    end = time.monotonic() + 60 * minutes
    results: list[Result] = []
    lock = threading.Lock()

    def take(result: Result) -> None:
        with lock:
            results.append(result)
            report(result)

    def work(number: int) -> None:
        line = _Line(folder / f"line-{number}")
        try:
            while True:
                scenario = waiting.get_nowait()
                if time.monotonic() > end:
                    take(Result(scenario.name, scenario.fault, 0.0, _NOT_TRIED))
                else:
                    take(line.run(scenario))
        except queue.Empty:
            return
        finally:
            line.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    order = {scenario.name: at for at, scenario in enumerate(scenarios)}
    return sorted(results, key=lambda result: order[result.name])


def try_scenario(rig: Rig, scenario: Scenario) -> Result:
    """Tries one scenario on chains that are as at the beginning; whatever it raises is its result."""
    began = time.monotonic()
    problem = ""
    minted = refunded = 0
    try:
        with rig.fresh(scenario.name):
            scenario.run(rig)
            if scenario.judged:
                verdict = rig.converge()
                minted, refunded = verdict.minted, verdict.refunded
    except Exception as error:  # noqa: BLE001 - any failure at all is what is looked for
        problem = f"{type(error).__name__}: {error}"
    return Result(scenario.name, scenario.fault, time.monotonic() - began, problem, minted, refunded)


class _Line:
    """One pair of chains, and the scenarios that run on it one after the other."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._rig: Rig | None = None

    def run(self, scenario: Scenario) -> Result:
        """Tries one scenario; whatever it raises is its result."""
        try:
            rig = self._ready()
        except Exception as error:  # noqa: BLE001 - a line that cannot be set up fails its scenario, not the others
            return Result(scenario.name, scenario.fault, 0.0, f"{type(error).__name__}: {error}")
        result = try_scenario(rig, scenario)
        if result.problem:
            self.close()
        return result

    def _ready(self) -> Rig:
        """Chains as at the beginning: those there are, or others when they cannot be brought back."""
        try:
            if self._rig is not None:
                self._rig.rewind()
                return self._rig
        except ChainError:
            self.close()
        self._rig = Rig.build(self._folder)
        self._rig.rewind()
        return self._rig

    def close(self) -> None:
        """Ends the chains; the next scenario gets others."""
        if self._rig is not None:
            self._rig.close()
            self._rig = None
