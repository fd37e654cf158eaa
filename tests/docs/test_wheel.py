"""What is shipped: a wheel that needs no compiler."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    uv = shutil.which("uv") or str(ROOT / ".interpoints" / "tools" / "bin" / "uv")
    folder = tmp_path_factory.mktemp("wheel")
    # Set-up has put the build back end into uv's cache; no test depends on a registry.
    command = [uv, "build", "--offline", "--quiet", "--wheel", "--out-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.mark.parametrize("contract", ["PointsToken", "ProgrammeRegistry"])
def test_wheel__holds_the_compiled_contracts(wheel_names: set[str], contract: str) -> None:
    assert f"backend/chain/artifacts/{contract}.json" in wheel_names


def test_wheel__holds_migrations_and_pages(wheel_names: set[str]) -> None:
    for part in ("backend/migrations/versions/", "backend/web/static/", "backend/web/templates/"):
        assert any(name.startswith(part) for name in wheel_names), part


def test_wheel__holds_nothing_else(wheel_names: set[str]) -> None:
    tops = {name.split("/")[0] for name in wheel_names}
    assert {top for top in tops if not top.startswith("interpoints-")} == {"backend", "bridge"}
