from __future__ import annotations

import json
from pathlib import Path

import pytest

from backend.chain.deploy_crosschain import ends_of
from backend.chain.errors import ManifestError, WrongChainError
from backend.chain.manifest import (
    ClearingEntry,
    CrosschainEntry,
    CurrencyEntry,
    ExchangeEntry,
    GatewayEntry,
    LinkEntry,
    Manifest,
    ProgrammeEntry,
    RegistryEntry,
    RemoteEntry,
    TermsEntry,
)

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


OTHER = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


def _with_exchange() -> Manifest:
    clearing = ClearingEntry(
        address=OTHER,
        code_hash=GENESIS,
        block=7,
        admin=ADDRESS,
        currency=CurrencyEntry(address=ADDRESS, symbol="TUSD", decimals=6, code="USD"),
        cycle_seconds=86_400,
        payment_seconds=3_600,
        keeper=OTHER,
    )
    exchange = ExchangeEntry(
        address="0x" + "33" * 20, code_hash=GENESIS, block=9, admin=ADDRESS, notice_period_seconds=0
    )
    return _manifest().model_copy(update={"clearing": clearing, "exchange": exchange})


class TestExchange:
    def test_saved__the_same(self, tmp_path: Path) -> None:
        _with_exchange().save(tmp_path / "manifest.json")
        assert Manifest.load(tmp_path / "manifest.json") == _with_exchange()

    def test_from_before_there_was_one__loads_with_the_issuer_as_treasurer(self, tmp_path: Path) -> None:
        path = tmp_path / "manifest.json"
        content = json.loads(_manifest().model_dump_json())
        del content["exchange"], content["clearing"]
        for entry in content["programmes"]:
            entry["issuer"] = OTHER
            del entry["treasurer"], entry["quoter"]
        path.write_text(json.dumps(content))
        loaded = Manifest.load(path)
        assert (loaded.exchange, loaded.clearing) == (None, None)
        assert (loaded.programmes[0].treasurer, loaded.programmes[0].quoter) == (OTHER, OTHER)

    def test_contracts__what_the_indexer_follows(self) -> None:
        token, house, exchange = (bytes.fromhex(text[2:]) for text in (ADDRESS, OTHER, "0x" + "33" * 20))
        assert _manifest().contracts == {token: 2}
        assert _with_exchange().contracts == {token: 2, house: 7, exchange: 9}


def _with_gateway() -> Manifest:
    gateway = GatewayEntry(
        address="0x" + "44" * 20,
        code_hash=GENESIS,
        block=11,
        admin=ADDRESS,
        attester_admin=OTHER,
        attesters=(ADDRESS, OTHER),
        threshold=2,
        rotation_delay_seconds=60,
        remotes=(RemoteEntry(chain_id=5, gateway=OTHER),),
    )
    crosschain = CrosschainEntry(
        address="0x" + "55" * 20,
        code_hash=GENESIS,
        block=12,
        admin=ADDRESS,
        guardian=OTHER,
        notice_period_seconds=0,
        links=(LinkEntry(chain_id=5, gateway="0x" + "44" * 20, counterpart=OTHER),),
    )
    return _with_exchange().model_copy(update={"gateway": gateway, "crosschain": crosschain})


class TestGateway:
    def test_saved__the_same(self, tmp_path: Path) -> None:
        _with_gateway().save(tmp_path / "manifest.json")
        assert Manifest.load(tmp_path / "manifest.json") == _with_gateway()
        assert ends_of(_with_gateway()) == (_with_gateway().gateway, _with_gateway().crosschain)

    def test_contracts__the_exchange_is_followed_and_the_gateway_is_not(self) -> None:
        found = _with_gateway().contracts
        assert found[b"\x55" * 20] == 12
        assert b"\x44" * 20 not in found

    def test_from_before_there_was_one__loads_with_programmes_at_home(self, tmp_path: Path) -> None:
        path = tmp_path / "manifest.json"
        content = json.loads(_with_exchange().model_dump_json())
        del content["gateway"], content["crosschain"]
        for entry in content["programmes"]:
            del entry["home_chain_id"]
        path.write_text(json.dumps(content))
        loaded = Manifest.load(path)
        (entry,) = loaded.programmes
        assert (loaded.home_of(entry), entry.is_branch) == (1, False)
        branch = entry.model_copy(update={"home_chain_id": 5})
        assert (loaded.home_of(branch), branch.is_branch) == (5, True)
        with pytest.raises(ManifestError, match="chain 1 has no gateway"):
            ends_of(loaded)


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
