"""Reorganisations of depth 1 to finality ± 1."""

from __future__ import annotations

import secrets

import pytest

from backend.chain.errors import IndexerHaltedError
from backend.chain.rebuild import rebuild_projection
from backend.chain.signers import DevSigners
from tests.integration.chain.service import FINALITY_BLOCKS, Service

_PAUSE = "0x8456cb59"


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

    def test_reverts_afterwards__failed_only_when_final(self, service: Service) -> None:
        id_, account = _mined_issue(service, 2)
        raw = "0x" + service.attempts()[0].raw.hex()
        service.chain.reorganise(2, [(_pause_transaction(service), 0), (raw, 1)])
        service.index()
        judged = service.operation(id_)
        assert (judged.state, judged.error_code) == ("mined", "EnforcedPause")
        service.chain.mine(FINALITY_BLOCKS)
        service.index()
        assert service.operation(id_).state == "failed"
        assert service.projected_lots(account) == {}
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


def _pause_transaction(service: Service) -> str:
    """Signed by the administrator, for the chain's other history."""
    signers: DevSigners = service.deployment.signers
    admin = service.deployment.accounts[0]
    nonce = service.chain.client.transaction_count("0x" + admin.hex())
    raw = signers.signer(admin).sign_transaction(
        {
            "type": 2,
            "chainId": 31337,
            "nonce": nonce,
            "to": service.entry.token,
            "value": 0,
            "data": _PAUSE,
            "gas": 100_000,
            "maxFeePerGas": 10**10,
            "maxPriorityFeePerGas": 2 * 10**9,
        }
    )
    return "0x" + raw.hex()
