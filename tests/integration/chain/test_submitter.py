"""Submission under faults: refusals, fees, lost answers, two senders, old backups."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
from eth_account import Account
from sqlalchemy.orm import Session, sessionmaker

from backend.chain.errors import ChainError, ChainUnavailableError, SubmitterHaltedError
from backend.chain.points_token import encode_issue
from tests.integration.chain.service import CONFIG, Service
from tests.support.anvil import Deployment
from tests.support.strict_proxy import StrictProxy


@pytest.fixture
def proxy(deployment: Deployment) -> Iterator[StrictProxy]:
    with StrictProxy(deployment.chain.url) as proxy:
        yield proxy


@pytest.fixture
def strict(deployment: Deployment, sessions: sessionmaker[Session], proxy: StrictProxy) -> Iterator[Service]:
    """The service behind the proxy."""
    service = Service(deployment, sessions, [proxy.url])
    yield service
    service.client.close()


def _issue(service: Service, points: int = 7) -> tuple[str, bytes]:
    account = secrets.token_bytes(20)
    return service.ask_issue(account, points), account


class TestFees:
    def test_base_fee_hundredfold__stuck__replaced_until_mined(self, strict: Service) -> None:
        strict.chain.automine(False)
        id_, account = _issue(strict)
        strict.submit()
        paid = int(strict.attempts()[0].max_fee_per_gas)
        for _ in range(3):
            strict.chain.set_base_fee(100 * 10**9)
            strict.chain.mine(1)
        assert strict.operation(id_).state == "sent"
        strict.until(lambda: strict.operation(id_).state == "mined")
        attempts = strict.attempts()
        assert len(attempts) > 1
        assert {attempt.nonce for attempt in attempts} == {0}
        assert int(attempts[1].max_fee_per_gas) >= -(-paid * 9 // 8)
        strict.finish()
        assert strict.token.balance_of(account) == 7
        strict.assert_consistent()

    def test_base_fee_above_cap__waits__goes_on_below(self, service: Service) -> None:
        capped = service.with_fee_cap(20)
        service.chain.set_base_fee(50 * 10**9)
        service.chain.mine(1)
        id_, _ = _issue(service)
        service.submit(capped)
        assert service.operation(id_).state == "pending"
        assert not service.attempts()
        service.chain.set_base_fee(10**9)
        service.chain.mine(1)
        service.submit(capped)
        service.index()
        assert service.operation(id_).state == "mined"
        assert all(int(attempt.max_fee_per_gas) <= 20 * 10**9 for attempt in service.attempts())

    def test_empty_sender__nothing_signed__goes_on_when_topped_up(self, service: Service) -> None:
        service.chain.set_balance(service.issuer, 0)
        id_, account = _issue(service)
        service.submit()
        waiting = service.operation(id_)
        assert (waiting.state, waiting.error_code) == ("pending", "InsufficientFunds")
        assert not service.attempts()
        service.chain.set_balance(service.issuer, 10**18)
        service.finish()
        assert service.operation(id_).error_code is None
        assert service.token.balance_of(account) == 7

    def test_replacement_underpriced__not_a_success__raised_until_taken(
        self, strict: Service, proxy: StrictProxy
    ) -> None:
        proxy.replacement_percent = 40
        strict.chain.automine(False)
        id_, _ = _issue(strict)
        strict.submit()
        for _ in range(2):
            strict.chain.set_base_fee(3 * 10**9)
            strict.chain.mine(1)
        strict.submit()
        assert strict.operation(id_).state == "sent"
        strict.until(lambda: strict.operation(id_).state == "mined", rounds=20)
        strict.finish()
        strict.assert_consistent()


class TestBroadcast:
    def test_accepted_then_dropped__offered_again__mined_once(self, strict: Service, proxy: StrictProxy) -> None:
        proxy.drop_transactions = True
        ids = [_issue(strict) for _ in range(3)]
        strict.submit()
        strict.chain.mine(1)
        strict.index()
        assert {strict.operation(id_).state for id_, _ in ids} == {"sent"}
        proxy.drop_transactions = False
        strict.finish()
        assert [strict.token.balance_of(account) for _, account in ids] == [7, 7, 7]
        assert len(strict.attempts()) == 3
        strict.assert_consistent()

    def test_sent_but_no_answer__unknown_is_not_failed__mined_once(self, strict: Service, proxy: StrictProxy) -> None:
        proxy.hang_up_after_sending = 2
        id_, account = _issue(strict)
        with pytest.raises(ChainUnavailableError):
            strict.submit()
        assert strict.operation(id_).state == "sent"
        assert strict.attempts()[0].broadcast_at is None
        proxy.hang_up_after_sending = 0
        strict.finish()
        assert strict.token.balance_of(account) == 7
        assert len(strict.attempts()) == 1
        strict.assert_consistent()

    def test_too_many_requests__bounded_retries__goes_on_later(self, strict: Service, proxy: StrictProxy) -> None:
        id_, _ = _issue(strict)
        proxy.too_many_requests = 10_000
        with pytest.raises(ChainUnavailableError):
            strict.submit()
        assert proxy.too_many_requests > 9_900
        proxy.too_many_requests = 1
        strict.submit()
        strict.finish()
        assert strict.operation(id_).state == "final"

    def test_bytes_that_no_node_takes__nonce_used_up__failed_when_final(
        self, strict: Service, proxy: StrictProxy
    ) -> None:
        proxy.refuse_with = "exceeds block gas limit"
        id_, account = _issue(strict)
        strict.submit()
        proxy.refuse_with = None
        later, other = _issue(strict)
        strict.finish()
        failed = strict.operation(id_)
        assert (failed.state, failed.error_code) == ("failed", "TransactionInvalid")
        assert strict.operation(later).state == "final"
        assert (strict.token.balance_of(account), strict.token.balance_of(other)) == (0, 7)
        strict.assert_consistent()

    def test_out_of_gas__tried_again_when_final__mined_once(self, strict: Service, proxy: StrictProxy) -> None:
        proxy.alter = lambda method, params, result: hex(30_000) if method == "eth_estimateGas" else result
        id_, account = _issue(strict)
        strict.submit()
        strict.index()
        assert (strict.operation(id_).state, strict.operation(id_).error_code) == ("mined", "OutOfGas")
        proxy.alter = None
        strict.finish()
        assert strict.operation(id_).state == "final"
        assert strict.token.balance_of(account) == 7
        strict.assert_consistent()

    def test_wrong_chain__endpoint_never_used(self, strict: Service, proxy: StrictProxy) -> None:
        proxy.chain_id = "0x1"
        _issue(strict)
        with pytest.raises(ChainError, match="belongs to chain"):
            strict.submit()
        assert set(proxy.requests) == {"eth_chainId"}


class TestTwoSubmitters:
    def test_lease_held__second_does_nothing(self, service: Service) -> None:
        second = service.submitter(service.issuer)
        _issue(service)
        service.submit()
        _issue(service)
        assert service.submit(second) == 0
        service.submitters[0].close()
        assert service.submit(second) > 0

    @pytest.mark.parametrize("lease_seconds", [15.0, 0.0])
    def test_two_threads_on_one_key__each_operation_once(self, service: Service, lease_seconds: float) -> None:
        """With a lease of no length both think they hold it: only the lock on the signer's row keeps them apart."""
        config = replace(CONFIG, lease_seconds=lease_seconds)
        asked = [_issue(service, points=11) for _ in range(40)]
        submitters = [service.submitter(service.issuer, config) for _ in range(2)]
        errors: list[Exception] = []

        def work(index: int) -> None:
            try:
                for _ in range(15):
                    submitters[index].run_once()
            except Exception as error:  # noqa: BLE001
                errors.append(error)

        threads = [threading.Thread(target=work, args=(index,)) for index in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not errors
        service.submitters = [service.submitter(service.issuer, config)]
        service.finish()
        assert [service.operation(id_).state for id_, _ in asked] == ["final"] * 40
        assert [service.token.balance_of(account) for _, account in asked] == [11] * 40
        service.assert_consistent()


class TestForeignNonce:
    def test_key_used_elsewhere__halts_and_signs_nothing(self, service: Service) -> None:
        first, _ = _issue(service)
        service.finish()
        key = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"  # anvil's second account
        account = Account.from_key(key)
        target = service.entry.token
        data = "0x" + encode_issue(secrets.token_bytes(20), 1, secrets.token_bytes(32)).hex()
        fields = {"type": 2, "chainId": 31337, "nonce": 1, "to": target, "value": 0, "data": data, "gas": 200_000}
        signed = account.sign_transaction({**fields, "maxFeePerGas": 10**10, "maxPriorityFeePerGas": 10**9})
        assert service.chain.client.send_raw(bytes(signed.raw_transaction)) is None
        id_, _ = _issue(service)
        with pytest.raises(SubmitterHaltedError, match="old backup"):
            service.submit()
        assert service.operation(first).state == "final"
        assert service.operation(id_).state == "pending"
        assert len(service.attempts()) == 1
