"""Secrets that sign calls: made here, shown once, kept encrypted, used for Standard Webhooks signatures."""

from __future__ import annotations

import base64
import hmac
import secrets
from datetime import datetime
from typing import Final

from Crypto.Cipher import AES
from Crypto.Hash import SHA256
from Crypto.Protocol.KDF import HKDF
from pydantic import SecretStr
from standardwebhooks.webhooks import Webhook

from backend.partners.errors import PartnerSecretError

PREFIX: Final = "whsec_"
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_PURPOSE: Final = b"interpoints: secrets of partner systems"
_REFS_PURPOSE: Final = b"interpoints: refs of partner transfers"


def new_secret() -> str:
    """A fresh secret in the form of Standard Webhooks."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()


def signature_headers(secret: str, message_id: str, sent_at: datetime, body: bytes) -> dict[str, str]:
    """The three headers of a signed call."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(sent_at.timestamp())),
        "webhook-signature": Webhook(secret).sign(message_id, sent_at, body.decode()),
    }


class SecretVault:
    """Encrypts partners' secrets under a key that is derived from the installation's secret key (HKDF, AES-256-GCM).

    The programme's id is bound in, so that a secret put into another programme's row opens nothing.
    """

    def __init__(self, secret_key: SecretStr) -> None:
        key = HKDF(secret_key.get_secret_value().encode(), _KEY_BYTES, b"", SHA256, context=_PURPOSE)
        refs = HKDF(secret_key.get_secret_value().encode(), _KEY_BYTES, b"", SHA256, context=_REFS_PURPOSE)
        assert isinstance(key, bytes), "one key was asked for"
        assert isinstance(refs, bytes), "one key was asked for"
        self._key, self._refs_key = key, refs

    def ref_of(self, transfer_id: str) -> bytes:
        """The ref on chain of a transfer: always the same for it, and nobody else can tell."""
        return hmac.digest(self._refs_key, transfer_id.encode(), "sha256")

    def seal(self, programme_id: str, secret: str) -> bytes:
        """What is stored."""
        cipher = AES.new(self._key, AES.MODE_GCM, nonce=secrets.token_bytes(_NONCE_BYTES))
        cipher.update(programme_id.encode())
        text, tag = cipher.encrypt_and_digest(secret.encode())
        return bytes(cipher.nonce) + tag + text

    def open(self, programme_id: str, sealed: bytes) -> str:
        """The secret. Raises PartnerSecretError when it was sealed under another key or for another programme."""
        nonce, rest = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            cipher = AES.new(self._key, AES.MODE_GCM, nonce=nonce)
            cipher.update(programme_id.encode())
            return cipher.decrypt_and_verify(rest[_TAG_BYTES:], rest[:_TAG_BYTES]).decode()
        except ValueError as error:
            raise PartnerSecretError(
                "The stored secret of this partner system cannot be read with the present secret key; set a new one."
            ) from error
