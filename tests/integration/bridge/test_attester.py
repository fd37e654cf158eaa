"""An attester on real chains: what it signs and serves, and what it does when its disk does not let it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

from backend.chain.attested_gateway import batch_of
from bridge import attester
from bridge.attester_api import Attestations, SignedBatch
from bridge.errors import ForeignJournalError, JournalGoneError, JournalInUseError
from bridge.settings import BridgeSettings
from tests.integration.bridge.attesting import Desk, desk
from tests.integration.bridge.gateways import ATTESTERS, FINALITY_BLOCKS, RECIPIENT, Gateways, set_remote


@pytest.fixture
def fresh_log(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Logging as nothing has configured it: a test before this one may have, and loggers keep what they saw."""
    before = structlog.get_config()
    structlog.reset_defaults()
    monkeypatch.setattr(attester, "log", structlog.get_logger())
    yield
    structlog.configure(**before)


class TestSigning:
    def test_step__final_messages__signed_by_block(self, at_desk: Desk, gateways: Gateways) -> None:
        one = gateways.send(gateways.first, b"one", b"two", b"three")
        two = gateways.send_final(gateways.first, b"four")
        at_desk.run()
        signed = at_desk.signed()
        assert {number: len(batch.message_ids) for number, batch in signed.items()} == {one: 3, two: 1}
        assert at_desk.ask().through_block == two
        assert at_desk.get("/health").json() == {"status": "ok"}
        assert at_desk.get("/ready").json()["ready"]
        assert "interpoints_bridge_attestations_total" in at_desk.get("/metrics").text

    def test_step__not_final__not_signed(self, at_desk: Desk, gateways: Gateways) -> None:
        number = gateways.send(gateways.first, b"one")
        gateways.first.chain.mine(FINALITY_BLOCKS - 1)
        at_desk.run()
        assert at_desk.signed() == {}
        gateways.first.chain.mine()
        at_desk.run()
        assert list(at_desk.signed()) == [number]

    def test_step__finality_of_a_number_of_blocks__signed_so_much_deeper(
        self, gateways: Gateways, tmp_path: Path
    ) -> None:
        with desk(gateways, tmp_path, finality=FINALITY_BLOCKS + 3) as patient:
            number = gateways.send_final(gateways.first, b"one")
            gateways.first.chain.mine(2)
            patient.run()
            assert patient.signed() == {}
            gateways.first.chain.mine()
            patient.run()
            assert list(patient.signed()) == [number]

    def test_step__both_directions__each_with_its_own_numbers(self, at_desk: Desk, gateways: Gateways) -> None:
        there = gateways.send_final(gateways.first, b"there")
        back = gateways.send_final(gateways.second, b"back", b"and back")
        at_desk.run()
        assert list(at_desk.signed()) == [there]
        assert list(at_desk.signed(gateways.second)) == [back]

    def test_step__chain_that_is_not_configured__left_alone(self, at_desk: Desk, gateways: Gateways) -> None:
        set_remote(gateways.first, 99, gateways.second.gateway)
        gateways.send(gateways.first, b"elsewhere", to_chain=99)
        number = gateways.send_final(gateways.first, b"one")
        at_desk.run()
        assert list(at_desk.signed()) == [number]

    def test_step__gateway_of_the_destination_configured_wrongly__refuses(
        self, gateways: Gateways, tmp_path: Path
    ) -> None:
        wrong = Gateways(gateways.first, type(gateways.second)(gateways.second.chain, 1337, RECIPIENT))
        with desk(wrong, tmp_path) as confused:
            gateways.send_final(gateways.first, b"one")
            confused.run()
            assert "not the ones that the chain knows" in confused.problem()
            assert confused.ask().attestations == []

    def test_step__many_blocks__bounded_steps(self, gateways: Gateways, tmp_path: Path) -> None:
        with desk(gateways, tmp_path, blocks_at_a_time=5) as slow:
            numbers = [gateways.send(gateways.first, b"%d" % each) for each in range(8)]
            gateways.first.finalise()
            assert slow.attester.step()
            assert 0 < slow.ask().through_block <= 5
            slow.run()
            assert list(slow.signed()) == numbers

    def test_log__a_message__can_be_followed_by_its_id(
        self, at_desk: Desk, gateways: Gateways, fresh_log: None
    ) -> None:
        gateways.send_final(gateways.first, b"one")
        with capture_logs() as lines:
            at_desk.run()
        (batch,) = at_desk.signed().values()
        found = [line["event"] for line in lines if line.get("message_id") == batch.message_ids[0]]
        assert found == ["message_journaled", "message_attested"]


def _pair(*answers: Attestations) -> tuple[SignedBatch, list[bytes]]:
    """The one batch that attesters serve, and their signatures in the order in which the gateway takes them."""
    in_order = sorted(answers, key=lambda each: int(each.attester, 16))
    assert len({each.attestations[0].root for each in answers}) == 1
    signatures = [bytes.fromhex(each.attestations[0].signature[2:]) for each in in_order]
    return answers[0].attestations[0], signatures


class TestAtTheGateway:
    """What attesters serve is what the gateway takes."""

    def test_deliver__signatures_of_two__taken__of_one__refused(
        self, at_desk: Desk, gateways: Gateways, tmp_path: Path
    ) -> None:
        gateways.send_final(gateways.first, b"one", b"two")
        at_desk.run()
        with desk(gateways, tmp_path / "other", ATTESTERS[1]) as other:
            other.run()
            signed, signatures = _pair(at_desk.ask(), other.ask())
        batch = batch_of(gateways.route(gateways.first), signed.block_number, bytes.fromhex(signed.root[2:]))
        assert gateways.deliver(batch, (b"one", b"two"), signatures[:1]) == "TooFewSignatures"
        assert gateways.deliver(batch, (b"one", b"two"), signatures) is None

    def test_deliver__set_rotated_in_flight__new_member_signs_the_old_batch(
        self, at_desk: Desk, gateways: Gateways, tmp_path: Path
    ) -> None:
        gateways.send_final(gateways.first, b"one")
        at_desk.run()
        with desk(gateways, tmp_path / "stays", ATTESTERS[1]) as stays, desk(gateways, tmp_path / "new", 8) as new:
            stays.run()
            gateways.rotate(gateways.second, (ATTESTERS[1], ATTESTERS[2], 8))
            new.run()
            signed, with_old = _pair(at_desk.ask(), stays.ask())
            _, with_new = _pair(stays.ask(), new.ask())
        batch = batch_of(gateways.route(gateways.first), signed.block_number, bytes.fromhex(signed.root[2:]))
        assert gateways.deliver(batch, (b"one",), with_old) == "NotAnAttester"
        assert gateways.deliver(batch, (b"one",), with_new) is None


class TestServing:
    def test_get__page_by_page__everything_once(self, at_desk: Desk, gateways: Gateways) -> None:
        numbers = [gateways.send(gateways.first, b"%d" % each) for each in range(5)]
        gateways.first.finalise()
        at_desk.run()
        found, start = [], 0
        while True:
            page = at_desk.ask(from_block=start, limit=2)
            found += [each.block_number for each in page.attestations]
            if page.next_from_block is None:
                break
            start = page.next_from_block
        assert found == numbers

    @pytest.mark.parametrize(("source", "destination"), [(31337, 99), (99, 1337), (1337, 1337)])
    def test_get__unknown_route__not_found(self, at_desk: Desk, source: int, destination: int) -> None:
        answer = at_desk.get("/v1/attestations", source_chain=source, destination_chain=destination)
        assert (answer.status_code, answer.json()["type"]) == (404, "/problems/unknown-route")

    @pytest.mark.parametrize("from_block", [-1, 2**63, 2**256])
    def test_get__absurd_block__refused(self, at_desk: Desk, from_block: int) -> None:
        answer = at_desk.get("/v1/attestations", source_chain=31337, destination_chain=1337, from_block=from_block)
        assert answer.status_code == 422


class TestJournal:
    def test_step__disk_full__nothing_signed_and_ready_says_why__goes_on_with_room(
        self, at_desk: Desk, gateways: Gateways
    ) -> None:
        at_desk.run()
        full = at_desk.attester.journal.query("PRAGMA page_count")[0][0]
        at_desk.attester.journal.query(f"PRAGMA max_page_count = {full}")
        numbers = [gateways.send(gateways.first, *([b"%d" % each] * 40)) for each in range(4)]
        gateways.first.finalise()
        at_desk.run()
        assert at_desk.signed() == {}
        answer = at_desk.get("/ready")
        assert answer.status_code == 503
        assert "full" in answer.json()["checks"]["journal"]["detail"]
        at_desk.attester.journal.query("PRAGMA max_page_count = 1000000")
        at_desk.run()
        assert list(at_desk.signed()) == numbers
        assert at_desk.get("/ready").status_code == 200

    def test_step__file_removed__ends_and_the_next_process_goes_on(self, at_desk: Desk, gateways: Gateways) -> None:
        number = gateways.send_final(gateways.first, b"one")
        shutil.rmtree(at_desk.settings.data_dir)
        with pytest.raises(JournalGoneError):
            at_desk.attester.step()
        assert at_desk.get("/ready").status_code == 503
        at_desk.restart()
        at_desk.run()
        assert list(at_desk.signed()) == [number]

    def test_open__second_process_of_the_folder__refused(self, at_desk: Desk) -> None:
        with pytest.raises(JournalInUseError):
            at_desk.open_another(at_desk.settings)

    @pytest.mark.parametrize("change", ["key", "gateway"])
    def test_open__journal_of_another_key_or_gateway__refused(self, at_desk: Desk, change: str) -> None:
        values = at_desk.settings.model_dump()
        if change == "key":
            values["attest"]["key"]["dev_account"] = ATTESTERS[1]
        else:
            values["chain"][1]["gateway"] = "0x" + "11" * 20
        at_desk.stop()
        with pytest.raises(ForeignJournalError):
            at_desk.open_another(BridgeSettings.model_validate(values))
        at_desk.start()
