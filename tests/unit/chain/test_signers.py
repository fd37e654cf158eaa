from __future__ import annotations

from pathlib import Path

import pytest
from eth_account import Account
from pydantic import SecretStr

from backend.chain.errors import SignerError, WrongChainError
from backend.chain.signers import (
    DevSigners,
    KeystoreSigners,
    RemoteSigners,
    create_keystore,
    signers_from_settings,
    transaction_hash,
)
from backend.settings import Settings

FIELDS: dict[str, int | str] = {
    "type": 2,
    "chainId": 1,
    "nonce": 3,
    "to": "0x" + "11" * 20,
    "value": 0,
    "data": "0x1234",
    "gas": 50_000,
    "maxFeePerGas": 10,
    "maxPriorityFeePerGas": 1,
}


def _settings(**values: object) -> Settings:
    base = {"database_url": "postgresql+psycopg://", "secret_key": SecretStr("x" * 32), "rpc_urls": ["http://x"]}
    return Settings.model_validate({**base, "manifest_path": Path("manifest.json"), **values})


class TestKeystore:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        (tmp_path / "password").write_text("correct horse\n")
        return tmp_path

    def test_created__signs_as_its_address_and_is_private(self, folder: Path) -> None:
        address = create_keystore(folder / "keys", "correct horse")
        signers = KeystoreSigners(folder / "keys", folder / "password")
        assert list(signers.addresses()) == [address]
        raw = signers.signer(address).sign_transaction(FIELDS)
        assert Account.recover_transaction(raw).lower() == "0x" + address.hex()
        assert len(transaction_hash(raw)) == 32
        (file,) = (folder / "keys").iterdir()
        assert file.stat().st_mode & 0o077 == 0

    def test_wrong_password__refused(self, folder: Path) -> None:
        address = create_keystore(folder / "keys", "another")
        with pytest.raises(SignerError, match="password"):
            KeystoreSigners(folder / "keys", folder / "password").signer(address)

    def test_unknown_account__refused(self, folder: Path) -> None:
        create_keystore(folder / "keys", "correct horse")
        with pytest.raises(SignerError, match="no keystore file"):
            KeystoreSigners(folder / "keys", folder / "password").signer(bytes(20))

    def test_no_folder__refused(self, folder: Path) -> None:
        with pytest.raises(SignerError, match="No keystore folder"):
            KeystoreSigners(folder / "none", folder / "password")


class TestLocalChainKeys:
    @pytest.mark.parametrize("chain_id", [1, 137, 10, 11155111])
    def test_real_chain__refused(self, chain_id: int) -> None:
        with pytest.raises(WrongChainError):
            DevSigners(chain_id)

    def test_local_chain__signs(self) -> None:
        signers = DevSigners(31337)
        raw = signers.signer(signers.addresses()[0]).sign_transaction(FIELDS)
        assert Account.recover_transaction(raw) == "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
        with pytest.raises(SignerError):
            signers.signer(bytes(20))


class TestFromSettings:
    def test_nothing_configured__local_chain_only(self) -> None:
        assert isinstance(signers_from_settings(_settings(), 31337), DevSigners)
        with pytest.raises(SignerError, match="Neither"):
            signers_from_settings(_settings(), 1)

    def test_remote__wins(self) -> None:
        settings = _settings(remote_signer_url="http://127.0.0.1:1")
        assert isinstance(signers_from_settings(settings, 1), RemoteSigners)
