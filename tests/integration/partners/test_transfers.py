"""Transfers on a real database against a real server: taken once, issued once, or not at all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import delete

from backend.chain.models import OutboxTransaction
from backend.chain.points_token import encode_issue
from backend.database import transaction
from backend.members.models import Enrolment
from backend.partners.errors import PostingStateError
from backend.partners.models import PartnerCall, PartnerTransfer
from backend.partners.schemas import TransferCreate
from backend.partners.secrets import SecretVault
from backend.partners.service import give_up_transfer
from backend.partners.transfer_service import create_transfer
from tests.integration.partners.world import PartnerWorld, build_worker, enrol
from tests.support.partner_server import Behaviour


def ask(world: PartnerWorld, reference: str = "C-1", points: int = 400) -> str:
    """Asks for a transfer of a new member; answers its id."""
    with transaction(world.sessions) as session:
        enrol(session, world.airline, reference)
        body = TransferCreate(member_reference=reference, reference=f"t-{reference}", points=points)
        return create_transfer(session, SecretVault(world.settings.secret_key), world.airline.id, body)[0].id


def look(world: PartnerWorld, transfer_id: str) -> PartnerTransfer:
    """The transfer as it stands."""
    with world.sessions() as session:
        return session.get_one(PartnerTransfer, transfer_id)


class TestTransfer:
    def test_succeeded__is_issued_on_chain_under_its_own_ref(self, partner_world: PartnerWorld) -> None:
        transfer_id = ask(partner_world)
        partner_world.run()
        transfer = look(partner_world, transfer_id)
        assert (transfer.state, partner_world.server.book.entries) == ("taken", {transfer_id: [-400]})
        with partner_world.sessions() as session:
            row = session.query(OutboxTransaction).one()
            account = session.get_one(Enrolment, transfer.enrolment_id).account
            assert (row.target, row.data) == (partner_world.airline.token, encode_issue(account, 400, transfer.ref))
        partner_world.log_issue(transfer)
        partner_world.settle(transfer.operation_id)
        partner_world.run()
        assert look(partner_world, transfer_id).state == "issued"
        assert partner_world.asked_of_chain() == ["issue"]

    def test_failed__issues_nothing(self, partner_world: PartnerWorld) -> None:
        partner_world.server.script("C-1", Behaviour.FAIL)
        transfer_id = ask(partner_world)
        partner_world.run()
        assert (look(partner_world, transfer_id).state, partner_world.asked_of_chain()) == ("refused", [])

    @pytest.mark.parametrize("behaviour", [Behaviour.LOST, Behaviour.SYSTEM_ERROR, Behaviour.DELAYED, Behaviour.CUT])
    def test_unknown__is_asked_again_and_taken_once(self, partner_world: PartnerWorld, behaviour: Behaviour) -> None:
        partner_world.server.script("C-1", behaviour)
        transfer_id = ask(partner_world)
        partner_world.run()
        partner_world.server.deliver_delayed()
        assert partner_world.outcomes(transfer_id) == [("transfer", "system_error"), ("retry", "succeeded")]
        assert partner_world.server.book.entries == {transfer_id: [-400]}
        assert partner_world.asked_of_chain() == ["issue"]

    def test_chain_refuses__is_tried_again_under_the_same_ref(self, partner_world: PartnerWorld) -> None:
        transfer_id = ask(partner_world)
        partner_world.run()
        partner_world.settle(look(partner_world, transfer_id).operation_id, "failed")
        partner_world.run()
        with partner_world.sessions() as session:
            first, second = session.query(OutboxTransaction).order_by(OutboxTransaction.id)
            assert first.data == second.data

    def test_given_up_after_a_refusal__goes_back_to_the_partner(self, partner_world: PartnerWorld) -> None:
        transfer_id = ask(partner_world)
        partner_world.run()
        with transaction(partner_world.sessions) as session, pytest.raises(PostingStateError):
            give_up_transfer(session, session.get_one(PartnerTransfer, transfer_id))
        partner_world.settle(look(partner_world, transfer_id).operation_id, "failed")
        partner_world.worker.run_once()
        with transaction(partner_world.sessions) as session:
            transfer = session.get_one(PartnerTransfer, transfer_id)
            assert transfer.operation_id is None
            give_up_transfer(session, transfer)
        partner_world.run()
        assert look(partner_world, transfer_id).state == "refused"
        assert partner_world.server.book.entries == {transfer_id: [-400, 400]}
        assert partner_world.asked_of_chain() == ["issue"]

    def test_database_restored_and_asked_again__is_the_same_transfer(self, partner_world: PartnerWorld) -> None:
        first_id = ask(partner_world)
        partner_world.run()
        first = look(partner_world, first_id)
        with transaction(partner_world.sessions) as session:
            session.execute(delete(PartnerCall))
            session.execute(delete(PartnerTransfer))
            session.execute(delete(Enrolment))
        assert ask(partner_world) == first_id
        assert look(partner_world, first_id).ref == first.ref
        partner_world.run()
        assert partner_world.server.book.entries == {first_id: [-400]}

    def test_four_workers__each_is_taken_and_issued_once(self, partner_world: PartnerWorld) -> None:
        ids = [ask(partner_world, f"C-{number}") for number in range(16)]

        def work(_: int) -> None:
            worker = build_worker(partner_world.sessions, partner_world.settings)
            for _ in range(8):
                worker.run_once()
            worker.close()

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4)))
        partner_world.run()
        assert {look(partner_world, transfer_id).state for transfer_id in ids} == {"taken"}
        assert all(amounts == [-400] for amounts in partner_world.server.book.entries.values())
        assert partner_world.asked_of_chain() == ["issue"] * len(ids)
