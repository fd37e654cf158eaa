"""`make chaos`: every fault, one after the other, on two local chains with real processes of the bridge.

Prints what was tried and survived, writes reports/chaos.json, and ends with status 1 when anything was not survived.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from backend.logging import configure_logging
from scripts.chaos.catalogue import catalogue
from scripts.chaos.runner import run_scenarios
from scripts.chaos.scenario import Result, Scenario

REPORT = Path("reports/chaos.json")


def _arguments(given: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only a few faults of each kind")
    parser.add_argument("--only", action="append", metavar="NAME", help="only faults whose name contains NAME")
    parser.add_argument("--list", action="store_true", help="say which faults there are, and try none")
    parser.add_argument("--minutes", type=float, default=20.0, help="begin no other fault after so many minutes")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="faults tried at a time")
    parser.add_argument("--logs", type=Path, help="folder for the processes' logs; default: a temporary one")
    return parser.parse_args(given)


def _chosen(options: argparse.Namespace) -> list[Scenario]:
    found = [scenario for scenario in catalogue() if scenario.quick or not options.quick]
    if options.only:
        found = [scenario for scenario in found if any(part in scenario.name for part in options.only)]
    return found


def _show(console: Console, results: Sequence[Result], seconds: float) -> None:
    """One line a group, and one for each fault that was not survived."""
    table = Table("faults", "tried", "survived", "swaps minted", "refunded", "slowest", box=None)
    for group in dict.fromkeys(result.group for result in results):
        of_group = [result for result in results if result.group == group]
        survived = sum(not result.problem for result in of_group)
        minted, refunded = (sum(getattr(result, what) for result in of_group) for what in ("minted", "refunded"))
        slowest = f"{max(result.seconds for result in of_group):.1f} s"
        table.add_row(group, str(len(of_group)), str(survived), str(minted), str(refunded), slowest)
    console.print(table)
    for result in results:
        if result.problem:
            console.print(f"NOT SURVIVED {result.name} ({result.fault}): {result.problem}", markup=False)
    failed = sum(bool(result.problem) for result in results)
    console.print(f"{len(results)} faults tried, {len(results) - failed} survived, in {seconds:.0f} s")


def main() -> int:
    """Tries the faults; the exit status."""
    options = _arguments(sys.argv[1:])
    scenarios = _chosen(options)
    console = Console(width=220, highlight=False)
    configure_logging("ERROR")
    if options.list or not scenarios:
        for scenario in scenarios:
            console.print(f"{scenario.name:<60} {scenario.fault}", markup=False)
        return 0 if options.list else 1
    began = time.monotonic()

    def report(result: Result) -> None:
        outcome = "NOT SURVIVED" if result.problem else "survived"
        console.print(f"{outcome:<12} {result.seconds:6.1f} s  {result.name:<56} {result.fault}", markup=False)
        if result.problem:
            console.print(result.problem, markup=False)

    with tempfile.TemporaryDirectory(prefix="interpoints-chaos-") as temporary:
        folder = options.logs or Path(temporary)
        workers = max(1, min(options.workers, len(scenarios)))
        results = run_scenarios(scenarios, folder, workers=workers, minutes=options.minutes, report=report)
    seconds = time.monotonic() - began
    _show(console, results, seconds)
    REPORT.parent.mkdir(exist_ok=True)
    rows = [asdict(result) for result in results]
    REPORT.write_text(json.dumps({"seconds": round(seconds, 1), "faults": rows}, indent=2) + "\n")
    return 1 if any(result.problem for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
