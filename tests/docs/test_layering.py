"""Which part may import which: read from the sources, so that nothing has to be imported to find out."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DATABASE_FREE = (
    "manifest",
    "artifacts",
    "client",
    "events",
    "event_types",
    "ledger",
    "movements",
    "points_token",
    "errors",
    "attested_gateway",
    "crosschain_exchange",
    "gateway_events",
    "interoperable",
    "merkle",
)


def _imports(package: str) -> Iterator[tuple[str, str]]:
    """Pairs of a source file and a module that it imports."""
    for path in sorted((ROOT / package).rglob("*.py")):
        name = str(path.relative_to(ROOT))
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from ((name, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield name, node.module


def _offenders(package: str, forbidden: str, allowed: str = "") -> list[str]:
    return [
        f"{name} imports {module}"
        for name, module in _imports(package)
        if (module == forbidden or module.startswith(forbidden + ".")) and not (allowed and name.startswith(allowed))
    ]


def test_backend__does_not_know_the_bridge() -> None:
    assert _offenders("backend", "bridge") == []


def test_bridge__knows_only_the_chain_of_the_backend() -> None:
    assert [each for each in _offenders("bridge", "backend") if "imports backend.chain" not in each] == []


@pytest.mark.parametrize("package", ["backend", "bridge"])
def test_nothing__imports_brownie(package: str) -> None:
    assert _offenders(package, "brownie") == []


def test_only_the_chain_package__imports_web3() -> None:
    assert _offenders("backend", "web3", allowed="backend/chain/") == []


def test_chain__does_not_know_the_domain() -> None:
    for domain in ("programmes", "members", "points", "auth", "audit", "web"):
        assert _offenders("backend/chain", f"backend.{domain}") == []


@pytest.mark.parametrize(
    ("module", "unneeded"),
    [
        ("backend.audit.service", ["sqlalchemy", "psycopg", "alembic", "fastapi"]),
        # Signing in is the API's: its grammar alone takes as long to load as a third of a worker.
        ("backend.worker_roles", ["siwe", "web3"]),
        ("bridge.relayer", ["sqlalchemy", "siwe", "web3"]),
    ],
)
def test_process__starts_without_what_it_does_not_need(module: str, unneeded: list[str]) -> None:
    check = f"import sys\nfor name in {unneeded}:\n    sys.modules[name] = None\nimport {module}\n"
    done = subprocess.run(
        [sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("module", DATABASE_FREE)
def test_chain_modules_of_the_audit__import_no_database(module: str) -> None:
    source = ROOT / "backend" / "chain" / f"{module}.py"
    assert source.exists()
    assert not [
        each for each in _offenders("backend/chain", "sqlalchemy") if each.startswith(f"backend/chain/{module}.py")
    ]
