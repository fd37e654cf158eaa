"""Runs every benchmark of this folder, or those named: `python -m tests.bench [name ...]`.

Prints a table and writes reports/bench.json. Each module has `run() -> list[Row]`; ours and its peer are measured in
the same run on the same machine, so the ratio is what counts.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import platform
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

import tests.bench
from backend.logging import configure_logging
from tests.bench.table import Row

REPORT = Path("reports/bench.json")
_NOT_BENCHMARKS = {"__main__", "table"}


def benchmarks() -> list[str]:
    """Names of the modules that have a `run`."""
    found = (module.name for module in pkgutil.iter_modules(tests.bench.__path__))
    names = sorted(name for name in found if name not in _NOT_BENCHMARKS)
    return [name for name in names if hasattr(importlib.import_module(f"tests.bench.{name}"), "run")]


def number(value: float | None) -> str:
    """Three significant digits, thousands separated."""
    if value is None:
        return ""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:,.3g}"


def show(console: Console, rows: dict[str, list[Row]]) -> None:
    """Print the table."""
    table = Table("benchmark", "figure", "ours", "peer", "ratio", "unit", "peer is", "to reach", box=None)
    for name, each in rows.items():
        for row in each:
            ratio = number(row.ratio)
            table.add_row(name, row.name, number(row.ours), number(row.peer), ratio, row.unit, row.peer_name, row.reach)
    console.print(table)


def main() -> int:
    """Run and report; exit status 1 when a benchmark could not run."""
    console = Console(width=200)
    configure_logging("WARNING")
    names = sys.argv[1:] or benchmarks()
    rows: dict[str, list[Row]] = {}
    failed: list[str] = []
    for name in names:
        started = time.monotonic()
        try:
            rows[name] = importlib.import_module(f"tests.bench.{name}").run()
        except Exception:  # noqa: BLE001 - one benchmark that cannot run must not hide the others
            console.print_exception(max_frames=5)
            failed.append(name)
        console.print(f"{name}: {time.monotonic() - started:.0f} s", style="dim")
    show(console, rows)
    REPORT.parent.mkdir(exist_ok=True)
    figures = [{"benchmark": name, **vars(row), "ratio": row.ratio} for name, each in rows.items() for row in each]
    machine = {"cores": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}
    REPORT.write_text(json.dumps({"machine": machine, "failed": failed, "rows": figures}, indent=2) + "\n")
    console.print(f"written to {REPORT}" + (f"; could not run: {', '.join(failed)}" if failed else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
