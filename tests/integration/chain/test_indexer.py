"""The indexer on its own: many steps, two at once, a programme that joins later."""

from __future__ import annotations

import secrets
import threading
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from backend.chain.deploy import Deployer
from backend.chain.indexer import Indexer, IndexerConfig
from backend.chain.models import Block, LotBalance, LotEntry
from backend.chain.points_token import PointsToken, encode_issue, encode_transfer
from backend.database import transaction
from tests.integration.chain.service import Service
from tests.support.anvil import DAY, Deployment, plan


class TestRunOnce:
    def test_small_steps__same_as_large_ones(self, service: Service) -> None:
        for _ in range(6):
            service.ask_issue(secrets.token_bytes(20), 9)
            service.submit()
        service.chain.mine(12)
        small = Indexer(
            service.sessions,
            service.client,
            service.deployment.manifest,
            IndexerConfig(max_blocks=3, gas_at_a_time=1),
        )
        steps = []
        while done := small.run_once():
            steps.append(done)
        assert max(steps) <= 3
        assert service.cursor().next_block == service.chain.client.block_number() + 1
        assert {operation.state for operation in service.operations()} <= {"mined", "final"}
        service.assert_consistent()

    def test_two_at_once__each_block_once(self, service: Service) -> None:
        for _ in range(30):
            service.ask_issue(secrets.token_bytes(20), 9)
            service.submit()
        errors: list[Exception] = []

        def work() -> None:
            config = IndexerConfig(max_blocks=2)
            indexer = Indexer(service.sessions, service.client, service.deployment.manifest, config)
            try:
                for _ in range(40):
                    indexer.run_once()
            except Exception as error:  # noqa: BLE001
                errors.append(error)

        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not errors
        service.index()
        service.assert_consistent()

    def test_blocks__linked_by_their_parents(self, service: Service) -> None:
        service.chain.mine(5)
        service.index()
        with transaction(service.sessions) as session:
            blocks = list(session.scalars(select(Block).order_by(Block.number)))
        assert [after.parent_hash for after in blocks[1:]] == [before.hash for before in blocks[:-1]]

    def test_lots_expire__spent_fefo_and_evicted__as_the_contract_says(self, service: Service) -> None:
        member = service.deployment.accounts[6]
        sender = service.submitter(member)
        other = secrets.token_bytes(20)
        for points in (100, 200, 300):
            service.ask_issue(member, points)
            service.finish()
            service.chain.jump(45 * DAY)
        service.ask("transfer", encode_transfer(other, 150), member)
        service.submit(sender)
        service.index()
        service.assert_consistent()
        service.chain.jump(60 * DAY)
        service.ask_issue(member, 1)
        service.ask("transfer", encode_transfer(other, 120), member)
        service.submit(sender)
        service.submit(sender)
        service.finish()
        service.assert_consistent()
        with transaction(service.sessions) as session:
            assert set(session.scalars(select(LotEntry.kind))) == {"issue", "transfer", "expire"}


class TestNewProgramme:
    def test_joins_later__indexed_from_its_deployment(
        self, service: Service, deployment: Deployment, sessions: sessionmaker[Session], tmp_path: Path
    ) -> None:
        before = secrets.token_bytes(20)
        service.ask_issue(before, 11)
        service.finish()
        admin = deployment.signers.signer(deployment.accounts[0])
        plans = [plan("grocer", deployment.signers), plan("fuel", deployment.signers)]
        manifest = Deployer(service.chain.client, admin).deploy(plans, deployment.manifest_path)
        service.chain.mine(2)
        service.index()  # The old indexer goes past the new token's first blocks.
        token = manifest.programme("fuel").token_bytes
        account = secrets.token_bytes(20)
        service.entry = manifest.programme("fuel")
        service.ask("issue", encode_issue(account, 77, secrets.token_bytes(32)))
        service.submit()
        service.index()
        states = [operation.state for operation in service.operations()]
        indexer = Indexer(sessions, service.client, manifest)
        while indexer.run_once():
            pass
        with transaction(sessions) as session:
            lots = {(lot.token, lot.account): lot.points for lot in session.scalars(select(LotBalance))}
        assert lots == {(deployment.token, before): 11, (token, account): 77}
        assert PointsToken(service.client, token).balance_of(account) == 77
        assert [operation.state for operation in service.operations()] == states
