"""A certificate proves an account's points by a block hash, and nothing in it can be changed."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from backend.audit.certificate import (
    Certificate,
    CertificateError,
    CertifiedLot,
    create_certificate,
    verify_certificate,
)
from backend.audit.command import (
    CANNOT_RUN,
    FAILED,
    PASSED,
    create_certificate_command,
    verify_certificate_command,
)
from backend.chain.encoding import rlp_string
from backend.chain.event_types import Lot
from tests.integration.audit.history import History

MEMBER = 2
"""A member with points of several epochs when the certificate is made."""


@pytest.fixture
def certificate(history: History) -> Certificate:
    history.batch([(history.accounts[MEMBER], 77)])
    return create_certificate(history.chain.client, history.deployment.manifest, "grocer", history.accounts[MEMBER])


def lots_of(certificate: Certificate) -> list[Lot]:
    return [Lot(lot.epoch, lot.points) for lot in certificate.lots]


def test_create__account_with_lots__the_chains_own(history: History, certificate: Certificate) -> None:
    assert lots_of(certificate) == history.reader.lots_of(history.accounts[MEMBER])
    assert certificate.points == history.reader.balance_of(history.accounts[MEMBER])
    assert len(certificate.lots) == 2
    assert certificate.block_hash == history.chain.client.block("latest")["hash"]


@pytest.mark.parametrize("member", [0, 1, 4, 6])
def test_create__any_account__the_chains_own(history: History, member: int) -> None:
    account = history.accounts[member]
    made = create_certificate(history.chain.client, history.deployment.manifest, "grocer", account)
    assert lots_of(made) == history.reader.lots_of(account)


def test_create__account_that_never_was__proves_that_there_is_nothing(history: History) -> None:
    made = create_certificate(history.chain.client, history.deployment.manifest, "grocer", b"\x77" * 20)
    assert (made.points, made.lots) == (0, ())
    made = create_certificate(history.chain.client, history.deployment.manifest, "fuel", b"\x77" * 20)
    assert (made.points, made.lots) == (0, ())


def test_verify__any_open_socket__none(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Offline: opening a socket fails the test."""

    def refuse(*_: object) -> None:
        raise AssertionError("a certificate is verified without a network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    verify_certificate(Certificate.model_validate_json(certificate.model_dump_json()))


def flip(text: str) -> str:
    """Changes the last hex digit."""
    return text[:-1] + ("0" if text[-1] != "0" else "1")


def altered(certificate: Certificate, what: str) -> Certificate:
    """The certificate with one thing changed."""
    entry, lots = certificate.programme, certificate.lots
    richer = CertifiedLot(epoch=lots[0].epoch, points=lots[0].points + 1, expires_at_seconds=lots[0].expires_at_seconds)
    later = CertifiedLot(
        epoch=lots[0].epoch, points=lots[0].points, expires_at_seconds=lots[0].expires_at_seconds + 86_400
    )
    validity = entry.terms.model_copy(update={"validity_epochs": entry.terms.validity_epochs - 1})
    changes: dict[str, dict[str, object]] = {
        "points": {"points": certificate.points + 1},
        "a lot": {"lots": (richer, *lots[1:]), "points": certificate.points + 1},
        "an expiry": {"lots": (later, *lots[1:])},
        "a lot left out": {"lots": lots[1:], "points": certificate.points - lots[0].points},
        "the account": {"account": "0x" + "77" * 20},
        "the token": {"programme": entry.model_copy(update={"token": "0x" + "77" * 20})},
        "the terms": {"programme": entry.model_copy(update={"terms": validity})},
        "the programme's name": {"programme": entry.model_copy(update={"name": "Greengrocer"})},
        "the chain": {"chain_id": 1},
        "the block hash": {"block_hash": flip(certificate.block_hash)},
        "the block number": {"block_number": certificate.block_number + 1},
        "the time": {"block_timestamp_seconds": certificate.block_timestamp_seconds - 1},
        "the header": {"header": flip(certificate.header)},
        "the code": {"code": flip(certificate.code)},
        "an account node": {"account_proof": (*certificate.account_proof[:-1], flip(certificate.account_proof[-1]))},
        "no account node": {"account_proof": ()},
        "a storage node": {"storage_proofs": (tuple(map(flip, certificate.storage_proofs[0])),)},
        "no storage proof": {"storage_proofs": ()},
        "a storage proof cut short": {"storage_proofs": (certificate.storage_proofs[0][:-1],)},
        "a node that is no node": {"account_proof": ("0x" + rlp_string(b"no node").hex(),)},
    }
    return certificate.model_copy(update=changes[what])


@pytest.mark.parametrize(
    "what",
    [
        "points",
        "a lot",
        "an expiry",
        "a lot left out",
        "the account",
        "the token",
        "the terms",
        "the programme's name",
        "the chain",
        "the block hash",
        "the block number",
        "the time",
        "the header",
        "the code",
        "an account node",
        "no account node",
        "a storage node",
        "no storage proof",
        "a storage proof cut short",
        "a node that is no node",
    ],
)
def test_verify__one_thing_changed__refused(certificate: Certificate, what: str) -> None:
    with pytest.raises(CertificateError):
        verify_certificate(altered(certificate, what))


def test_command__made_and_verified__zero(history: History, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, account = tmp_path / "certificate.json", "0x" + history.accounts[6].hex()
    arguments = ([history.chain.url], history.deployment.manifest_path, "grocer", account, path)
    assert create_certificate_command(*arguments) == PASSED
    assert verify_certificate_command(path) == PASSED
    shown = capsys.readouterr().out
    assert "points of Grocer" in shown
    assert "compare it with a source you trust" in shown
    block_hash = Certificate.load(path).block_hash
    assert verify_certificate_command(path, block_hash=block_hash) == PASSED
    assert verify_certificate_command(path, block_hash=flip(block_hash)) == FAILED


def test_command__doctored_file__one(history: History, tmp_path: Path, certificate: Certificate) -> None:
    path = tmp_path / "certificate.json"
    path.write_text(certificate.model_copy(update={"points": 1_000_000}).model_dump_json())
    assert verify_certificate_command(path) == FAILED


def test_command__cannot_run__two(history: History, tmp_path: Path) -> None:
    assert verify_certificate_command(tmp_path / "missing.json") == CANNOT_RUN
    (tmp_path / "other.json").write_text("{}")
    assert verify_certificate_command(tmp_path / "other.json") == CANNOT_RUN
    manifest, out = history.deployment.manifest_path, tmp_path / "out.json"
    assert create_certificate_command([history.chain.url], manifest, "grocer", "0x12", out) == CANNOT_RUN
    assert create_certificate_command([history.chain.url], manifest, "other", "0x" + "12" * 20, out) == CANNOT_RUN
    assert create_certificate_command(["http://127.0.0.1:1"], manifest, "grocer", "0x" + "12" * 20, out) == CANNOT_RUN
