"""Kills a real worker at every point where something has just been, or is about to be, kept - and starts another.

The outcome must be that of a twin that nobody disturbed: the same lots, entries, events and operation states, nonces
without gaps, every ref once.
"""

from __future__ import annotations

import multiprocessing
import signal
import time
from multiprocessing.process import BaseProcess

import pytest
from eth_utils.crypto import keccak
from sqlalchemy.orm import Session, sessionmaker

from backend.chain import points_token
from backend.chain.event_types import Lot
from backend.database import make_engine, make_sessions
from tests.integration.chain.service import Service, Snapshot
from tests.integration.chain.worker_process import main
from tests.support.anvil import DAY, START, Anvil, Deployment, deploy
from tests.support.postgres import TestPostgres

# Processes come from a server that has the modules loaded: real ones, without a start of seconds each.
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["tests.integration.chain.worker_process"])

CRASH_POINTS = [
    "submitter.after_preflight",
    "submitter.before_sign:2",
    "submitter.after_sign:3",
    "submitter.before_store",
    "submitter.after_store",
    "submitter.before_broadcast:2",
    "submitter.after_broadcast",
    "submitter.before_acknowledge:2",
    "submitter.after_acknowledge",
    "indexer.before_write",
    "indexer.before_cursor:2",
    "indexer.before_commit",
    "indexer.after_commit:2",
]


def ref(name: str) -> bytes:
    """A ref that is the same in both twins."""
    return keccak(text=name)


def _ask_for_everything(service: Service) -> None:
    """Every operation there is, with refs that are the same in both twins; some depend on others, one must fail."""
    keys = [keccak(text=f"member {n}") for n in range(6)]
    accounts = [service.account(key) for key in keys]
    credited = [(account, 100 + n) for n, account in enumerate(accounts)]
    service.ask("issue_batch", points_token.encode_issue_batch(ref("batch"), credited))
    for n, key in enumerate(keys[:3]):
        service.ask_redeem(key, 40 + n, ref(f"redeem {n}"))
    deadline = START + 2 * DAY
    service.ask("hold", points_token.encode_hold_managed(keys[3], 60, ref("hold"), deadline), service.custodian)
    service.ask("capture", points_token.encode_capture(accounts[3], ref("hold"), 25))
    epoch = START // (30 * DAY)
    lots = [Lot(epoch, 40)]
    service.ask("refund", points_token.encode_refund(ref("redeem 0"), accounts[0], lots, 15))
    service.ask("refund", points_token.encode_refund(ref("redeem 0"), accounts[0], lots, 10))
    service.ask("clawback", points_token.encode_clawback(accounts[4], epoch, 30, ref("clawback")))
    service.ask_redeem(keys[5], 1_000, ref("too much"))
    service.ask("issue_batch", points_token.encode_issue_batch(ref("batch 2"), credited))


@pytest.fixture(scope="module")
def undisturbed(postgres_server: TestPostgres, tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """What the twin that runs without a fault comes to."""
    name = postgres_server.create()
    engine = make_engine(postgres_server.url(name))
    with Anvil(timestamp=START) as chain:
        service = Service(deploy(chain, tmp_path_factory.mktemp("twin")), make_sessions(engine))
        _ask_for_everything(service)
        service.finish()
        service.assert_consistent()
        snapshot = service.snapshot()
        service.client.close()
    engine.dispose()
    postgres_server.drop(name)
    return snapshot


def _start_worker(database_url: str, deployment: Deployment, crash_at: str = "") -> BaseProcess:
    arguments = (database_url, deployment.chain.url, deployment.manifest_path, crash_at)
    worker = _PROCESSES.Process(target=main, args=arguments, daemon=True)
    worker.start()
    return worker


def _wait(worker: BaseProcess, chain: Anvil, timeout_seconds: float = 120.0) -> int | None:
    """Mines while the worker works; answers its exit status."""
    deadline = time.monotonic() + timeout_seconds
    try:
        while worker.is_alive() and time.monotonic() < deadline:
            chain.mine(1)
            worker.join(0.1)
        assert not worker.is_alive(), "the worker did not end"
        return worker.exitcode
    finally:
        worker.kill()
        worker.join()


def _assert_same(ours: Snapshot, undisturbed: Snapshot) -> None:
    """Part by part: a difference is then easy to read."""
    assert ours.operations == undisturbed.operations
    assert ours.events == undisturbed.events
    assert ours.entries == undisturbed.entries
    assert ours.lots == undisturbed.lots


class TestKilledWorker:
    @pytest.mark.parametrize("crash_at", CRASH_POINTS)
    def test_kill__restart__same_as_undisturbed(
        self,
        crash_at: str,
        undisturbed: Snapshot,
        database_url: str,
        deployment: Deployment,
        sessions: sessionmaker[Session],
    ) -> None:
        service = Service(deployment, sessions)
        _ask_for_everything(service)
        killed = _start_worker(database_url, deployment, crash_at)
        assert _wait(killed, deployment.chain) == -signal.SIGKILL
        assert _wait(_start_worker(database_url, deployment), deployment.chain) == 0
        service.index()
        _assert_same(service.snapshot(), undisturbed)
        service.assert_consistent()
        service.client.close()

    def test_kill_while_undoing__restart__undone_once(
        self, database_url: str, deployment: Deployment, sessions: sessionmaker[Session], undisturbed: Snapshot
    ) -> None:
        service = Service(deployment, sessions)
        _ask_for_everything(service)
        service.submit()
        service.index()
        deployment.chain.mine(1)
        service.index()
        service.submit()
        service.index()
        for submitter in service.submitters:
            submitter.close()
        deployment.chain.reorganise(3)
        for crash_at in ("indexer.before_undo_cursor", "indexer.after_undo"):
            killed = _start_worker(database_url, deployment, crash_at)
            assert _wait(killed, _Still(deployment.chain)) == -signal.SIGKILL
        assert _wait(_start_worker(database_url, deployment), deployment.chain) == 0
        service.index()
        _assert_same(service.snapshot(), undisturbed)
        service.assert_consistent()
        service.client.close()

    def test_kill_after_a_replacement_was_stored__restart__mined_once(
        self, database_url: str, deployment: Deployment, sessions: sessionmaker[Session], undisturbed: Snapshot
    ) -> None:
        service = Service(deployment, sessions)
        _ask_for_everything(service)
        deployment.chain.automine(False)
        service.submit()
        for submitter in service.submitters:
            submitter.close()
        killed = _start_worker(database_url, deployment, "submitter.after_store_replacement")
        assert _wait(killed, _Dear(deployment.chain)) == -signal.SIGKILL
        assert len(service.attempts()) > len({(attempt.signer, attempt.nonce) for attempt in service.attempts()})
        deployment.chain.set_base_fee(10**9)
        assert _wait(_start_worker(database_url, deployment), deployment.chain) == 0
        service.index()
        _assert_same(service.snapshot(), undisturbed)
        service.assert_consistent()
        service.client.close()


class _Dear(Anvil):
    """A chain whose blocks cost more than anybody offered."""

    def __init__(self, chain: Anvil) -> None:
        self.client = chain.client

    def mine(self, blocks: int = 1, interval_seconds: int | None = None) -> None:
        """Blocks that hold nothing, because they cost too much."""
        self.set_base_fee(50 * 10**9)
        super().mine(blocks, interval_seconds)


class _Still(Anvil):
    """A chain that does not grow while a worker is waited for."""

    def __init__(self, chain: Anvil) -> None:
        self.client = chain.client

    def mine(self, blocks: int = 1, interval_seconds: int | None = None) -> None:
        """Nothing."""
