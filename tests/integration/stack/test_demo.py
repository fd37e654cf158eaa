"""The demonstration as a user runs it, with the first week of the data."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx

from tests.integration.stack.conftest import ROOT


def _command(state: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "scripts.demo", "--weeks", "1", "--port", "0", "--state", str(state), *options]


def test_demo__audits_serves_and_can_be_run_again(folder: Path) -> None:
    state = folder / "state"
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        _command(state), cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "Ctrl-C stops it" in line:
            break
    said = "".join(lines)
    try:
        assert "Passed:" in said
        report = json.loads((state / "demo" / "audit.json").read_text())
        assert report["verdict"] == "passed"
        programmes = {each["slug"]: each for each in report["programmes"]}
        assert set(programmes) == {"supermarket", "pharmacy", "fuel"}
        supermarket = programmes["supermarket"]
        assert all(supermarket[figure] > 0 for figure in ("issued", "redeemed", "refunded", "clawed_back", "live"))
        for each in programmes.values():
            came_in = each["issued"] + each["refunded"] + each["exchanged_in"]
            went_out = each["redeemed"] + each["clawed_back"] + each["expired"] + each["exchanged_out"]
            assert came_in - went_out == each["live"]
        assert supermarket["exchanged_in"] > 0
        assert supermarket["exchanged_out"] > 0
        assert "creditors withdrew" in said
        link = re.search(r"http://127\.0\.0\.1:\d+/m/\S+", said)
        assert link is not None
        page = httpx.get(link.group(), follow_redirects=True, timeout=30)
        assert page.status_code == 200
        assert "Evergreen Market" in page.text
    finally:
        # As a lost terminal or a power cut would end it: the next run has to clear up.
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    again = subprocess.run(
        _command(state, "--exit"), cwd=ROOT, capture_output=True, text=True, timeout=280, check=False
    )
    assert again.returncode == 0, again.stdout + again.stderr
    assert "ended what a killed run left behind" in again.stdout
    assert not (state / "demo" / "postgres" / "postmaster.pid").exists()
