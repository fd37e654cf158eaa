"""Secrets are unreadable at rest, and sign as the standard says."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from backend.partners.errors import PartnerSecretError
from backend.partners.secrets import SecretVault, new_secret, signature_headers

KEY = SecretStr("a secret key of thirty-two letters")


class TestVault:
    def test_sealed__opens_again_and_never_looks_the_same(self) -> None:
        vault, secret = SecretVault(KEY), new_secret()
        first, second = vault.seal("prg_1", secret), vault.seal("prg_1", secret)
        assert first != second
        assert secret.encode() not in first
        assert SecretVault(KEY).open("prg_1", first) == secret

    @pytest.mark.parametrize(
        ("programme_id", "key"), [("prg_2", KEY), ("prg_1", SecretStr("another key of thirty-two letters"))]
    )
    def test_other_programme_or_key__opens_nothing(self, programme_id: str, key: SecretStr) -> None:
        sealed = SecretVault(KEY).seal("prg_1", "whsec_x")
        with pytest.raises(PartnerSecretError):
            SecretVault(key).open(programme_id, sealed)

    @pytest.mark.parametrize("sealed", [b"", b"x" * 5, b"x" * 12, b"x" * 40])
    def test_garbage__opens_nothing(self, sealed: bytes) -> None:
        with pytest.raises(PartnerSecretError):
            SecretVault(KEY).open("prg_1", sealed)


class TestSignature:
    def test_secret__is_long_enough(self) -> None:
        secret = new_secret()
        assert secret.startswith("whsec_")
        assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32
        assert secret != new_secret()

    def test_headers__verify_for_this_body_only(self) -> None:
        secret, body = new_secret(), '{"call": "posting", "member_reference": "Zoë"}'.encode()
        headers = signature_headers(secret, "pst_1_1", datetime.now(UTC), body)
        assert headers["webhook-signature"].startswith("v1,")
        Webhook(secret).verify(body, headers)
        for other_body, other_headers in (
            (body + b" ", headers),
            (body, headers | {"webhook-id": "pst_1_2"}),
            (body, headers | {"webhook-timestamp": str(int(headers["webhook-timestamp"]) + 1)}),
        ):
            with pytest.raises(WebhookVerificationError):
                Webhook(secret).verify(other_body, other_headers)
