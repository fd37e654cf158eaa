"""Opens the key that a role signs with."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import cast

from eth_account import Account
from eth_account.signers.local import LocalAccount

from backend.chain.errors import SignerError
from backend.chain.signers import DevSigners, LocalSigner, RemoteSigner, Signer
from bridge.settings import KeySettings


def open_signer(key: KeySettings, chain_ids: Iterable[int]) -> Signer:
    """The signer that `key` names, for use on all of `chain_ids`.

    Errors: `SignerError`; `WrongChainError` for a well-known account on a chain that is not local.
    """
    if key.remote_signer_url is not None:
        assert key.address is not None
        return RemoteSigner(key.remote_signer_url, bytes.fromhex(key.address[2:]))
    if key.dev_account is not None:
        sources = [DevSigners(chain_id) for chain_id in chain_ids]
        return sources[0].signer(sources[0].addresses()[key.dev_account])
    if key.keystore is None or key.password_file is None:
        raise SignerError("No key is configured: give a keystore with its password file, or a remote signer.")
    try:
        content = json.loads(key.keystore.read_text())
        password = key.password_file.read_text().rstrip("\n")
        return LocalSigner(cast("LocalAccount", Account.from_key(Account.decrypt(content, password))))
    except OSError as error:
        raise SignerError(f"The key cannot be read: {error}.") from error
    except json.JSONDecodeError as error:
        raise SignerError(f"{key.keystore.name} is not a keystore file: it is not JSON.") from error
    except (KeyError, TypeError, AttributeError, NotImplementedError) as error:
        raise SignerError(f"{key.keystore.name} is not a keystore file: {error}.") from error
    except ValueError as error:
        raise SignerError(f"The password does not open {key.keystore.name}.") from error
