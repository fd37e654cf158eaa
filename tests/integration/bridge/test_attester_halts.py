"""Reorganisations, equivocation, old backups: an attester never signs two contents, and halts for a person."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.errors import HaltedError
from bridge.resuming import ResumeError, resume_role
from tests.integration.bridge.attesting import Desk
from tests.integration.bridge.gateways import FINALITY_BLOCKS, Gateways, two_gateways

REASON = "looked at with the operators of the other attesters"


@pytest.fixture(scope="module")
def replacement() -> Iterator[Gateways]:
    """Chains with the same ids and addresses and another history: what a chain may be replaced by."""
    with two_gateways() as gateways:
        yield gateways


class TestReorganisations:
    @pytest.mark.parametrize("depth", range(1, FINALITY_BLOCKS + 1))
    def test_step__reorganised_before_finality__signs_what_became_final(
        self, at_desk: Desk, gateways: Gateways, depth: int
    ) -> None:
        chain = gateways.first.chain
        gateways.send(gateways.first, b"vanishes")
        chain.mine(depth - 1)
        at_desk.run()
        chain.reorganise(depth)
        at_desk.run()
        number = gateways.send_final(gateways.first, b"stays")
        at_desk.run()
        signed = at_desk.signed()
        assert list(signed) == [number]
        assert signed[number].block_hash == chain.client.block(number)["hash"]
        assert at_desk.problem("journal") == ""

    def test_step__one_past_finality__halts_until_a_person_resumes(self, at_desk: Desk, gateways: Gateways) -> None:
        chain = gateways.first.chain
        number = gateways.send_final(gateways.first, b"was final")
        at_desk.run()
        before = at_desk.signed()[number]
        chain.reorganise(FINALITY_BLOCKS + 1)
        at_desk.run()
        assert "reorganised past finality" in at_desk.problem("journal")
        assert at_desk.get("/ready").status_code == 503
        refused = at_desk.get("/v1/attestations", source_chain=31337, destination_chain=1337)
        assert refused.status_code == 503
        assert before.block_hash in refused.json()["detail"]
        assert "interpoints_bridge_halted" in at_desk.get("/metrics").text

        # It stays so, whatever happens: after a restart, with new messages, and when only told to go on.
        gateways.send_final(gateways.first, b"new")
        at_desk.restart()
        at_desk.run()
        with pytest.raises(HaltedError):
            at_desk.attester.journal.check_not_halted()
        resume_role(at_desk.settings, "attest", REASON, accept_chain=False)
        at_desk.run()
        assert "reorganised past finality" in at_desk.problem("journal")

        # Let go by a person, it follows the chain as it is and keeps what it had signed.
        resume_role(at_desk.settings, "attest", REASON, accept_chain=True)
        at_desk.run()
        signed = at_desk.signed()
        assert before.block_hash not in {each.block_hash for each in signed.values()}
        assert [len(each.message_ids) for each in signed.values()] == [1]
        kept = at_desk.attester.journal.query("SELECT block_number, signature FROM superseded")
        assert [(row["block_number"], "0x" + row["signature"].hex()) for row in kept] == [(number, before.signature)]
        assert [halt.resume_reason for halt in at_desk.attester.journal.halts()] == [REASON, REASON]

    def test_step__all_endpoints_show_another_chain_for_a_while__halts_and_goes_on_as_before(
        self, at_desk: Desk, gateways: Gateways, replacement: Gateways
    ) -> None:
        one = gateways.send_final(gateways.first, b"one")
        at_desk.run()
        replacement.first.chain.mine(40)
        for proxy in at_desk.endpoints.all:
            proxy.upstream = replacement.first.chain.url
        at_desk.run()
        assert at_desk.attester.journal.halted() is not None
        for proxy in at_desk.endpoints.all:
            proxy.upstream = gateways.first.chain.url
        two = gateways.send_final(gateways.first, b"two")
        at_desk.run()
        assert at_desk.attester.journal.halted() is not None
        resume_role(at_desk.settings, "attest", REASON, accept_chain=False)
        at_desk.run()
        assert list(at_desk.signed()) == [one, two]

    def test_resume__without_a_reason_or_a_halt__refused(self, at_desk: Desk) -> None:
        with pytest.raises(ResumeError, match="why"):
            resume_role(at_desk.settings, "attest", " ", accept_chain=False)
        with pytest.raises(ResumeError, match="not halted"):
            resume_role(at_desk.settings, "attest", REASON, accept_chain=False)
        with pytest.raises(ResumeError, match="no journal"):
            resume_role(at_desk.settings, "relay", REASON, accept_chain=False)


class TestEquivocation:
    def test_step__journal_holds_another_message_under_the_nonce__halts_without_signing(
        self, at_desk: Desk, gateways: Gateways
    ) -> None:
        with at_desk.attester.journal.transaction() as transaction:
            transaction.execute("INSERT INTO messages VALUES (31337, 1337, 2, ?, 7)", b"\x11" * 32)
        gateways.send_final(gateways.first, b"one", b"two")
        at_desk.run()
        halt = at_desk.attester.journal.halted()
        assert halt is not None
        assert "0x" + "11" * 32 in halt.reason
        assert at_desk.attester.journal.query("SELECT 1 FROM batches") == []

    def test_step__journal_holds_another_root_for_the_block__halts(self, at_desk: Desk, gateways: Gateways) -> None:
        number = gateways.send_final(gateways.first, b"one")
        with at_desk.attester.journal.transaction() as transaction:
            transaction.execute(
                "INSERT INTO batches VALUES (31337, 1337, ?, ?, ?, ?, NULL)",
                *(number, b"\x22" * 32, b"\x11" * 32, b"\x11" * 32),
            )
        at_desk.run()
        halt = at_desk.attester.journal.halted()
        assert halt is not None
        assert halt.kind == "equivocation"

    def test_step__log_withheld_so_that_a_nonce_is_missing__stops_before_it(
        self, at_desk: Desk, gateways: Gateways
    ) -> None:
        gateways.send_final(gateways.first, b"one")
        at_desk.run()
        with at_desk.attester.journal.transaction() as transaction:
            transaction.execute("UPDATE nonces SET nonce = nonce - 1")
        gateways.send_final(gateways.first, b"two")
        at_desk.run()
        assert "expected 1" in at_desk.problem()
        assert len(at_desk.signed()) == 1


class TestOldBackup:
    def test_restart__backup_restored__signs_the_same_again(
        self, at_desk: Desk, gateways: Gateways, tmp_path: Path
    ) -> None:
        gateways.send_final(gateways.first, b"one")
        at_desk.run()
        at_desk.stop()
        folder, backup = at_desk.settings.data_dir, tmp_path / "backup"
        shutil.copytree(folder, backup)
        at_desk.start()
        gateways.send_final(gateways.first, b"two")
        at_desk.run()
        before = at_desk.ask()
        at_desk.stop()
        shutil.rmtree(folder)
        shutil.copytree(backup, folder)
        at_desk.start()
        assert len(at_desk.ask().attestations) == 1
        at_desk.run()
        assert at_desk.ask() == before

    def test_restart__backup_of_before_a_reorganisation_past_finality__halts_before_it_signs(
        self, at_desk: Desk, gateways: Gateways
    ) -> None:
        gateways.send_final(gateways.first, b"one")
        at_desk.run()
        with at_desk.attester.journal.transaction() as transaction:
            transaction.execute("UPDATE batches SET signature = NULL")
        at_desk.stop()
        gateways.first.chain.reorganise(FINALITY_BLOCKS + 1)
        gateways.send_final(gateways.first, b"another one")
        at_desk.start()
        at_desk.run()
        assert at_desk.attester.journal.halted() is not None
        assert at_desk.attester.journal.query("SELECT 1 FROM batches WHERE signature IS NOT NULL") == []

    def test_restart__disk_lost__signs_the_same_again(self, at_desk: Desk, gateways: Gateways) -> None:
        gateways.send_final(gateways.first, b"one", b"two")
        at_desk.run()
        before = at_desk.ask()
        at_desk.stop()
        shutil.rmtree(at_desk.settings.data_dir)
        at_desk.start()
        at_desk.run()
        assert at_desk.ask() == before
