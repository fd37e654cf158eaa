"""The whole way of an operation: pending, sent, mined, final - and failed."""

from __future__ import annotations

import secrets

from backend.chain.points_token import encode_clawback, encode_issue_batch, encode_set_supply_cap
from tests.integration.chain.service import FINALITY_BLOCKS, Service


class TestOperation:
    def test_states__issue__pending_sent_mined_final(self, service: Service) -> None:
        account = secrets.token_bytes(20)
        id_ = service.ask_issue(account, 500)
        assert service.operation(id_).state == "pending"
        service.submit()
        assert service.operation(id_).state == "sent"
        service.index()
        mined = service.operation(id_)
        assert (mined.state, mined.error_code) == ("mined", None)
        assert mined.transaction_hash is not None
        assert service.chain.client.receipts(["0x" + mined.transaction_hash.hex()])[0] is not None
        service.chain.mine(FINALITY_BLOCKS)
        service.index()
        assert service.operation(id_).state == "final"
        assert sum(service.projected_lots(account).values()) == 500
        service.assert_consistent()

    def test_batch__many_credits__all_projected(self, service: Service) -> None:
        credited = [(secrets.token_bytes(20), 1 + n) for n in range(300)]
        service.ask("issue_batch", encode_issue_batch(secrets.token_bytes(32), credited))
        service.finish()
        for account, points in credited:
            assert sum(service.projected_lots(account).values()) == points
        service.assert_consistent()

    def test_preflight__certain_revert__failed_without_a_nonce(self, service: Service) -> None:
        key = secrets.token_bytes(32)
        id_ = service.ask_redeem(key, 50)
        service.submit()
        assert service.operation(id_).state == "pending"  # The projection knows nothing yet.
        service.index()
        service.submit()
        failed = service.operation(id_)
        assert (failed.state, failed.error_code) == ("failed", "ERC20InsufficientBalance")
        assert failed.error_detail == "The balance is 0 points, 50 are needed."
        assert not service.attempts()

    def test_preflight__depends_on_an_earlier_one__waits_for_it(self, service: Service) -> None:
        key = secrets.token_bytes(32)
        service.ask_issue(service.account(key), 80)
        redeem = service.ask_redeem(key, 50)
        service.submit(service.submitters[1])
        assert service.operation(redeem).state == "pending"
        service.finish()
        assert service.operation(redeem).state == "final"
        assert sum(service.projected_lots(service.account(key)).values()) == 30
        service.assert_consistent()

    def test_preflight__depends_on_one_in_the_pool__waits_until_it_is_mined(self, service: Service) -> None:
        service.chain.automine(False)
        key = secrets.token_bytes(32)
        service.ask_issue(service.account(key), 80)
        redeem = service.ask_redeem(key, 50)
        service.index()
        service.submit()
        assert service.operation(redeem).state == "pending"
        service.chain.mine(1)
        service.index()
        service.submit()
        assert service.operation(redeem).state == "sent"
        service.finish()
        service.assert_consistent()

    def test_revert_after_signing__two_redeem_the_same_points__one_fails_when_final(self, service: Service) -> None:
        key = secrets.token_bytes(32)
        service.ask_issue(service.account(key), 80)
        service.finish()
        service.chain.automine(False)
        ids = [service.ask_redeem(key, 50), service.ask_redeem(key, 50)]
        service.submit()
        service.chain.mine(1)
        service.index()
        states = [service.operation(id_) for id_ in ids]
        assert [(o.state, o.error_code) for o in states] == [("mined", None), ("mined", "ERC20InsufficientBalance")]
        service.chain.mine(FINALITY_BLOCKS)
        service.index()
        assert [service.operation(id_).state for id_ in ids] == ["final", "failed"]
        service.assert_consistent()

    def test_pause__asked_while_paused__waits_and_drains_once(self, service: Service) -> None:
        admin = service.deployment.signers.signer(service.deployment.accounts[0])
        pauser = service.submitter(admin.address)
        service.ask("pause", bytes.fromhex("8456cb59"), admin.address)
        service.submit(pauser)
        account = secrets.token_bytes(20)
        id_ = service.ask_issue(account, 5)
        service.index()
        service.submit()
        assert (service.operation(id_).state, service.operation(id_).error_code) == ("pending", "EnforcedPause")
        service.ask("unpause", bytes.fromhex("3f4ba83a"), admin.address)
        service.submit(pauser)
        service.index()
        service.finish()
        assert service.operation(id_).state == "final"
        assert service.token.balance_of(account) == 5

    def test_supply_cap__batch_waits__later_refusals_are_told_all_the_same(self, service: Service) -> None:
        cap = service.entry.terms.supply_cap_points
        waiting = service.ask_issue(secrets.token_bytes(20), cap + 1)
        refused = service.ask_redeem(secrets.token_bytes(32), 50)
        service.index()
        service.submit()
        service.submit()
        assert (service.operation(waiting).state, service.operation(waiting).error_code) == (
            "pending",
            "SupplyCapExceeded",
        )
        assert service.operation(refused).state == "failed"
        admin = service.deployment.accounts[0]
        service.ask("set_supply_cap", encode_set_supply_cap(cap + 1), admin)
        service.submit(service.submitter(admin))
        service.index()
        service.finish()
        assert service.operation(waiting).state == "final"

    def test_clawback__more_than_there_is__takes_what_is_there(self, service: Service) -> None:
        account = secrets.token_bytes(20)
        service.ask_issue(account, 10)
        service.finish()
        (epoch,) = service.projected_lots(account)
        service.ask("clawback", encode_clawback(account, epoch, 25, secrets.token_bytes(32)))
        service.finish()
        assert service.projected_lots(account) == {}
        service.assert_consistent()
