"""Reorganisations of depth 1 to finality ± 1."""

from __future__ import annotations

import secrets

import pytest

from backend.chain import points_token
from backend.chain.errors import IndexerHaltedError
from backend.chain.rebuild import rebuild_projection
from backend.chain.signers import DevSigners
from backend.chain.words import selector
from tests.integration.chain.service import FINALITY_BLOCKS, Service


def _mined_issue(service: Service, depth: int) -> tuple[str, bytes]:
    """An issue in a block that a reorganisation of `depth` takes away."""
    service.chain.mine(FINALITY_BLOCKS + 2)
    account = secrets.token_bytes(20)
    id_ = service.ask_issue(account, 90)
    service.submit()
    service.chain.mine(depth - 1)
    service.index()
    assert service.operation(id_).state == "mined"
    return id_, account


class TestWithinFinality:
    @pytest.mark.parametrize("depth", [1, 3, FINALITY_BLOCKS - 1, FINALITY_BLOCKS])
    def test_transaction_dropped__sent_again__mined_once(self, service: Service, depth: int) -> None:
        id_, account = _mined_issue(service, depth)
        service.chain.reorganise(depth)
        service.index()
        assert service.operation(id_).state == "sent"
        assert service.projected_lots(account) == {}
        service.finish()
        assert service.operation(id_).state == "final"
        assert service.token.balance_of(account) == 90
        assert len(service.attempts()) == 1
        service.assert_consistent()

    @pytest.mark.parametrize("depth", [1, FINALITY_BLOCKS - 1])
    def test_transaction_elsewhere__same_outcome_in_another_block(self, service: Service, depth: int) -> None:
        id_, account = _mined_issue(service, depth)
        before = service.operation(id_)
        raw = "0x" + service.attempts()[0].raw.hex()
        service.chain.mine(1)
        service.index()
        service.chain.reorganise(depth + 1, [(raw, depth)])
        service.index()
        after = service.operation(id_)
        assert (after.state, after.transaction_hash) == ("mined", before.transaction_hash)
        assert after.block_number != before.block_number
        assert sum(service.projected_lots(account).values()) == 90
        service.finish()
        service.assert_consistent()

    def test_reverts_afterwards__failed_only_when_final_and_certain(self, service: Service) -> None:
        """In the other history somebody else has used the ref up."""
        service.chain.mine(FINALITY_BLOCKS + 2)
        account, ref = secrets.token_bytes(20), secrets.token_bytes(32)
        id_ = service.ask_issue(account, 90, ref)
        service.submit()
        service.chain.mine(1)
        service.index()
        token = service.token
        rival = service.deployment.accounts[5]
        grant = points_token.encode_grant_role(token.role("ISSUER_ROLE"), rival)
        theirs = [
            _signed(service, service.deployment.accounts[0], grant),
            _signed(service, rival, points_token.encode_issue(secrets.token_bytes(20), 1, ref)),
        ]
        ours = "0x" + service.attempts()[0].raw.hex()
        service.chain.reorganise(2, [(theirs[0], 0), (theirs[1], 0), (ours, 1)])
        service.index()
        judged = service.operation(id_)
        assert (judged.state, judged.error_code) == ("mined", "RefAlreadyUsed")
        service.chain.mine(FINALITY_BLOCKS)
        service.index()
        service.submit()
        assert (service.operation(id_).state, service.operation(id_).error_code) == ("failed", "RefAlreadyUsed")
        assert service.projected_lots(account) == {}
        service.assert_consistent()

    def test_order_changed__dependent_fails_in_between__mended_by_itself(self, service: Service) -> None:
        """Hold and capture have different signers; the other history has the capture first."""
        key, ref = secrets.token_bytes(32), secrets.token_bytes(32)
        account = service.account(key)
        service.ask_issue(account, 90)
        service.finish()
        deadline = int(service.client.block("latest")["timestamp"], 16) + 3600
        hold = points_token.encode_hold_managed(key, 60, ref, deadline)
        service.ask("hold", hold, service.custodian)
        service.submit()
        service.index()
        capture = service.ask("capture", points_token.encode_capture(account, ref, 60))
        service.submit()
        service.index()
        assert service.operation(capture).state == "mined"
        raws = {attempt.signer: "0x" + attempt.raw.hex() for attempt in service.attempts()}
        service.chain.reorganise(2, [(raws[service.issuer], 0), (raws[service.custodian], 1)])
        service.index()
        assert service.operation(capture).error_code == "HoldNotOpen"
        service.finish()
        assert service.operation(capture).state == "final"
        assert service.token.balance_of(account) == 30
        service.assert_consistent()

    def test_both_dropped__sent_again_in_their_order(self, service: Service) -> None:
        key, ref = secrets.token_bytes(32), secrets.token_bytes(32)
        account = service.account(key)
        service.ask_issue(account, 90)
        service.finish()
        deadline = int(service.client.block("latest")["timestamp"], 16) + 3600
        service.ask("hold", points_token.encode_hold_managed(key, 60, ref, deadline), service.custodian)
        service.submit()
        service.index()
        service.ask("capture", points_token.encode_capture(account, ref, 60))
        service.submit()
        service.index()
        service.chain.reorganise(2)
        service.index()
        service.finish()
        assert {operation.state for operation in service.operations()} == {"final"}
        assert len({(attempt.signer, attempt.nonce) for attempt in service.attempts()}) == 3
        service.assert_consistent()

    def test_dropped_below_one_on_its_way__that_fails_first__mended_by_itself(self, service: Service) -> None:
        """The redemption was signed because the issue had been mined; now it is mined before it."""
        key = secrets.token_bytes(32)
        service.ask_issue(service.account(key), 90)
        service.submit()
        service.index()
        service.chain.automine(False)
        redeem = service.ask_redeem(key, 60)
        service.submit()
        assert service.operation(redeem).state == "sent"
        service.chain.reorganise(1)
        service.chain.mine(1)
        service.index()
        judged = service.operation(redeem)
        assert (judged.state, judged.error_code) == ("mined", "ERC20InsufficientBalance")
        service.finish()
        assert service.operation(redeem).state == "final"
        assert service.token.balance_of(service.account(key)) == 30
        service.assert_consistent()

    def test_signed_anew_between_two_reorganisations__nobody_waits_in_a_circle(self, service: Service) -> None:
        """What failed and was signed anew was asked for before what was mined meanwhile, but comes after it."""
        key, other = secrets.token_bytes(32), secrets.token_bytes(32)
        service.ask_issue(service.account(other), 90)
        service.finish()
        service.ask_issue(service.account(key), 90)
        service.submit()
        service.index()
        service.chain.automine(False)
        failing = service.ask_redeem(key, 60)
        service.submit()
        service.chain.reorganise(1)
        service.chain.mine(1)
        service.index()
        assert service.operation(failing).error_code == "ERC20InsufficientBalance"
        failed_in = service.chain.client.block_number()
        _step(service)
        service.ask_issue(secrets.token_bytes(20), 8)
        _step(service)
        service.ask_redeem(other, 10)
        _step(service)
        service.chain.mine(failed_in + FINALITY_BLOCKS - service.chain.client.block_number())
        service.index()
        service.submit()
        anew, last = service.outbox()[2], service.outbox()[4]
        assert (anew.signer, anew.state) == (last.signer, "sent")
        assert (anew.nonce or 0) > (last.nonce or 0)
        service.chain.reorganise(service.chain.client.block_number() - failed_in - 1)
        service.index()
        service.finish()
        assert {operation.state for operation in service.operations()} == {"final"}
        service.assert_consistent()

    def test_earlier_one_cannot_be_sent__waits_for_it_some_time_only(self, service: Service) -> None:
        key = secrets.token_bytes(32)
        service.ask_issue(service.account(key), 90)
        service.finish()
        service.ask_issue(secrets.token_bytes(20), 8)
        service.submit()
        service.index()
        redeem = service.ask_redeem(key, 60)
        service.submit()
        service.index()
        service.chain.reorganise(2)
        service.chain.set_balance(service.issuer, 0)
        service.index()
        for _ in range(40):
            _step(service)
        assert service.operation(redeem).state == "sent"
        service.until(lambda: service.operation(redeem).state == "mined", rounds=20)

    def test_only_others_dropped__ours_fails_without_them__mended_by_itself(self, service: Service) -> None:
        key = secrets.token_bytes(32)
        service.ask_issue(service.account(key), 90)
        service.finish()
        service.chain.automine(False)
        for name in ("pause()", "unpause()"):
            service.chain.rpc(
                "eth_sendRawTransaction", _signed(service, service.deployment.accounts[0], selector(name))
            )
            _step(service)
        redeem = service.ask_redeem(key, 60)
        service.submit()
        service.chain.reorganise(1)
        _step(service)
        judged = service.operation(redeem)
        assert (judged.state, judged.error_code) == ("mined", "EnforcedPause")
        theirs = _signed(service, service.deployment.accounts[0], selector("unpause()"))
        service.chain.rpc("eth_sendRawTransaction", theirs)
        service.finish()
        assert service.operation(redeem).state == "final"
        service.assert_consistent()

    def test_chain_becomes_shorter__waits_then_follows(self, service: Service) -> None:
        id_, _ = _mined_issue(service, 1)
        snapshot = service.chain.snapshot()
        service.chain.mine(3)
        service.index()
        service.chain.revert(snapshot)
        assert service.index() == 0
        assert service.operation(id_).state == "mined"
        service.chain.mine(1, 977)
        service.index()
        service.finish()
        service.assert_consistent()


class TestPastFinality:
    def test_depth_finality_plus_one__halts_until_a_person_rebuilds(self, service: Service) -> None:
        id_, account = _mined_issue(service, 1)
        service.chain.mine(FINALITY_BLOCKS)
        service.index()
        assert service.operation(id_).state == "final"
        before = service.snapshot()
        service.chain.reorganise(FINALITY_BLOCKS + 1)
        for _ in range(2):
            with pytest.raises(IndexerHaltedError, match="below its final block"):
                service.indexer.run_once()
        assert service.snapshot() == before
        assert "person" in (service.cursor().halted_reason or "")
        rebuild_projection(service.sessions, service.indexer, 31337)
        assert service.cursor().halted_reason is None
        assert service.projected_lots(account) == {}


def _step(service: Service) -> None:
    service.submit()
    service.chain.mine(1)
    service.index()


def _signed(service: Service, sender: bytes, data: bytes) -> str:
    """A call of the token, for the chain's other history."""
    signers: DevSigners = service.deployment.signers
    raw = signers.signer(sender).sign_transaction(
        {
            "type": 2,
            "chainId": 31337,
            "nonce": service.chain.client.transaction_count("0x" + sender.hex()),
            "to": service.entry.token,
            "value": 0,
            "data": "0x" + data.hex(),
            "gas": 200_000,
            "maxFeePerGas": 10**11,
            "maxPriorityFeePerGas": 2 * 10**9,
        }
    )
    return "0x" + raw.hex()
