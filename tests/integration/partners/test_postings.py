"""Postings on a real database against a real server: each outcome, each fault, each order of events."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import delete

from backend.chain.models import Cursor, TokenEvent
from backend.database import transaction
from backend.partners.client import CallResult
from backend.partners.machine import Outcome
from backend.partners.models import PartnerCall, PartnerSystem, Posting
from backend.partners.service import ask_now, give_up_posting
from backend.partners.wire import Answer
from tests.integration.api.world import CHAIN_ID
from tests.integration.partners.world import PartnerWorld, build_worker, connect, states
from tests.support.partner_server import Behaviour, PartnerServer

DONE_BUT_UNKNOWN = [Behaviour.DONE_500, Behaviour.LOST, Behaviour.CUT, Behaviour.GARBAGE, Behaviour.TOO_LONG]
NOT_DONE_AND_UNKNOWN = [Behaviour.SYSTEM_ERROR, Behaviour.HANG, Behaviour.BARE_404, Behaviour.SAYS_SYSTEM_ERROR]


class TestDiscovery:
    def test_burn_that_is_not_final__is_not_posted(self, partner_world: PartnerWorld) -> None:
        partner_world.burn(final=False)
        partner_world.run()
        assert (partner_world.postings(), partner_world.server.calls) == ([], [])
        partner_world.mine()
        partner_world.run()
        assert states(partner_world.postings()) == ["posted"]

    def test_burn_that_a_reorganisation_took_back__is_never_posted(self, partner_world: PartnerWorld) -> None:
        partner_world.burn(final=False)
        partner_world.run()
        with transaction(partner_world.sessions) as session:
            session.execute(delete(TokenEvent))
        partner_world.mine()
        partner_world.run()
        assert (partner_world.postings(), partner_world.server.calls) == ([], [])

    def test_final_by_the_chain_but_not_indexed__waits_for_the_index(self, partner_world: PartnerWorld) -> None:
        partner_world.burn(final=False)
        with transaction(partner_world.sessions) as session:
            cursor = session.get_one(Cursor, CHAIN_ID)
            cursor.finalized_block, cursor.next_block = partner_world.block + 5, partner_world.block
        partner_world.run()
        assert partner_world.postings() == []

    def test_swap_in_other_terms_than_asked_for__is_not_ours_to_post(self, partner_world: PartnerWorld) -> None:
        partner_world.burn(lane_id="0x" + "77" * 32)
        partner_world.burn(to="0x" + "88" * 20)
        partner_world.run()
        assert partner_world.postings() == []

    def test_projection_rebuilt__nothing_is_posted_twice(self, partner_world: PartnerWorld) -> None:
        swap = partner_world.burn()
        partner_world.run()
        again = build_worker(partner_world.sessions, partner_world.settings)
        again.run_once()
        again.close()
        assert partner_world.server.calls_about(partner_world.posting(swap).id) == ["posting"]

    def test_database_restored_from_an_older_state__asks_under_the_same_id(self, partner_world: PartnerWorld) -> None:
        swap = partner_world.burn()
        partner_world.run()
        before = partner_world.posting(swap).id
        with transaction(partner_world.sessions) as session:
            session.execute(delete(PartnerCall))
            session.execute(delete(Posting))
        again = build_worker(partner_world.sessions, partner_world.settings)
        while again.run_once():
            pass
        again.close()
        assert (partner_world.posting(swap).id, partner_world.posting(swap).state) == (before, "posted")
        assert partner_world.server.book.entries == {before: [250]}


class TestOutcomes:
    def test_succeeded__is_confirmed_on_chain_and_ends(self, partner_world: PartnerWorld) -> None:
        swap = partner_world.burn("C-1", 250)
        partner_world.run()
        posting = partner_world.posting(swap)
        assert (posting.state, posting.partner_reference, posting.points) == ("posted", "TX-1", 250)
        assert partner_world.server.book.entries == {posting.id: [250]}
        assert partner_world.asked_of_chain() == ["confirm_posted"]
        partner_world.end(swap, "SwapPosted")
        partner_world.settle(posting.operation_id)
        partner_world.run()
        assert partner_world.posting(swap).state == "confirmed"
        assert partner_world.asked_of_chain() == ["confirm_posted"]

    @pytest.mark.parametrize("behaviour", [Behaviour.FAIL, Behaviour.FAIL_4XX])
    def test_failed__is_refunded_on_chain(self, partner_world: PartnerWorld, behaviour: Behaviour) -> None:
        partner_world.server.script("C-1", behaviour)
        swap = partner_world.burn("C-1")
        partner_world.run()
        posting = partner_world.posting(swap)
        assert (posting.state, posting.last_detail) == ("refused", "member_unknown")
        assert partner_world.asked_of_chain() == ["refund_pending"]
        partner_world.end(swap, "SwapRefunded")
        partner_world.settle(posting.operation_id)
        partner_world.run()
        assert partner_world.posting(swap).state == "refunded"
        assert partner_world.server.book.balance(posting.id) == 0

    @pytest.mark.parametrize("behaviour", DONE_BUT_UNKNOWN)
    def test_done_and_nobody_knows__is_asked_again_and_posted_once(
        self, partner_world: PartnerWorld, behaviour: Behaviour
    ) -> None:
        partner_world.server.script("C-1", behaviour, behaviour)
        swap = partner_world.burn("C-1")
        partner_world.run()
        posting = partner_world.posting(swap)
        assert partner_world.outcomes(posting.id) == [
            ("post", "system_error"),
            ("retry", "system_error"),
            ("retry", "succeeded"),
        ]
        assert partner_world.server.book.entries == {posting.id: [250]}
        assert len(set(partner_world.server.message_ids)) == 3
        assert posting.state == "posted"

    @pytest.mark.parametrize("behaviour", NOT_DONE_AND_UNKNOWN)
    def test_not_done_and_nobody_knows__the_retry_posts_it(
        self, partner_world: PartnerWorld, behaviour: Behaviour
    ) -> None:
        partner_world.server.script("C-1", behaviour)
        swap = partner_world.burn("C-1")
        partner_world.rounds(1)
        assert partner_world.posting(swap).state == "unknown"
        assert partner_world.asked_of_chain() == []
        partner_world.run()
        posting = partner_world.posting(swap)
        assert (posting.state, partner_world.server.book.entries) == ("posted", {posting.id: [250]})

    def test_pending__is_asked_until_it_is_known(self, partner_world: PartnerWorld) -> None:
        partner_world.server.script("C-1", Behaviour.PENDING, Behaviour.PENDING, Behaviour.PENDING)
        swap = partner_world.burn("C-1")
        partner_world.rounds(2)
        assert (partner_world.posting(swap).state, partner_world.posting(swap).last_outcome) == ("posting", "pending")
        partner_world.run()
        assert partner_world.server.calls_about(partner_world.posting(swap).id) == ["posting", *["retry"] * 3]
        assert partner_world.posting(swap).state == "posted"

    def test_first_request_arrives_after_the_retry__posted_once(self, partner_world: PartnerWorld) -> None:
        partner_world.server.script("C-1", Behaviour.DELAYED)
        swap = partner_world.burn("C-1")
        partner_world.run()
        partner_world.server.deliver_delayed()
        posting = partner_world.posting(swap)
        assert (posting.state, partner_world.server.book.entries) == ("posted", {posting.id: [250]})

    def test_wrong_signature__posts_nothing_until_the_secret_is_right(self, partner_world: PartnerWorld) -> None:
        swap = partner_world.burn("C-1")
        secret = connect(
            partner_world.sessions, partner_world.settings, partner_world.airline.id, partner_world.server.url
        )
        partner_world.rounds(3)
        assert (partner_world.posting(swap).state, partner_world.server.calls) == ("unknown", [])
        partner_world.server.use_secret(secret)
        partner_world.run()
        assert partner_world.posting(swap).state == "posted"

    def test_secret_that_cannot_be_read__asks_nobody_and_loses_nothing(self, partner_world: PartnerWorld) -> None:
        with transaction(partner_world.sessions) as session:
            session.get_one(PartnerSystem, partner_world.airline.id).secret = b"x" * 40
        swap = partner_world.burn("C-1")
        partner_world.rounds(3)
        assert (partner_world.posting(swap).state, partner_world.posting(swap).attempts) == ("waiting", 0)

    def test_member_unknown_there__gets_the_points_back(self, partner_world: PartnerWorld) -> None:
        partner_world.server.book.members = {"C-1"}
        swap = partner_world.burn("C-2")
        partner_world.run()
        assert partner_world.asked_of_chain() == ["refund_pending"]
        assert partner_world.posting(swap).last_detail == "member_unknown"

    def test_answer_to_a_call_that_was_given_up__is_kept_and_not_followed(self, partner_world: PartnerWorld) -> None:
        """A worker that was held up for longer than its lease brings an answer when another has gone on."""
        swap = partner_world.burn("C-1")
        desk = partner_world.desk()
        desk.discover()
        slow = desk.claim({})[1][0]
        partner_world.run()
        no = Answer(outcome=Outcome.FAILED, reason="member_unknown")
        desk.record(slow, CallResult(no, http_status=200, duration_ms=60_000))
        posting = partner_world.posting(swap)
        assert partner_world.outcomes(posting.id) == [("retry", "succeeded"), ("post", "failed")]
        assert (posting.state, partner_world.asked_of_chain()) == ("posted", ["confirm_posted"])


class TestEndOfTheWindow:
    def test_unknown__is_reversed_and_then_refunded(self, partner_world: PartnerWorld) -> None:
        partner_world.server.script("C-1", *[Behaviour.LOST] * 2)
        swap = partner_world.burn("C-1")
        partner_world.rounds(2)
        partner_world.mine(days=6.1)
        partner_world.run()
        posting = partner_world.posting(swap)
        assert partner_world.outcomes(posting.id)[-1] == ("reverse", "succeeded")
        assert partner_world.server.book.entries == {posting.id: [250, -250]}
        assert partner_world.asked_of_chain() == ["refund_pending"]

    def test_never_arrived__is_reversed_as_not_posted_and_stays_so(self, partner_world: PartnerWorld) -> None:
        partner_world.server.script("C-1", Behaviour.DELAYED)
        swap = partner_world.burn("C-1")
        partner_world.rounds(1)
        partner_world.mine(days=6.1)
        partner_world.run()
        partner_world.server.deliver_delayed()
        posting = partner_world.posting(swap)
        assert partner_world.outcomes(posting.id)[-1] == ("reverse", "failed")
        assert (posting.state, posting.last_detail) == ("refused", "not_posted")
        assert partner_world.server.book.balance(posting.id) == 0

    def test_reversal_unknown__is_asked_again_and_never_refunded(self, partner_world: PartnerWorld) -> None:
        partner_world.server.script("C-1", *[Behaviour.LOST, *[Behaviour.SYSTEM_ERROR] * 5])
        swap = partner_world.burn("C-1")
        partner_world.rounds(1)
        partner_world.mine(days=8)
        partner_world.rounds(5)
        assert (partner_world.posting(swap).state, partner_world.asked_of_chain()) == ("reversing", [])
        partner_world.run()
        assert partner_world.asked_of_chain() == ["refund_pending"]

    def test_reversal_refused__is_taken_for_posted(self, partner_world: PartnerWorld) -> None:
        partner_world.server.script("C-1", Behaviour.LOST, Behaviour.STANDS)
        swap = partner_world.burn("C-1")
        partner_world.rounds(1)
        partner_world.mine(days=6.1)
        partner_world.run()
        assert (partner_world.posting(swap).state, partner_world.asked_of_chain()) == ("posted", ["confirm_posted"])

    def test_never_asked__is_refunded_without_a_call(self, partner_world: PartnerWorld) -> None:
        with transaction(partner_world.sessions) as session:
            session.execute(delete(PartnerSystem))
        swap = partner_world.burn("C-1")
        partner_world.rounds(2)
        assert (partner_world.posting(swap).state, partner_world.asked_of_chain()) == ("waiting", [])
        partner_world.mine(days=6.1)
        partner_world.run()
        assert (partner_world.asked_of_chain(), partner_world.server.calls) == (["refund_pending"], [])


class TestRefundedByOthers:
    def test_posted__is_undone_at_the_partner(self, partner_world: PartnerWorld) -> None:
        swap = partner_world.burn("C-1")
        partner_world.run()
        partner_world.end(swap, "SwapRefunded")
        partner_world.settle(partner_world.posting(swap).operation_id, "failed")
        partner_world.run()
        posting = partner_world.posting(swap)
        assert (posting.state, partner_world.server.book.entries) == ("refunded", {posting.id: [250, -250]})
        assert partner_world.asked_of_chain() == ["confirm_posted"]

    def test_reversal_refused__stays_owed(self, partner_world: PartnerWorld) -> None:
        partner_world.server.script("C-1", Behaviour.LOST, *[Behaviour.STANDS] * 4)
        swap = partner_world.burn("C-1")
        partner_world.rounds(1)
        partner_world.end(swap, "SwapRefunded")
        partner_world.rounds(3)
        posting = partner_world.posting(swap)
        assert (posting.state, posting.last_detail, partner_world.asked_of_chain()) == ("reversing", "points_spent", [])
        partner_world.run()
        assert partner_world.posting(swap).state == "refunded"

    def test_confirmed_by_others__ends(self, partner_world: PartnerWorld) -> None:
        partner_world.server.script("C-1", Behaviour.LOST)
        swap = partner_world.burn("C-1")
        partner_world.rounds(1)
        partner_world.end(swap, "SwapPosted")
        partner_world.run()
        assert (partner_world.posting(swap).state, partner_world.asked_of_chain()) == ("confirmed", [])


class TestTheChainRefuses:
    def test_confirmation_refused__is_asked_again(self, partner_world: PartnerWorld) -> None:
        swap = partner_world.burn("C-1")
        partner_world.run()
        partner_world.settle(partner_world.posting(swap).operation_id, "failed")
        partner_world.run()
        assert partner_world.asked_of_chain() == ["confirm_posted"] * 2
        assert partner_world.posting(swap).operation_id is not None

    def test_confirmation_in_hand__is_not_asked_again(self, partner_world: PartnerWorld) -> None:
        swap = partner_world.burn("C-1")
        partner_world.run()
        with transaction(partner_world.sessions) as session:
            ask_now(session, session.get_one(Posting, partner_world.posting(swap).id))
        partner_world.run()
        assert partner_world.asked_of_chain() == ["confirm_posted"]


class TestPeople:
    def test_given_up__is_reversed_and_refunded(self, partner_world: PartnerWorld) -> None:
        partner_world.server.script("C-1", Behaviour.LOST)
        swap = partner_world.burn("C-1")
        partner_world.rounds(1)
        with transaction(partner_world.sessions) as session:
            posting = session.get_one(Posting, partner_world.posting(swap).id)
            give_up_posting(session, posting, refund_unreversed=False)
        partner_world.run()
        assert partner_world.server.book.balance(partner_world.posting(swap).id) == 0
        assert partner_world.asked_of_chain() == ["refund_pending"]

    def test_partner_that_never_answers_again__member_is_refunded_and_the_reversal_stays_owed(
        self, partner_world: PartnerWorld
    ) -> None:
        partner_world.server.script("C-1", Behaviour.DONE_500, *[Behaviour.SYSTEM_ERROR] * 8)
        swap = partner_world.burn("C-1")
        partner_world.rounds(1)
        partner_world.mine(days=7.1)
        with transaction(partner_world.sessions) as session:
            posting = session.get_one(Posting, partner_world.posting(swap).id)
            give_up_posting(session, posting, refund_unreversed=True)
        partner_world.rounds(3)
        assert partner_world.asked_of_chain() == ["refund_pending"]
        partner_world.end(swap, "SwapRefunded")
        partner_world.settle(partner_world.posting(swap).operation_id)
        partner_world.rounds(2)
        assert partner_world.posting(swap).state == "reversing"
        partner_world.run()
        assert partner_world.posting(swap).state == "refunded"
        assert partner_world.server.book.balance(posting.id) == 0


class TestManyWorkers:
    def test_four_workers__each_swap_is_posted_and_confirmed_once(self, partner_world: PartnerWorld) -> None:
        swaps = [partner_world.burn(f"C-{number}") for number in range(24)]

        def work(_: int) -> None:
            worker = build_worker(partner_world.sessions, partner_world.settings)
            for _ in range(12):
                worker.run_once()
            worker.close()

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4)))
        partner_world.run()
        assert states(partner_world.postings()) == ["posted"] * len(swaps)
        assert all(amounts == [250] for amounts in partner_world.server.book.entries.values())
        assert partner_world.asked_of_chain() == ["confirm_posted"] * len(swaps)

    def test_slow_partner__holds_up_only_its_own(self, partner_world: PartnerWorld) -> None:
        waits = partner_world.worker = build_worker(partner_world.sessions, partner_world.settings)
        for number in range(8):
            partner_world.server.script(f"C-{number}", Behaviour.LOST)
            partner_world.burn(f"C-{number}")
        with PartnerServer() as quick:
            quick.use_secret(connect(partner_world.sessions, partner_world.settings, partner_world.fuel.id, quick.url))
            swaps = [partner_world.burn_for_fuel(f"Q-{number}") for number in range(10)]
            for _ in range(40):
                waits.run_once()
                if len(quick.calls) == len(swaps):
                    break
            assert len(quick.calls) == len(swaps)
            assert len(partner_world.server.calls) == 4
            partner_world.server.release()
            partner_world.run()
        waits.close()
        assert states(partner_world.postings()) == ["posted"] * 18
