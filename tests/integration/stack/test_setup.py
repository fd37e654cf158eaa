"""What `make` says on a machine that lacks something. Nothing is installed here: each run stops before that."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.stack.conftest import ROOT


def _path_with(folder: Path, *programs: str) -> str:
    for program in programs:
        found = shutil.which(program)
        assert found, program
        (folder / program).symlink_to(found)
    return str(folder)


def _setup(path: str) -> subprocess.CompletedProcess[str]:
    bash = shutil.which("bash")
    assert bash
    return subprocess.run(
        [bash, str(ROOT / "scripts" / "setup.sh")],
        env={"PATH": path, "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def uv(tmp_path: Path) -> Path:
    """A program that says it is uv, so that nothing is installed."""
    program = tmp_path / "uv"
    program.write_text(f"#!{shutil.which('bash')}\necho uv\n")
    program.chmod(0o755)
    return program


def test_missing_node__is_one_sentence(tmp_path: Path, uv: Path) -> None:
    done = _setup(_path_with(tmp_path, "dirname", "python3"))
    assert done.returncode == 1
    assert done.stderr.strip().startswith("setup: Node 20 or later is missing: install it")
    assert done.stderr.count("\n") == 1


def test_old_node__is_one_sentence(tmp_path: Path, uv: Path) -> None:
    node = tmp_path / "node"
    node.write_text(f'#!{shutil.which("bash")}\n[ "$1" = -p ] && echo 16 || echo v16.20.2\n')
    node.chmod(0o755)
    done = _setup(_path_with(tmp_path, "dirname", "python3"))
    assert done.returncode == 1
    assert (
        done.stderr
        == "setup: Node 20 or later is needed, this is v16.20.2: install a newer one, then run this again.\n"
    )


def test_demo_on_an_occupied_port__is_one_sentence(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "scripts.demo", "--port", port, "--state", str(folder / "state"), "--exit"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"demo: Port {port} of 127.0.0.1 is taken")
    assert done.stderr.count("\n") == 1
