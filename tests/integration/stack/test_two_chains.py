"""`interpoints up --two-chains`, and the walk through it in docs/two-chains.md, command after command."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from backend.chain.manifest import Manifest
from backend.stack.errors import AlreadyRunningError, StackError, StacksApartError
from backend.stack.local import StackOptions
from backend.stack.pair import StackPair
from backend.stack.programmes_file import ProgrammeDraft
from backend.stack.state import StateFolder
from tests.integration.stack.conftest import ROOT, Starter

_GUIDE = (ROOT / "docs" / "two-chains.md").read_text()
_PREPARE, _JOIN, _AGREE, _EARN_AND_SWAP, _WAIT, _LOOK, _BREAK = re.findall(
    r"^```sh\n(.*?)^```", _GUIDE, re.MULTILINE | re.DOTALL
)
_SECONDS = 600


def _run(folder: Path, *blocks: str) -> str:
    """What the commands print; all must succeed."""
    done = subprocess.run(
        ["bash", "-c", "\n".join(["set -euo pipefail", *blocks])],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.mark.timeout(4 * _SECONDS)
def test_walk__as_written__with_a_restart_before_the_last_swap(folder: Path) -> None:
    (folder / ".venv").symlink_to(Path(sys.executable).parents[1])
    starter = Starter(folder, folder / ".interpoints" / "pair")
    options = ("--two-chains", "--port", "0", "--chain-port", "0")
    up = starter.start(*options)
    try:
        up.wait_until_up()
        printed = _run(folder, _PREPARE, _JOIN, _AGREE, _EARN_AND_SWAP, _WAIT, 'echo; echo "$LANE $MEMBER $ACCOUNT"')
        assert "\ncompleted\n" in printed.replace("}", "\n")
        assert '"points":50' in printed
        lane, member, account = printed.split()[-3:]
        first, second = (
            Manifest.load(state / "manifest.json") for state in (up.state, up.state.with_name("pair-second"))
        )
        assert [entry.slug for entry in first.programmes if entry.is_branch] == ["abroad"]
        assert [entry.slug for entry in second.programmes if entry.is_branch] == ["example"]
        assert up.stop() == 0

        up = starter.start(*options)
        up.wait_until_up()
        names = f"LANE={lane} MEMBER={member} ACCOUNT={account}\n"
        assert "\nrefunded\n" in _run(folder, _PREPARE, names, _BREAK, _LOOK).replace("}", "\n")
        assert up.stop() == 0
        for state, problem in (
            ("pair", "is the first of two stacks"),
            ("pair-second", "holds the stack of chain 1337"),
        ):
            alone = Starter(folder, folder / ".interpoints" / state).start(*options[1:])
            assert alone.process.wait(_SECONDS) == 1
            assert problem in " ".join(alone.errors.read_text().split())
    finally:
        starter.end_all()


def _pair(folder: Path, *programmes: ProgrammeDraft) -> StackPair:
    options = StackOptions(programmes=programmes, api_port=0)
    return StackPair(folder / "state", options, options, lambda _: None)


def test_programme_at_home_elsewhere__is_refused(folder: Path) -> None:
    draft = ProgrammeDraft(slug="far", name="Far", symbol="FAR", home_chain_id=10)
    with pytest.raises(StackError, match="far is at home on chain 10: here are chains 31337 and 1337 only"):
        _pair(folder, draft)


def test_stacks_that_do_not_belong_together__are_left_as_they_are(folder: Path) -> None:
    pair = _pair(folder, ProgrammeDraft(slug="example", name="Example", symbol="EX"))
    left = pair.stacks[1].folder.manifest
    left.parent.mkdir()
    Manifest(chain_id=1337, genesis_hash="0x" + "11" * 32, programmes=()).save(left)
    with pytest.raises(StacksApartError, match=r"state and .*state-second do not hold two stacks that belong together"):
        pair.start()
    assert not pair.started
    pair.stop()
    assert left.exists()
    assert [path.name for path in folder.iterdir()] == ["state-second"], "a refusal makes no folders"


def test_one_folder_in_use__nothing_is_cleared(folder: Path) -> None:
    pair = _pair(folder, ProgrammeDraft(slug="example", name="Example", symbol="EX"))
    for stack in pair.stacks:
        stack.folder.root.mkdir()
        stack.folder.manifest.write_text("{}")
    holder = StateFolder(pair.stacks[1].folder.root)
    holder.acquire()
    with pytest.raises(AlreadyRunningError):
        pair.start(fresh=True)
    pair.stop()
    holder.release()
    assert all(stack.folder.manifest.exists() for stack in pair.stacks)
