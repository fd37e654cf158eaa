"""The demonstration as a user runs it, with the first week of the data: two chains, and a bridge between them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.integration.stack.conftest import ROOT


def _start(state: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "scripts.demo", "--weeks", "1", "--swaps", "30", "--port", "0"]
    command += ["--state", str(state)]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "COLUMNS": "160"}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def _read_until(process: subprocess.Popen[str], wanted: str) -> str:
    """What it says up to and with a line that has `wanted` in it, or all."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if wanted in line:
            break
    return "".join(lines)


def _end(process: subprocess.Popen[str], number: signal.Signals) -> int:
    process.send_signal(number)
    assert process.stdout is not None
    process.stdout.read()
    process.stdout.close()
    return process.wait()


@pytest.mark.timeout(1_800)
def test_demo__after_a_killed_run__swaps_across_audits_and_serves(folder: Path) -> None:
    state = folder / "state"
    killed = _start(state)
    said = _read_until(killed, "connecting the chains")
    # As a lost terminal or a power cut would end it: the next run has to clear up.
    killed.kill()
    killed.wait()
    assert killed.stdout is not None
    killed.stdout.close()
    assert "connecting the chains" in said, said
    process = _start(state)
    said = _read_until(process, "Ctrl-C stops it")
    try:
        assert said.count("ended what a killed run left behind") == 2, "a chain each"
        assert "Passed:" in said, said
        _check_crossings(said)
        _check_figures(state)
        links = re.findall(r"http://127\.0\.0\.1:\d+/m/\S+", said)
        assert links, said
        pages = [httpx.get(link, follow_redirects=True, timeout=30) for link in (links[0], links[-1])]
        assert [page.status_code for page in pages] == [200, 200]
        assert "Evergreen Market" in pages[0].text
        assert "Northway Fuel" in pages[1].text
    finally:
        status = _end(process, signal.SIGTERM)
    assert status == 0
    assert not any((state / name / "postgres" / "postmaster.pid").exists() for name in ("demo", "demo-second"))


def _check_crossings(said: str) -> None:
    """Every swap ended, those of the stopped lane with the points and expiry from before."""
    assert "an attester is killed" in said
    assert "has signed the same" in said
    assert "In flight: 0 swaps" in said
    stopped = said[said.index("stops the lane from") :].split("└", maxsplit=1)[0]
    rows = [line.split("│")[1:-1] for line in stopped.splitlines() if line.startswith("│")]
    assert sum(bool(row[0].strip()) for row in rows) == 3
    assert [row[1].strip() for row in rows] == [row[3].strip() for row in rows], "before and refunded are the same"
    assert any(row[1].strip() != row[2].strip() for row in rows), "they were burnt in between"
    assert said.count("creditors withdrew") == 2, "each chain is settled"


def _check_figures(state: Path) -> None:
    report = json.loads((state / "demo" / "audit.json").read_text())
    assert report["verdict"] == "passed"
    programmes = {each["slug"]: each for chain in report["chains"] for each in chain["programmes"] if each["issued"]}
    assert set(programmes) == {"supermarket", "pharmacy", "fuel"}
    supermarket = programmes["supermarket"]
    assert all(supermarket[figure] > 0 for figure in ("issued", "redeemed", "refunded", "clawed_back", "live"))
    for each in programmes.values():
        came_in = each["issued"] + each["refunded"] + each["exchanged_in"]
        went_out = each["redeemed"] + each["clawed_back"] + each["expired"] + each["exchanged_out"]
        assert came_in - went_out == each["live"]
        assert min(each["exchanged_in"], each["exchanged_out"]) > 0
