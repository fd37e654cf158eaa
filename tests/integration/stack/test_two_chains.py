"""`interpoints up --two-chains`, and the walk through it in docs/two-chains.md, command after command."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from backend.chain.manifest import Manifest
from backend.stack.errors import StackError
from backend.stack.local import StackOptions
from backend.stack.pair import StackPair
from backend.stack.programmes_file import ProgrammeDraft
from tests.integration.stack.conftest import ROOT, Starter, Up

_GUIDE = (ROOT / "docs" / "two-chains.md").read_text()
_BLOCKS = re.findall(r"^```sh\n(.*?)^```", _GUIDE, re.MULTILINE | re.DOTALL)
_PREPARE, *_, _LOOK = _BLOCKS
_STACKS = ("stack", "stack-second")
_SECONDS = 240


def _run(up: Up, folder: Path, *blocks: str) -> str:
    """What the commands print; all must succeed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for number, state in enumerate((up.state, up.state.with_name("stack-second")), start=1):
        environment[f"API_{number}"] = Up(up.process, state, up.errors).environment()["INTERPOINTS_PUBLIC_URL"]
        environment[f"KEY_{number}"] = (state / "operator-key").read_text()
    done = subprocess.run(
        ["bash", "-c", "\n".join(["set -euo pipefail", *blocks])],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def test_walk__as_written__and_still_there_after_a_restart(folder: Path) -> None:
    (folder / ".venv").symlink_to(Path(sys.executable).parents[1])
    starter = Starter(folder, folder / ".interpoints" / "stack")
    options = ("--two-chains", "--port", "0", "--chain-port", "0")
    up = starter.start(*options)
    try:
        up.wait_until_up()
        printed = _run(up, folder, *_BLOCKS)
        assert '"points":50' in printed
        first, second = (Manifest.load(folder / ".interpoints" / name / "manifest.json") for name in _STACKS)
        assert [entry.slug for entry in first.programmes if entry.is_branch] == ["abroad"]
        assert [entry.slug for entry in second.programmes if entry.is_branch] == ["example"]
        assert up.stop() == 0

        up = starter.start(*options)
        up.wait_until_up()
        again = _run(up, folder, _PREPARE, "get_1 /v1/swaps", _LOOK)
        assert '"state":"completed"' in again
        assert up.stop() == 0
    finally:
        starter.end_all()


def _pair(folder: Path, *programmes: ProgrammeDraft) -> StackPair:
    options = StackOptions(programmes=programmes, api_port=0)
    return StackPair(folder / "state", options, options, lambda _: None)


def test_programme_at_home_elsewhere__is_refused(folder: Path) -> None:
    draft = ProgrammeDraft(slug="far", name="Far", symbol="FAR", home_chain_id=10)
    with pytest.raises(StackError, match="far is at home on chain 10: here are chains 31337 and 1337 only"):
        _pair(folder, draft)


def test_one_stack_without_the_other__is_not_begun(folder: Path) -> None:
    pair = _pair(folder, ProgrammeDraft(slug="example", name="Example", symbol="EX"))
    left = pair.stacks[1].folder.manifest
    left.parent.mkdir()
    left.write_text("{}")
    with pytest.raises(StackError, match=r"only .*state-second is there: begin both anew with --fresh"):
        pair.start()
    pair.stop()
