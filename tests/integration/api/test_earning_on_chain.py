"""From the accrual to the chain and back: batches, receipts, returns and shortfalls."""

from __future__ import annotations

import secrets
from typing import Any

from eth_utils.crypto import keccak
from sqlalchemy import func, select

from backend.chain.models import Operation
from backend.database import transaction
from backend.points.models import Accrual, Batch
from backend.points.receipts import Receipt, verify
from tests.integration.api.chain_world import ChainWorld
from tests.integration.api.world import World, problem


def give_back(world: World, event: dict[str, Any], amount: str, reference: str | None = None) -> Any:
    body = {"reference": reference or secrets.token_hex(4), "value": {"amount": amount, "currency": "USD"}}
    return world.till.post(f"/v1/events/{event['id']}/returns", body)


class TestBatches:
    def test_accruals_of_an_account__become_one_credit(self, chain_world: ChainWorld) -> None:
        member, other = chain_world.enrol(), chain_world.enrol()
        events = [chain_world.earn(member, "10.00"), chain_world.earn(member, "5.00"), chain_world.earn(other, "1.00")]
        assert chain_world.balance(member)["pending_points"] == 15
        chain_world.finalise()
        with chain_world.sessions() as session:
            batch = session.scalars(select(Batch)).one()
            assert (batch.receipt_count, batch.credit_count, batch.total_points) == (3, 2, 16)
        balance = chain_world.balance(member)
        assert (balance["total_points"], balance["pending_points"]) == (15, 0)
        accrual = chain_world.till.get(f"/v1/events/{events[0]['id']}").json()["accrual"]
        assert (accrual["state"], accrual["batch_id"]) == ("final", batch.id)

    def test_accrual_in_its_return_period__waits_for_chain_time(self, chain_world: ChainWorld) -> None:
        chain_world.till.patch("/v1/programmes/market", {"return_period_seconds": 5 * 86_400})
        member = chain_world.enrol()
        chain_world.earn(member, "10.00")
        chain_world.step()
        assert chain_world.balance(member)["pending_points"] == 10
        chain_world.jump(6)
        assert chain_world.balance(member)["total_points"] == 10

    def test_event_worth_nothing__makes_no_batch(self, chain_world: ChainWorld) -> None:
        event = chain_world.earn(chain_world.enrol(), "0.50")
        chain_world.step()
        with chain_world.sessions() as session:
            assert session.execute(select(func.count()).select_from(Batch)).scalar_one() == 0
        assert chain_world.till.get(f"/v1/events/{event['id']}").json()["accrual"]["state"] == "none"

    def test_gas_limit__covers_new_and_old_holders_tightly(self, chain_world: ChainWorld) -> None:
        members = [chain_world.enrol() for _ in range(60)]
        for _ in range(2):
            for member in members:
                chain_world.earn(member, "3.00")
            chain_world.finalise()
        for days in (100, 100):
            chain_world.jump(days)
            for member in members:
                chain_world.earn(member, "3.00")
            chain_world.finalise()
        with chain_world.sessions() as session:
            operations = session.scalars(select(Operation).where(Operation.kind == "issue_batch")).all()
        assert [operation.state for operation in operations] == ["final"] * len(operations)
        for operation in operations:
            assert operation.transaction_hash is not None
            text = "0x" + operation.transaction_hash.hex()
            client = chain_world.deployment.chain.client
            receipt, sent = client.receipts([text])[0], client.call("eth_getTransactionByHash", text)
            assert receipt is not None
            assert isinstance(sent, dict)
            used, limit = int(receipt["gasUsed"], 16), int(str(sent["gas"]), 16)
            assert used <= limit <= used * 1.15, (used, limit)

    def test_batch_that_is_refused__goes_into_another(self, chain_world: ChainWorld) -> None:
        member = chain_world.enrol()
        chain_world.earn(member, "10.00")
        chain_world.batcher.run_once()
        with transaction(chain_world.sessions) as session:
            operation = session.scalars(select(Operation)).one()
            operation.state = "failed"
        with chain_world.sessions() as session:
            assert session.scalars(select(Accrual)).one().batch_id is not None
        chain_world.settler.run_once()
        with chain_world.sessions() as session:
            assert session.scalars(select(Accrual)).one().batch_id is None


class TestReceipt:
    def test_before_the_batch__there_is_none(self, chain_world: ChainWorld) -> None:
        event = chain_world.earn(chain_world.enrol())
        problem(chain_world.till.get(f"/v1/events/{event['id']}/receipt"), 409, "wrong-state")

    def test_proof__leads_to_the_batch_id_on_the_chain(self, chain_world: ChainWorld) -> None:
        member = chain_world.enrol()
        events = [chain_world.earn(member, f"{dollars}.00") for dollars in range(1, 8)]
        chain_world.finalise()
        for event, points in zip(events, range(1, 8), strict=True):
            receipt = chain_world.till.get(f"/v1/events/{event['id']}/receipt").json()
            hashed = keccak(bytes.fromhex(receipt["salt"][2:]) + event["reference"].encode())
            assert (receipt["points"], receipt["event_hash"]) == (points, "0x" + hashed.hex())
            leaf = Receipt(bytes.fromhex(receipt["account"][2:]), points, hashed)
            root = bytes.fromhex(receipt["root"][2:])
            assert verify(leaf, [bytes.fromhex(sibling[2:]) for sibling in receipt["proof"]], root)
            token = bytes.fromhex(receipt["token"][2:])
            assert token == chain_world.market.token
        logs = chain_world.deployment.chain.client.receipts([receipt["transaction_hash"]])[0]
        assert logs is not None
        assert any(receipt["root"] in log["topics"] for log in logs["logs"])


class TestReturns:
    def test_pending_points__are_reversed_here(self, chain_world: ChainWorld) -> None:
        member = chain_world.enrol()
        event = chain_world.earn(member, "10.00")
        answer = give_back(chain_world, event, "4.50")
        assert answer.status_code == 201
        assert (answer.json()["points"], answer.json()["reversed_points"], answer.json()["state"]) == (5, 5, "settled")
        chain_world.finalise()
        assert chain_world.balance(member, source="chain")["total_points"] == 5

    def test_credited_points__are_clawed_back_from_their_lot(self, chain_world: ChainWorld) -> None:
        member = chain_world.enrol()
        event = chain_world.earn(member, "10.00")
        chain_world.finalise()
        answer = give_back(chain_world, event, "10.00", "r")
        assert (answer.status_code, answer.json()["state"]) == (202, "clawing_back")
        chain_world.finalise()
        returned = chain_world.till.get(f"/v1/events/{event['id']}/returns").json()["data"][0]
        assert (returned["taken_points"], returned["shortfall_points"], returned["state"]) == (10, 0, "settled")
        again = give_back(chain_world, event, "10.00", "r")
        assert (again.status_code, again.json()["id"]) == (200, returned["id"])
        body = problem(give_back(chain_world, event, "0.01"), 409, "return-exceeds-event")
        assert body["returnable_amount"] == "0.00"

    def test_return_while_the_batch_is_on_its_way__is_done_when_it_is_there(self, chain_world: ChainWorld) -> None:
        member = chain_world.enrol()
        event = chain_world.earn(member, "10.00")
        chain_world.batcher.run_once()
        assert give_back(chain_world, event, "3.00").json()["state"] == "waiting"
        chain_world.finalise()
        assert chain_world.till.get(f"/v1/events/{event['id']}/returns").json()["data"][0]["taken_points"] == 3
        assert chain_world.balance(member, source="chain")["total_points"] == 7

    def test_spent_points__are_owed_and_netted_from_later_earnings(self, chain_world: ChainWorld) -> None:
        member = chain_world.enrol()
        event = chain_world.earn(member, "10.00")
        chain_world.finalise()
        chain_world.redeem(member, 8)
        chain_world.finalise()
        give_back(chain_world, event, "10.00")
        chain_world.finalise()
        balance = chain_world.balance(member)
        assert (balance["total_points"], balance["shortfall_points"]) == (0, 8)
        first = chain_world.earn(member, "3.00")
        chain_world.finalise()
        assert chain_world.balance(member)["shortfall_points"] == 5
        assert chain_world.till.get(f"/v1/events/{first['id']}").json()["accrual"]["state"] == "netted"
        chain_world.earn(member, "20.00")
        chain_world.finalise()
        balance = chain_world.balance(member)
        assert (balance["total_points"], balance["shortfall_points"]) == (15, 0)

    def test_after_the_window__the_member_keeps_them(self, chain_world: ChainWorld) -> None:
        member = chain_world.enrol()
        event = chain_world.earn(member, "10.00")
        chain_world.finalise()
        chain_world.jump(65)
        answer = give_back(chain_world, event, "10.00")
        body = answer.json()
        assert (answer.status_code, body["state"], body["forgiven_points"]) == (201, "settled", 10)
        assert "window has closed" in body["outcome"]
        assert chain_world.balance(member)["shortfall_points"] == 0


class TestBalances:
    def test_at_block__shows_what_was_then(self, chain_world: ChainWorld) -> None:
        member = chain_world.credited("10.00")
        then = chain_world.balance(member)["block_number"]
        chain_world.redeem(member, 4)
        chain_world.finalise()
        assert chain_world.balance(member)["total_points"] == 6
        assert chain_world.balance(member, at_block=then)["total_points"] == 10
        assert chain_world.balance(member, at_block=then, source="chain")["total_points"] == 10
        path = f"/v1/members/{member['id']}/balances"
        for source in ("projection", "chain"):
            future = {"at_block": 10**9, "source": source}
            problem(chain_world.till.get(path, params=future), 422, "invalid-request")

    def test_history__names_block_log_and_subject(self, chain_world: ChainWorld) -> None:
        member = chain_world.credited("10.00")
        redemption = chain_world.redeem(member, 4).json()
        chain_world.finalise()
        path = f"/v1/members/{member['id']}/history"
        first = chain_world.till.get(path, params={"limit": 1}).json()
        second = chain_world.till.get(path, params={"limit": 1, "cursor": first["next_cursor"]}).json()
        spent, earned = first["data"][0], second["data"][0]
        assert (spent["kind"], spent["points"], spent["subject"]) == ("redeem", -4, redemption["id"])
        assert (earned["kind"], earned["points"]) == ("issue", 10)
        assert second["next_cursor"] is None
        receipt = chain_world.deployment.chain.client.receipts([spent["transaction_hash"]])[0]
        assert receipt is not None
        assert int(receipt["blockNumber"], 16) == spent["block_number"]
        assert spent["log_index"] in [int(log["logIndex"], 16) for log in receipt["logs"]]

    def test_ready__tells_of_database_chain_and_index(self, chain_world: ChainWorld) -> None:
        answer = chain_world.anonymous.get("/ready")
        assert (answer.status_code, answer.json()["ready"]) == (200, True), answer.text
