from __future__ import annotations

import json
from pathlib import Path

import pytest

from backend.chain.errors import ManifestError, WrongChainError
from backend.chain.manifest import Manifest, ProgrammeEntry, RegistryEntry, TermsEntry

GENESIS = "0x" + "11" * 32
ADDRESS = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
TERMS = TermsEntry(
    epoch_length_seconds=86_400, validity_epochs=4, clawback_epochs=1, supply_cap_points=9, transferable=True
)


def _manifest() -> Manifest:
    registry = RegistryEntry(address=ADDRESS, code_hash=GENESIS, block=1, admin=ADDRESS)
    entry = ProgrammeEntry(
        slug="grocer",
        name="Grocer",
        symbol="GRO",
        token=ADDRESS.lower(),
        code_hash=GENESIS,
        block=2,
        terms=TERMS,
        issuer=ADDRESS,
        custodian=ADDRESS,
        admin=ADDRESS,
    )
    return Manifest(chain_id=1, genesis_hash=GENESIS, registry=registry, programmes=(entry,))


class _Chain:
    def __init__(self, chain_id: int = 1, genesis_hash: str = GENESIS) -> None:
        self._chain_id = chain_id
        self._genesis_hash = genesis_hash

    def chain_id(self) -> int:
        return self._chain_id

    def genesis_hash(self) -> str:
        return self._genesis_hash


class TestLoad:
    def test_saved__the_same_and_whole(self, tmp_path: Path) -> None:
        path = tmp_path / "folder" / "manifest.json"
        _manifest().save(path)
        assert Manifest.load(path) == _manifest()
        assert Manifest.load(path).programme("grocer").token == ADDRESS
        assert [file.name for file in path.parent.iterdir()] == ["manifest.json"]

    def test_missing__says_what_to_do(self, tmp_path: Path) -> None:
        with pytest.raises(ManifestError, match="interpoints deploy"):
            Manifest.load(tmp_path / "manifest.json")

    @pytest.mark.parametrize(
        ("key", "value"), [("chain_id", 0), ("genesis_hash", "0x12"), ("surprise", 1), ("registry", {"address": "x"})]
    )
    def test_malformed__names_the_place(self, tmp_path: Path, key: str, value: object) -> None:
        path = tmp_path / "manifest.json"
        content = json.loads(_manifest().model_dump_json())
        path.write_text(json.dumps({**content, key: value}))
        with pytest.raises(ManifestError, match=key):
            Manifest.load(path)

    def test_bad_checksum__refused(self, tmp_path: Path) -> None:
        path = tmp_path / "manifest.json"
        path.write_text(_manifest().model_dump_json().replace(ADDRESS, ADDRESS[:-1] + "4"))
        with pytest.raises(ManifestError, match="address"):
            Manifest.load(path)


class TestCheckChain:
    def test_same_chain__accepted(self) -> None:
        _manifest().check_chain(_Chain())

    def test_other_chain_id__refused(self) -> None:
        with pytest.raises(WrongChainError) as caught:
            _manifest().check_chain(_Chain(chain_id=5))
        assert (caught.value.expected, caught.value.found) == (1, 5)

    def test_other_genesis__refused(self) -> None:
        with pytest.raises(WrongChainError, match="genesis"):
            _manifest().check_chain(_Chain(genesis_hash="0x" + "22" * 32))

    def test_unknown_programme__refused(self) -> None:
        with pytest.raises(ManifestError, match="fuel"):
            _manifest().programme("fuel")
