"""The importer's memory: its peak for a million events against that for a tenth of them, and how fast it reads."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.bench.table import Row

EVENTS = 1_000_000
_FIRST = datetime(2017, 1, 1, tzinfo=UTC)

# Everything the importer does but the network: an API that takes what it gets, so that only our own memory counts.
_CHILD = """
import json, resource, sys, time
from pathlib import Path
from backend.importing.api import UploadOutcome
from backend.importing.mapping import Columns, Mapping
from backend.importing.service import import_events

class TakesAll:
    def upload(self, events, key):
        self.last = b"".join(json.dumps(event).encode() for event in events)
        return key
    def outcome(self, upload_id, deadline_seconds):
        return UploadOutcome(0, [])

source = Path(sys.argv[1])
mapping = Mapping(columns=Columns(reference="r", member="m", amount="a", occurred_at="t"))
begun = time.perf_counter()
counts = import_events(source, mapping, TakesAll(), journal_path=source.with_suffix(".journal"),
                       rejected_path=source.with_suffix(".rejected"))
seconds = time.perf_counter() - begun
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"rows": counts.rows, "seconds": seconds, "peak_mib": peak}))
"""


def _write_csv(path: Path, events: int) -> None:
    with path.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(("r", "m", "a", "t"))
        for number in range(events):
            time = (_FIRST + timedelta(seconds=30 * number)).isoformat()
            writer.writerow((number, number % 2469, f"{number % 200}.{number % 100:02}", time))


def _measure(folder: Path, events: int) -> dict[str, float]:
    path = folder / f"{events}.csv"
    _write_csv(path, events)
    done = subprocess.run([sys.executable, "-c", _CHILD, str(path)], capture_output=True, text=True, check=True)
    measured: dict[str, float] = json.loads(done.stdout)
    assert measured["rows"] == events
    return measured


def run() -> list[Row]:
    """Peak memory, and rows a second without the network."""
    with tempfile.TemporaryDirectory() as name:
        small = _measure(Path(name), EVENTS // 10)
        large = _measure(Path(name), EVENTS)
    return [
        Row(
            name=f"importer, peak memory for {EVENTS:,} events",
            unit="MiB",
            ours=large["peak_mib"],
            peer=small["peak_mib"],
            peer_name=f"the same for {EVENTS // 10:,} events",
            reach="flat: ratio 1",
        ),
        Row(
            name="importer, rows read, checked and written as NDJSON",
            unit="rows/s",
            ours=large["rows"] / large["seconds"],
            peer=None,
            peer_name="",
            reach="",
        ),
    ]
