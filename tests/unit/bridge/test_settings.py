"""The bridge's configuration: from file and environment, and refused with a sentence when it cannot work."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from eth_account import Account

from backend.chain.errors import SignerError, WrongChainError
from bridge.errors import BridgeSettingsError
from bridge.keys import open_signer
from bridge.settings import BridgeSettings, KeySettings, check_attester, load_settings

PAGE = Path(__file__).parents[3] / "docs" / "bridge-settings.md"
GATEWAY = "0x" + "11" * 20
CHAIN = {
    "name": "first",
    "chain_id": 8453,
    "gateway": GATEWAY,
    "endpoints": ["http://own.example"],
    "others": ["https://one.example/key", "https://two.example/key", "https://three.example/key"],
}


def _settings(**changes: object) -> BridgeSettings:
    return BridgeSettings.model_validate({"data_dir": "data", "chain": [{**CHAIN, **changes}]})


class TestLoadSettings:
    def test_load__example_of_the_page__every_value(self, tmp_path: Path) -> None:
        example = re.search(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)
        assert example is not None
        path = tmp_path / "bridge.toml"
        path.write_text(example.group(1))
        settings = load_settings(path)
        assert [chain.chain_id for chain in settings.chain] == [8453, 42161]
        assert settings.attest.key.keystore == Path("/etc/interpoints/attester.json")
        check_attester(settings)

    def test_load__environment__wins_over_the_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "bridge.toml"
        path.write_text('data_dir = "file"\n[attest]\nport = 1\n')
        monkeypatch.setenv("INTERPOINTS_BRIDGE_CHAIN", json.dumps([CHAIN]))
        monkeypatch.setenv("INTERPOINTS_BRIDGE_ATTEST__PORT", "2")
        settings = load_settings(path)
        assert (settings.data_dir, settings.attest.port, settings.chain[0].name) == (Path("file"), 2, "first")

    @pytest.mark.parametrize(
        ("text", "key"),
        [
            ("", "data_dir"),
            ('data_dir = "x"', "chain"),
            ('data_dir = "x"\nchian = 1', "chain"),
            ('data_dir = "x"\n[attest]\nprot = 1', "chain"),
            ("data_dir = ", "bridge.toml"),
        ],
    )
    def test_load__missing_unknown_or_malformed__named(self, tmp_path: Path, text: str, key: str) -> None:
        path = tmp_path / "bridge.toml"
        path.write_text(text)
        with pytest.raises(BridgeSettingsError) as refused:
            load_settings(path)
        assert key in refused.value.detail

    def test_load__no_such_file__said(self, tmp_path: Path) -> None:
        with pytest.raises(BridgeSettingsError, match="no file"):
            load_settings(tmp_path / "none.toml")


class TestChainSettings:
    @pytest.mark.parametrize(
        ("changes", "why"),
        [
            ({"gateway": None}, "manifest, or gateway"),
            ({"endpoints": []}, "at least 1 item"),
            ({"endpoints": ["own.example"]}, "http"),
            ({"others": [*CHAIN["others"][:2], "https://one.example/another-key"]}, "hosts of their own"),  # type: ignore[index]
            ({"others": ["http://own.example/x"]}, "hosts of their own"),
            ({"require_independent": False}, "local chains only"),
            ({"finality": 0}, "at least 1"),
            ({"finality": "safe"}, "finalized"),
            ({"start_block": -1}, "greater than"),
        ],
    )
    def test_validate__cannot_work__refused(self, changes: dict[str, object], why: str) -> None:
        with pytest.raises(ValueError, match=why):
            _settings(**changes)

    def test_validate__two_chains_of_one_id__refused(self) -> None:
        with pytest.raises(ValueError, match="same chain_id"):
            BridgeSettings.model_validate({"data_dir": "x", "chain": [CHAIN, {**CHAIN, "name": "second"}]})

    @pytest.mark.parametrize("others", [0, 1, 2])
    def test_check_attester__fewer_than_three_others__refused(self, others: int) -> None:
        values = {
            "data_dir": "x",
            "chain": [{**CHAIN, "others": CHAIN["others"][:others]}],  # type: ignore[index]
            "attest": {"key": {"dev_account": 1}},
        }
        with pytest.raises(BridgeSettingsError, match="at least 3"):
            check_attester(BridgeSettings.model_validate(values))

    def test_check_attester__one_chain__refused(self) -> None:
        values = {"data_dir": "x", "chain": [CHAIN], "attest": {"key": {"dev_account": 1}}}
        with pytest.raises(BridgeSettingsError, match="two ends"):
            check_attester(BridgeSettings.model_validate(values))

    def test_check_attester__no_key__refused(self) -> None:
        with pytest.raises(BridgeSettingsError, match="needs a key"):
            check_attester(_settings())


class TestKeys:
    @pytest.mark.parametrize(
        "values",
        [
            {"keystore": "a", "password_file": "b", "dev_account": 1},
            {"keystore": "a"},
            {"password_file": "b"},
            {"remote_signer_url": "http://signer.example"},
            {"dev_account": 10},
        ],
    )
    def test_validate__not_one_way__refused(self, values: dict[str, object]) -> None:
        with pytest.raises(ValueError, match=r"give one|go together|needs address|less than"):
            KeySettings.model_validate(values)

    def test_open__keystore__signs_as_its_account(self, tmp_path: Path) -> None:
        account = Account.create()
        keystore = tmp_path / "key.json"
        keystore.write_text(json.dumps(account.encrypt("correct", kdf="pbkdf2", iterations=1)))
        (tmp_path / "password").write_text("correct\n")
        (tmp_path / "wrong").write_text("wrong\n")
        key = KeySettings(keystore=keystore, password_file=tmp_path / "password")
        assert open_signer(key, [8453]).address == bytes.fromhex(account.address[2:])
        with pytest.raises(SignerError, match="does not open"):
            open_signer(key.model_copy(update={"password_file": tmp_path / "wrong"}), [8453])
        with pytest.raises(SignerError, match="cannot be read"):
            open_signer(key.model_copy(update={"password_file": tmp_path / "none"}), [8453])

    @pytest.mark.parametrize("content", ["", "{}", "[]", "7", '{"version": 3}', '{"crypto": {}}', "not a key"])
    def test_open__file_that_is_no_keystore__said(self, tmp_path: Path, content: str) -> None:
        (tmp_path / "key.json").write_text(content)
        (tmp_path / "password").write_text("x")
        key = KeySettings(keystore=tmp_path / "key.json", password_file=tmp_path / "password")
        with pytest.raises(SignerError, match=r"not a keystore|does not open"):
            open_signer(key, [8453])

    def test_open__well_known_account__on_local_chains_only(self) -> None:
        key = KeySettings(dev_account=5)
        assert open_signer(key, [31337, 1337]).address.hex().startswith("9965507d")
        with pytest.raises(WrongChainError):
            open_signer(key, [31337, 8453])

    def test_open__nothing_configured__said(self) -> None:
        with pytest.raises(SignerError, match="No key"):
            open_signer(KeySettings(), [31337])
