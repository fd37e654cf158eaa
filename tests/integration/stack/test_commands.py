"""The commands of a real installation, in the order of the operator's guide: own keys, own database, own chain."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog

from backend import cli
from backend.chain.deploy_crosschain import ends_of
from backend.chain.manifest import Manifest
from tests.support.anvil import Anvil
from tests.support.postgres import TestPostgres, postgres_server

__all__ = ["postgres_server"]

PROGRAMMES = """
[[programme]]
slug = "grocer"
name = "Grocer Points"
symbol = "GROCER"
earn_points = 10
issuer = "{issuer}"
custodian = "{custodian}"
"""


@dataclass
class Installation:
    """A folder with settings, as an operator has it."""

    folder: Path
    patch: pytest.MonkeyPatch
    capture: pytest.CaptureFixture[str]
    notes: str = ""

    def set(self, **settings: str) -> None:
        """Change settings."""
        for name, value in settings.items():
            self.patch.setenv(f"INTERPOINTS_{name.upper()}", value)

    def run(self, *arguments: str, status: int = 0) -> str:
        """`interpoints ...`: its output; what it noted is in `notes`. In this process, since loading takes a while."""
        self.patch.setattr(sys, "argv", ["interpoints", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed, self.notes = self.capture.readouterr()
        assert int(ended.value.code or 0) == status, printed + self.notes
        return printed


@pytest.fixture
def installation(
    postgres_server: TestPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[tuple[Installation, Anvil]]:
    (tmp_path / "password").write_text("only for this test\n")
    name = postgres_server.create()
    with Anvil() as chain:
        here = Installation(tmp_path, monkeypatch, capsys)
        here.set(
            database_url=postgres_server.url(name),
            secret_key="k" * 40,
            manifest_path=str(tmp_path / "manifest.json"),
            rpc_urls=json.dumps([chain.url]),
            keystore_dir=str(tmp_path / "keys"),
            keystore_password_file=str(tmp_path / "password"),
        )
        monkeypatch.chdir(tmp_path)
        yield here, chain
    postgres_server.drop(name)
    # The commands send their logs to the standard error of their test, which is gone afterwards.
    structlog.reset_defaults()


def test_deploy__with_clearing__own_treasurer_quoter_and_keeper(installation: tuple[Installation, Anvil]) -> None:
    here, chain = installation
    admin, issuer, custodian, treasurer, quoter, keeper = (here.run("keys", "signer").strip() for _ in range(6))
    chain.set_balance(bytes.fromhex(admin[2:]), 10**20)
    text = PROGRAMMES.format(issuer=issuer, custodian=custodian)
    file = here.folder / "programmes.toml"
    deploy = ("deploy", "--programmes", "programmes.toml", "--admin", admin)
    file.write_text(text)
    here.run(*deploy)
    before = Manifest.load(here.folder / "manifest.json")
    assert (before.exchange, before.clearing, before.programmes[0].treasurer) == (None, None, issuer)

    clearing = "\n[clearing]\ncycle_days = 7\n"
    file.write_text(text + clearing)
    here.run(*deploy, status=1)
    assert here.notes.startswith("interpoints: The clearing needs a keeper")
    second = text.replace("grocer", "fuel").replace("GROCER", "FUEL")
    roles = f'treasurer = "{treasurer}"\nquoter = "{quoter}"\nsupply_cap_points = 0\n'
    file.write_text(text + second + roles + clearing + f'keeper = "{keeper}"\n')
    shown = here.run(*deploy)
    assert f"treasurer {treasurer}, quoter {quoter}" in shown
    assert f"keeper {keeper}, currency TUSD (USD)" in shown
    manifest = Manifest.load(here.folder / "manifest.json")
    assert manifest.programmes[0] == before.programmes[0]
    assert manifest.clearing is not None
    assert manifest.clearing.cycle_seconds == 7 * 86_400
    height = chain.client.block_number()
    assert here.run(*deploy) == shown
    assert chain.client.block_number() == height

    here.run("db", "migrate")
    here.run("db", "resume", "0x" + "11" * 20, status=1)
    for account in (issuer, custodian, treasurer, keeper):
        assert account in here.notes, "each has a submitter"
    assert quoter not in here.notes, "a quoter sends nothing"


def test_deploy__with_crosschain__connected_with_its_peer(installation: tuple[Installation, Anvil]) -> None:
    here, chain = installation
    admin = here.run("keys", "signer").strip()
    chain.set_balance(bytes.fromhex(admin[2:]), 10**20)
    issuer, custodian, keeper, guardian, one, other = (f"0x{number:040d}" for number in range(1, 7))
    text = PROGRAMMES.format(issuer=issuer, custodian=custodian)
    branch = text.replace("grocer", "fuel").replace("GROCER", "FUEL") + "home_chain_id = 1337\n"
    crosschain = f'\n[crosschain]\nattesters = ["{one}", "{other}"]\nthreshold = 2\nguardian = "{guardian}"\n'
    file = here.folder / "programmes.toml"
    file.write_text(text + branch + f'\n[clearing]\nkeeper = "{keeper}"\n' + crosschain)
    deploy = ("deploy", "--programmes", "programmes.toml", "--admin", admin)
    shown = here.run(*deploy)
    assert "branch of chain 1337" in shown
    assert "2 of 2 attesters must sign" in shown
    assert f"guardian {guardian}" in shown
    manifest = Manifest.load(here.folder / "manifest.json")
    manifest.model_copy(update={"chain_id": 1337}).save(here.folder / "peer.json")
    height = chain.client.block_number()
    assert "connected with chain 1337" in here.run(*deploy, "--peer", "peer.json")
    assert chain.client.block_number() == height + 2, "a remote gateway and a link"
    gateway, exchange = ends_of(Manifest.load(here.folder / "manifest.json"))
    assert [remote.gateway for remote in gateway.remotes] == [gateway.address]
    assert [link.counterpart for link in exchange.links] == [exchange.address]
    here.run(*deploy, "--peer", "none.json", status=1)
    assert "No deployment manifest at none.json" in here.notes


def test_installation__from_keys_to_audit(installation: tuple[Installation, Anvil]) -> None:
    here, chain = installation
    admin, issuer, custodian = (here.run("keys", "signer").strip() for _ in range(3))
    for account in (admin, issuer, custodian):
        chain.set_balance(bytes.fromhex(account[2:]), 10**20)
    (here.folder / "programmes.toml").write_text(PROGRAMMES.format(issuer=issuer, custodian=custodian))

    deploy = ("deploy", "--programmes", "programmes.toml", "--admin", admin)
    assert f"issuer {issuer}" in here.run(*deploy)
    height = chain.client.block_number()
    here.run(*deploy)
    assert chain.client.block_number() == height
    entry = Manifest.load(here.folder / "manifest.json").programme("grocer")
    assert (entry.admin, entry.issuer, entry.custodian) == (admin, issuer, custodian)

    here.run("db", "migrate")
    assert "grocer" in here.run("programme", "sync", "--programmes", "programmes.toml")
    here.run("db", "check")
    assert "10 points per 1.00 USD" in here.run("programme", "list")
    here.run("programme", "set", "grocer", "--earn-points", "3", "--earn-per", "2.00")
    shown = here.run("programme", "show", "grocer")
    assert "3 points per 2.00 USD" in shown
    assert entry.token in shown
    here.run("programme", "set", "grocer", status=1)
    here.run("programme", "show", "florist", status=1)
    assert here.notes == "interpoints: There is no programme florist.\n"

    member = here.run("member", "enrol", "c-1", "--programme", "grocer").strip()
    assert here.run("member", "enrol", "c-1", "--programme", "grocer").strip() == member
    assert "c-1" in here.run("member", "show", member)
    assert re.search(r"/m/\S+", here.run("member", "link", member))
    here.run("member", "show", "mem_none", status=1)

    _check_keys(here)
    chain.mine(12)
    here.run("db", "rebuild")
    assert "blocks" in here.notes
    here.run("programme", "sweep", "grocer")
    assert "No account has an expired lot" in here.notes
    here.run("db", "resume", "0x" + "11" * 20, status=1)
    assert "is no signer of this deployment" in here.notes
    here.run("audit", "--rpc", chain.url, "--manifest", "manifest.json", "--json", "a.json", "--html", "a.html")
    assert json.loads((here.folder / "a.json").read_text())["verdict"] == "passed"
    assert "<html" in (here.folder / "a.html").read_text()


def _check_keys(here: Installation) -> None:
    text = here.run("keys", "create", "--programme", "grocer", "--name", "till", "--scope", "events:write").strip()
    assert text.startswith("ip_")
    operator = here.run("keys", "create", "--operator", "--name", "operations", "--days", "30").strip()
    auditor = here.run("keys", "create", "--role", "auditor", "--name", "audit").strip()
    listed = here.run("keys", "list")
    assert "events:write" in listed
    assert text not in listed
    assert operator not in listed
    assert auditor not in listed
    assert "auditor" in listed
    key_id = "key_" + text.split("_")[1]
    replacement = here.run("keys", "rotate", key_id, "--overlap-seconds", "60").strip()
    here.run("keys", "revoke", "key_" + replacement.split("_")[1])
    assert here.run("keys", "list").count("till") == 2
    here.run("keys", "revoke", "key_none", status=1)


def test_wrong_chain__is_refused(installation: tuple[Installation, Anvil]) -> None:
    here, _ = installation
    here.patch.delenv("INTERPOINTS_KEYSTORE_DIR")
    (here.folder / "programmes.toml").write_text("[[programme]]\nslug = 'grocer'\nname = 'G'\nsymbol = 'G'\n")
    here.run("deploy", "--programmes", "programmes.toml")
    with Anvil(timestamp=1_500_000_000) as other:
        here.set(rpc_urls=json.dumps([other.url]))
        for command in (("deploy", "--programmes", "programmes.toml"), ("db", "check"), ("worker", "--roles", "index")):
            here.run(*command, status=1)
            assert here.notes.startswith("interpoints: ")
            assert "genesis" in here.notes
