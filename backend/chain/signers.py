"""Who signs: encrypted keystore files, a remote signer, or the well-known keys of a local chain."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol, cast

import httpx
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_account.signers.local import LocalAccount
from eth_account.types import TransactionDictType
from eth_keys.exceptions import BadSignature
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from backend.chain.errors import ChainUnavailableError, SignerError, WrongChainError
from backend.chain.typed_data import TypedData
from backend.settings import Settings

TransactionFields = Mapping[str, int | str]
"""Fields of an EIP-1559 transaction: chainId, nonce, to, value, data, gas, maxFeePerGas, maxPriorityFeePerGas, type."""

LOCAL_CHAIN_IDS: Final = (31337, 1337)

# The first accounts of every anvil, hardhat and ganache: public knowledge, worthless anywhere else.
_LOCAL_KEYS: Final = (
    "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    "0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
    "0x47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a",
    "0x8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba",
    "0x92db14e403b83dfe3df233f83dfa3a0d7096f21ca9b0d6d6b8d88b2b4ec1564e",
    "0x4bbbf85ce3377467afe5d46f804f221813b2bb87f24d81f60f1fcdbf7cbf4356",
    "0xdbda1821b80551c9d65939329250298aa3472ba22feea921c0cf5d620ea67b97",
    "0x2a871d0798f97d79848a013d4936a73bf4cc922c825d33c1cf7073dff6d409c6",
)


class Signer(Protocol):
    """Signs transactions of one account."""

    @property
    def address(self) -> bytes:
        """The account, 20 bytes."""

    def sign_transaction(self, transaction: TransactionFields) -> bytes:
        """The signed transaction, ready to send. Errors: `SignerError`, `ChainUnavailableError`."""

    def sign_typed_data(self, typed: TypedData) -> bytes:
        """The account's EIP-712 signature, 65 bytes. Errors: `SignerError`, `ChainUnavailableError`."""


class LocalSigner:
    """Signs with a key in memory."""

    def __init__(self, account: LocalAccount) -> None:
        self._account = account
        self._address = bytes.fromhex(account.address[2:])

    @property
    def address(self) -> bytes:
        """The account, 20 bytes."""
        return self._address

    def sign_transaction(self, transaction: TransactionFields) -> bytes:
        """The signed transaction."""
        return bytes(self._account.sign_transaction(cast("TransactionDictType", dict(transaction))).raw_transaction)

    def sign_typed_data(self, typed: TypedData) -> bytes:
        """The account's EIP-712 signature."""
        return bytes(self._account.sign_message(encode_typed_data(full_message=typed)).signature)


class RemoteSigner:
    """Asks a signing service over JSON-RPC: `eth_signTransaction` and `eth_signTypedData_v4`."""

    def __init__(self, url: str, address: bytes, timeout_seconds: float = 10.0) -> None:
        self._url = url
        self._address = address
        self._http = httpx.Client(timeout=timeout_seconds)

    @property
    def address(self) -> bytes:
        """The account, 20 bytes."""
        return self._address

    def sign_transaction(self, transaction: TransactionFields) -> bytes:
        """The signed transaction, checked to be the one asked for and signed by this account."""
        fields = {key: hex(value) if isinstance(value, int) else value for key, value in transaction.items()}
        fields["from"] = to_checksum_address(self._address)
        raw = self._ask("eth_signTransaction", fields)
        self._check(raw, transaction)
        return raw

    def sign_typed_data(self, typed: TypedData) -> bytes:
        """The account's EIP-712 signature, checked to be of this account."""
        signature = self._ask("eth_signTypedData_v4", to_checksum_address(self._address), typed)
        try:
            signer = Account.recover_message(encode_typed_data(full_message=typed), signature=signature)
        except (ValueError, BadSignature) as error:
            raise SignerError("The remote signer did not answer with a signature.") from error
        if signer.lower() != "0x" + self._address.hex():
            raise SignerError("The remote signer signed with another key, or something else.")
        return signature

    def _ask(self, method: str, *params: object) -> bytes:
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        try:
            answer = self._http.post(self._url, json=request).raise_for_status().json()
        except (httpx.HTTPError, ValueError) as error:
            raise ChainUnavailableError(f"The remote signer does not answer: {type(error).__name__}.") from error
        result = answer.get("result")
        text = result.get("raw") if isinstance(result, dict) else result
        if not isinstance(text, str):
            raise SignerError(f"The remote signer refused: {answer.get('error')}.")
        return bytes.fromhex(text.removeprefix("0x"))

    def _check(self, raw: bytes, transaction: TransactionFields) -> None:
        from eth_account.typed_transactions.typed_transaction import TypedTransaction  # noqa: PLC0415 - slow import
        from hexbytes import HexBytes  # noqa: PLC0415

        if Account.recover_transaction(raw).lower() != "0x" + self._address.hex():
            raise SignerError("The remote signer signed with another key.")
        signed = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
        for key, wanted in transaction.items():
            found = signed.get(key)
            found_text = "0x" + bytes(found).hex() if isinstance(found, bytes) else found
            if key != "type" and str(found_text).lower() != str(wanted).lower():
                raise SignerError(f"The remote signer changed {key}.")


class SignerSource(Protocol):
    """Finds the signer of an account."""

    def addresses(self) -> Sequence[bytes]:
        """Accounts it can sign for; a remote one may not say."""

    def signer(self, address: bytes) -> Signer:
        """The signer of `address`. Errors: `SignerError`."""


class KeystoreSigners:
    """A folder of encrypted keystore files (Web3 Secret Storage), all with the password in one file."""

    def __init__(self, folder: Path, password_file: Path) -> None:
        if not folder.is_dir() or not password_file.is_file():
            raise SignerError(f"No keystore folder at {folder}, or no password file at {password_file}.")
        self._password_file = password_file
        self._files: dict[bytes, Path] = {}
        self._loaded: dict[bytes, LocalSigner] = {}
        for path in sorted(folder.glob("*.json")):
            content = json.loads(path.read_text())
            self._files[bytes.fromhex(str(content["address"]).removeprefix("0x"))] = path

    def addresses(self) -> Sequence[bytes]:
        """Accounts in the folder."""
        return list(self._files)

    def signer(self, address: bytes) -> Signer:
        """The signer of `address`; decrypts its file once. Errors: `SignerError`."""
        if address not in self._loaded:
            path = self._files.get(address)
            if path is None:
                raise SignerError(f"There is no keystore file for {to_checksum_address(address)}.")
            password = self._password_file.read_text().rstrip("\n")
            try:
                key = Account.decrypt(json.loads(path.read_text()), password)
            except ValueError as error:
                raise SignerError(f"The password does not open {path.name}.") from error
            self._loaded[address] = LocalSigner(Account.from_key(key))
        return self._loaded[address]


class RemoteSigners:
    """All accounts of one remote signing service."""

    def __init__(self, url: str) -> None:
        self._url = url

    def addresses(self) -> Sequence[bytes]:
        """Unknown: the service is asked when it signs."""
        return []

    def signer(self, address: bytes) -> Signer:
        """The signer of `address`."""
        return RemoteSigner(self._url, address)


class DevSigners:
    """The well-known keys of a local test chain. Refused on every chain id that is not one of a local chain."""

    def __init__(self, chain_id: int) -> None:
        if chain_id not in LOCAL_CHAIN_IDS:
            raise WrongChainError(
                "Well-known test keys are for local chains only: this endpoint", LOCAL_CHAIN_IDS[0], chain_id
            )
        accounts = [cast("LocalAccount", Account.from_key(key)) for key in _LOCAL_KEYS]
        self._signers = {signer.address: signer for signer in map(LocalSigner, accounts)}

    def addresses(self) -> Sequence[bytes]:
        """The accounts, in the chain's order."""
        return list(self._signers)

    def signer(self, address: bytes) -> Signer:
        """The signer of `address`. Errors: `SignerError`."""
        if address not in self._signers:
            raise SignerError(f"{to_checksum_address(address)} is not one of the local chain's accounts.")
        return self._signers[address]


def create_keystore(folder: Path, password: str) -> bytes:
    """Makes a fresh key, writes it encrypted below `folder` (mode 600) and answers its address."""
    account = Account.create()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{account.address.lower()}.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(account.encrypt(password)))
    return bytes.fromhex(account.address[2:])


def transaction_hash(raw: bytes) -> bytes:
    """Hash under which a signed transaction is known."""
    return keccak(raw)


def signers_from_settings(settings: Settings, chain_id: int) -> SignerSource:
    """The signers that the settings name; on a local chain without any, its well-known accounts.

    Errors: `SignerError` when nothing is configured for a real chain.
    """
    if settings.remote_signer_url is not None:
        return RemoteSigners(settings.remote_signer_url)
    if settings.keystore_dir is not None and settings.keystore_password_file is not None:
        return KeystoreSigners(settings.keystore_dir, settings.keystore_password_file)
    if chain_id in LOCAL_CHAIN_IDS:
        return DevSigners(chain_id)
    raise SignerError("Neither a keystore folder with its password file nor a remote signer is configured.")
