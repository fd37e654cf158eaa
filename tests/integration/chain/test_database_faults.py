"""The database fails: connection lost, disk full, old backup restored, projection dropped; and clocks an hour off."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from itertools import count

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import Connection, Engine, event, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from backend.chain import points_token
from backend.chain.errors import SubmitterHaltedError
from backend.chain.event_types import Lot
from backend.chain.models import Block, Cursor, LotBalance, LotEntry, TokenEvent, TransactionAttempt
from backend.chain.rebuild import rebuild_projection
from backend.chain.restore import NotFinalYetError, resume_signer
from backend.database import Base, make_engine, make_sessions, transaction
from tests.integration.chain.service import Service
from tests.support.anvil import Anvil, deploy

_numbers = count(1)


def _rows(sessions: sessionmaker[Session], table: type[Base]) -> list[tuple[object, ...]]:
    """Whole rows without their generated id."""
    columns = [column for column in table.__table__.columns if column.name != "id"]
    with transaction(sessions) as session:
        return sorted((tuple(row) for row in session.execute(select(*columns))), key=str)


def _busy(service: Service) -> list[str]:
    """A little of everything, asked for."""
    keys = [secrets.token_bytes(32) for _ in range(3)]
    accounts = [service.account(key) for key in keys]
    batch = points_token.encode_issue_batch(secrets.token_bytes(32), [(account, 100) for account in accounts])
    ids = [service.ask("issue_batch", batch)]
    ids += [service.ask_redeem(key, 30) for key in keys]
    ids += [service.ask_issue(accounts[0], 5)]
    return ids


class _Saboteur:
    """Loses the connection at one commit: before it reaches the server, or after it was done."""

    def __init__(self, engine: Engine, at: int, *, after: bool) -> None:
        self._engine = engine
        self._at = at
        self._after = after
        self.commits = 0
        self.lost = False
        self._url = make_url(str(engine.url.render_as_string(hide_password=False))).set(drivername="postgresql")
        event.listen(engine, "commit", self._on_commit)

    def _on_commit(self, connection: Connection) -> None:
        self.commits += 1
        if self.commits != self._at or self.lost:
            return
        self.lost = True
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        pid = driver.info.backend_pid
        if self._after:
            driver.commit()
        with psycopg.connect(self._url.render_as_string(hide_password=False), autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 60000)", (pid,))
        if self._after:  # The driver has nothing left to send, so it would not notice.
            lost = psycopg.OperationalError("the connection was lost")
            raise OperationalError("COMMIT", None, lost, connection_invalidated=True)

    def stop(self) -> None:
        """Lets later commits be."""
        event.remove(self._engine, "commit", self._on_commit)


class TestConnectionLost:
    @pytest.mark.parametrize("after", [False, True])
    def test_at_any_commit__goes_on__each_operation_once(self, service: Service, engine: Engine, after: bool) -> None:
        losses = 0
        for at in range(1, 16, 2):
            ids = _busy(service)
            saboteur = _Saboteur(engine, at, after=after)
            for _ in range(4):
                try:
                    service.submit()
                    service.chain.mine(1)
                    service.index()
                except DBAPIError:
                    losses += 1
            saboteur.stop()
            service.finish()
            assert {service.operation(id_).state for id_ in ids} == {"final"}
        assert losses >= 4
        service.assert_consistent()


class _FullDisk:
    """While it lasts, PostgreSQL refuses new rows of `table` with the error of a full disk (SQLSTATE 53100)."""

    _REFUSE = (
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'No space left on device' USING ERRCODE = 'disk_full'; END $$"
    )

    def __init__(self, engine: Engine, table: type[Base]) -> None:
        self._engine = engine
        self._table = table.__tablename__

    def __enter__(self) -> None:
        with self._engine.begin() as connection:
            connection.execute(text(self._REFUSE))
            connection.execute(
                text(f"CREATE TRIGGER full_disk BEFORE INSERT ON {self._table} EXECUTE FUNCTION refuse()")
            )

    def __exit__(self, *_: object) -> None:
        with self._engine.begin() as connection:
            connection.execute(text("DROP FUNCTION refuse() CASCADE"))


class TestDiskFull:
    def test_submitter__sends_nothing__goes_on_with_room(self, service: Service, engine: Engine) -> None:
        ids = _busy(service)
        issuer = "0x" + service.issuer.hex()
        before = service.client.transaction_count(issuer, "pending"), len(service.attempts())
        with _FullDisk(engine, TransactionAttempt), pytest.raises(DBAPIError, match="No space left on device"):
            service.submitters[0].run_once()
        assert (service.client.transaction_count(issuer, "pending"), len(service.attempts())) == before
        service.finish()
        assert {service.operation(id_).state for id_ in ids} == {"final"}
        service.assert_consistent()

    @pytest.mark.parametrize("table", [Block, LotEntry])
    def test_indexer__moves_nothing__goes_on_with_room(
        self, service: Service, engine: Engine, table: type[Base]
    ) -> None:
        service.index()
        ids = _busy(service)
        service.submit()
        service.chain.mine(1)
        projected = [_rows(service.sessions, each) for each in (Block, LotEntry, LotBalance, Cursor)]
        with _FullDisk(engine, table), pytest.raises(psycopg.errors.DiskFull):
            service.index()
        assert [_rows(service.sessions, each) for each in (Block, LotEntry, LotBalance, Cursor)] == projected
        service.finish()
        assert {service.operation(id_).state for id_ in ids} == {"final"}
        service.assert_consistent()


class TestOldBackup:
    @pytest.fixture
    def backup(self, service: Service, engine: Engine) -> Iterator[str]:
        """A copy of the database, taken while everything was still waiting to be sent."""
        _busy(service)
        service.finish()
        key = secrets.token_bytes(32)
        service.ask_issue(service.account(key), 100)
        service.finish()
        ref = secrets.token_bytes(32)
        service.ask_redeem(key, 80, ref)
        service.finish()
        (epoch,) = service.projected_lots(service.account(key))
        for points in (20, 30):
            refund = points_token.encode_refund(ref, service.account(key), [Lot(epoch, 80)], points)
            service.ask("refund", refund)
        for submitter in service.submitters:
            submitter.close()  # Otherwise the copy would wait for the lease to end.
        engine.dispose()
        url = make_url(engine.url.render_as_string(hide_password=False))
        name = f"{url.database}_backup"
        server = url.set(drivername="postgresql", database="postgres").render_as_string(hide_password=False)
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(statement.format(sql.Identifier(name), sql.Identifier(url.database or "")))
        yield url.set(database=name).render_as_string(hide_password=False)
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def test_restored__signs_nothing__resumed_without_paying_twice(self, service: Service, backup: str) -> None:
        supply_before = service.token.total_supply()
        service.submit()
        service.chain.mine(1)
        assert service.token.total_supply() == supply_before + 50
        engine = make_engine(backup)
        restored = Service(service.deployment, make_sessions(engine))
        signed = len(restored.attempts())
        for _ in range(2):
            with pytest.raises(SubmitterHaltedError):
                restored.submitters[0].run_once()
        restored.index()
        assert [o.state for o in restored.operations()[-2:]] == ["pending", "pending"]
        assert len(restored.attempts()) == signed
        with pytest.raises(NotFinalYetError):
            resume_signer(restored.submitters[0].sending)
        service.chain.mine(9)
        restored.index()
        resumption = resume_signer(restored.submitters[0].sending)
        assert (resumption.lost, resumption.adopted) == (2, 2)
        assert [o.state for o in restored.operations()[-2:]] == ["final", "final"]
        later = restored.ask_issue(secrets.token_bytes(20), 1)
        restored.finish()
        assert restored.operation(later).state == "final"
        assert service.token.total_supply() == supply_before + 51
        restored.assert_consistent()
        restored.client.close()
        engine.dispose()


class TestRebuild:
    def test_projection_dropped__replayed__same_rows(self, service: Service) -> None:
        _busy(service)
        service.finish()
        _busy(service)
        service.settle(14)
        tables = (LotBalance, LotEntry, TokenEvent, Block)
        before = [_rows(service.sessions, table) for table in tables]
        operations = service.snapshot().operations
        steps: list[int] = []
        total = rebuild_projection(service.sessions, service.indexer, 31337, steps.append)
        assert total == sum(steps) > 20
        assert [_rows(service.sessions, table) for table in tables] == before
        assert service.snapshot().operations == operations
        service.assert_consistent()


class TestClocks:
    @pytest.mark.parametrize("skew_seconds", [-3600, 3600])
    def test_chain_an_hour_off__same_way(
        self, skew_seconds: int, sessions: sessionmaker[Session], tmp_path: object
    ) -> None:
        from pathlib import Path

        with Anvil(timestamp=int(time.time()) + skew_seconds) as chain:
            service = Service(deploy(chain, Path(str(tmp_path))), sessions)
            key = secrets.token_bytes(32)
            service.ask_issue(service.account(key), 50)
            deadline = int(chain.client.block("latest")["timestamp"], 16) + 600
            ref = secrets.token_bytes(32)
            service.ask("hold", points_token.encode_hold_managed(key, 20, ref, deadline), service.custodian)
            service.finish()
            assert service.token.hold_of(service.account(key), ref) is not None
            service.ask("capture", points_token.encode_capture(service.account(key), ref, 20))
            service.finish()
            assert {operation.state for operation in service.operations()} == {"final"}
            service.assert_consistent()
            service.client.close()
