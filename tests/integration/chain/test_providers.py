"""Endpoints that lie, fall behind or fail: nothing false reaches the projection, and it converges without help."""

from __future__ import annotations

import copy
import secrets
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy.orm import Session, sessionmaker

from backend.chain.client import ChainClient
from backend.chain.errors import ChainError, ReorganisedError, UnverifiedBlockError, WrongChainError
from backend.chain.indexer import Indexer
from tests.integration.chain.service import Service
from tests.support.anvil import Anvil, Deployment
from tests.support.strict_proxy import StrictProxy


@pytest.fixture
def proxy(deployment: Deployment) -> Iterator[StrictProxy]:
    with StrictProxy(deployment.chain.url) as proxy:
        yield proxy


@pytest.fixture
def watched(service: Service) -> tuple[Service, bytes]:
    """A service whose chain holds an issue that has not been indexed yet."""
    account = secrets.token_bytes(20)
    service.ask_issue(account, 33)
    service.index()
    service.submit()
    return service, account


MakeIndexer = Callable[..., Indexer]


@pytest.fixture
def make_indexer(service: Service) -> Iterator[MakeIndexer]:
    """An indexer on the given endpoints."""
    clients = []

    def make(*urls: str) -> Indexer:
        clients.append(ChainClient(urls, 31337, timeout_seconds=60, attempts=2, backoff_seconds=0.01))
        return Indexer(service.sessions, clients[-1], service.deployment.manifest)

    yield make
    for client in clients:
        client.close()


def _receipts(change: Callable[[list[dict[str, object]]], None]) -> Callable[[str, list[object], object], object]:
    def alter(method: str, params: list[object], result: object) -> object:
        if method != "eth_getBlockReceipts" or not isinstance(result, list):
            return result
        changed = copy.deepcopy(result)
        for receipt in changed:
            change(receipt["logs"])
        return changed

    return alter


def _truncate(logs: list[dict[str, object]]) -> None:
    del logs[-1:]


def _forge_amount(logs: list[dict[str, object]]) -> None:
    logs[0]["data"] = "0x" + (10**9).to_bytes(32, "big").hex()


def _forge_another(logs: list[dict[str, object]]) -> None:
    logs.append({**logs[0], "logIndex": hex(len(logs))})


def _drop_all(logs: list[dict[str, object]]) -> None:
    logs.clear()


class TestLyingEndpoint:
    @pytest.mark.parametrize("lie", [_truncate, _forge_amount, _forge_another, _drop_all])
    def test_logs__altered__refused_and_then_right(
        self,
        watched: tuple[Service, bytes],
        proxy: StrictProxy,
        lie: Callable[[list[dict[str, object]]], None],
        make_indexer: MakeIndexer,
    ) -> None:
        service, account = watched
        proxy.alter = _receipts(lie)
        indexer = make_indexer(proxy.url)
        with pytest.raises(UnverifiedBlockError, match="receipts root"):
            indexer.run_once()
        assert service.projected_lots(account) == {}
        proxy.alter = None
        indexer.run_once()
        assert sum(service.projected_lots(account).values()) == 33

    def test_logs__altered_by_the_first_of_two__second_is_believed(
        self, watched: tuple[Service, bytes], proxy: StrictProxy, make_indexer: MakeIndexer
    ) -> None:
        service, account = watched
        proxy.alter = _receipts(_truncate)
        indexer = make_indexer(proxy.url, service.chain.url)
        with pytest.raises(UnverifiedBlockError):
            indexer.run_once()
        indexer.run_once()
        assert sum(service.projected_lots(account).values()) == 33

    def test_receipts__null__nothing_concluded(
        self, watched: tuple[Service, bytes], proxy: StrictProxy, make_indexer: MakeIndexer
    ) -> None:
        service, _ = watched
        proxy.alter = lambda method, params, result: None if "Receipt" in method else result
        indexer = make_indexer(proxy.url)
        with pytest.raises(ReorganisedError):
            indexer.run_once()
        assert service.operations()[0].state == "sent"
        proxy.alter = None
        indexer.run_once()
        assert service.operations()[0].state == "mined"

    def test_header__altered__refused(self, service: Service, proxy: StrictProxy, make_indexer: MakeIndexer) -> None:

        def alter(method: str, params: list[object], result: object) -> object:
            if method == "eth_getBlockByNumber" and isinstance(result, dict) and params[0] != "latest":
                return {**result, "timestamp": hex(int(str(result["timestamp"]), 16) + 86_400)}
            return result

        proxy.alter = alter
        with pytest.raises(UnverifiedBlockError, match="hash"):
            make_indexer(proxy.url).run_once()

    def test_chain_id__another__never_used(
        self, watched: tuple[Service, bytes], proxy: StrictProxy, make_indexer: MakeIndexer
    ) -> None:
        service, account = watched
        proxy.chain_id = "0x1"
        with pytest.raises(WrongChainError):
            make_indexer(proxy.url).run_once()
        make_indexer(proxy.url, service.chain.url).run_once()
        assert sum(service.projected_lots(account).values()) == 33

    def test_genesis__another__refused_at_the_start(self, service: Service, make_indexer: MakeIndexer) -> None:
        with Anvil(timestamp=1_000_000_000) as other, pytest.raises(WrongChainError, match="genesis"):
            make_indexer(other.url).run_once()

    def test_database_of_another_chain__refused(
        self, service: Service, sessions: sessionmaker[Session], deployment: Deployment
    ) -> None:
        service.index()
        with Anvil(timestamp=1_000_000_000) as other:
            manifest = deployment.manifest.model_copy(update={"genesis_hash": other.client.genesis_hash()})
            with pytest.raises(WrongChainError, match="The database"):
                Indexer(sessions, other.client, manifest).run_once()


class TestFailingEndpoint:
    def test_head__stale__waits_without_undoing(
        self, watched: tuple[Service, bytes], proxy: StrictProxy, make_indexer: MakeIndexer
    ) -> None:
        service, account = watched
        service.chain.mine(3)
        service.index()
        before = service.snapshot()
        proxy.head = service.chain.client.block_number() - 3
        assert make_indexer(proxy.url).run_once() == 0
        assert service.snapshot() == before
        assert sum(service.projected_lots(account).values()) == 33

    def test_endpoint__down__fails_over(self, watched: tuple[Service, bytes], make_indexer: MakeIndexer) -> None:
        service, account = watched
        with StrictProxy(service.chain.url) as gone:
            url = gone.url
        make_indexer(url, service.chain.url).run_once()
        assert sum(service.projected_lots(account).values()) == 33

    def test_endpoint__too_many_requests__goes_on_later(
        self, watched: tuple[Service, bytes], proxy: StrictProxy, make_indexer: MakeIndexer
    ) -> None:
        service, account = watched
        proxy.too_many_requests = 3
        indexer = make_indexer(proxy.url)
        with pytest.raises(ChainError):
            indexer.run_once()
        proxy.too_many_requests = 0
        indexer.run_once()
        assert sum(service.projected_lots(account).values()) == 33

    def test_endpoint__does_not_answer__bounded_wait_then_the_other(
        self, watched: tuple[Service, bytes], proxy: StrictProxy
    ) -> None:
        service, account = watched
        proxy.stalled = True
        client = ChainClient([proxy.url, service.chain.url], 31337, timeout_seconds=2)
        Indexer(service.sessions, client, service.deployment.manifest).run_once()
        assert sum(service.projected_lots(account).values()) == 33
        client.close()
