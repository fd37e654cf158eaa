"""An attester on the gateways' chains, with endpoints that a test makes lie or fail."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from backend.chain.attested_gateway import batch_digest, batch_of, signer_of
from bridge.attester import Attester, open_attester
from bridge.attester_api import Attestations, SignedBatch, attester_app
from bridge.http import HttpServer
from bridge.settings import BridgeSettings
from tests.integration.bridge.gateways import ATTESTERS, Gateways, Side
from tests.support.strict_proxy import StrictProxy

OTHERS = 3


@dataclass
class Endpoints:
    """The endpoints of the first chain: one's own node and three others, each behind a proxy."""

    own: StrictProxy
    others: list[StrictProxy]

    @property
    def all(self) -> list[StrictProxy]:
        """All four."""
        return [self.own, *self.others]


@dataclass
class Desk:
    """An attester's host: its settings, and the process that may be started and ended any number of times."""

    gateways: Gateways
    settings: BridgeSettings
    endpoints: Endpoints
    attester: Attester = field(init=False)

    def start(self) -> None:
        """Starts the attester and its server."""
        self.attester = open_attester(self.settings)
        self._stack = ExitStack()
        self._stack.callback(self.attester.close)
        self.url = self._stack.enter_context(HttpServer(attester_app(self.attester), "127.0.0.1", 0)).url

    def stop(self) -> None:
        """Ends both."""
        self._stack.close()

    def restart(self) -> None:
        """Ends the attester and starts another on the same folder."""
        self.stop()
        self.start()

    def run(self, most_steps: int = 20) -> None:
        """Steps until there is nothing more to do."""
        for _ in range(most_steps):
            if not self.attester.step():
                return
        raise AssertionError(f"still at work after {most_steps} steps")

    @staticmethod
    def open_another(settings: BridgeSettings) -> None:
        """Opens an attester, and ends it at once."""
        open_attester(settings).close()

    def recover(self, condition: Callable[[], bool], deadline_seconds: float = 60) -> None:
        """Steps until a condition holds: after an endpoint was slow, a first answer may still come too late."""
        end = time.monotonic() + deadline_seconds
        while not condition():
            assert time.monotonic() < end, self.attester.readiness()
            self.attester.step()

    def ask(self, from_block: int = 0, limit: int = 200, source: Side | None = None) -> Attestations:
        """What the attester serves for messages of a side (the first), by HTTP."""
        source = source or self.gateways.first
        params = {
            "source_chain": source.chain_id,
            "destination_chain": self.gateways.other(source).chain_id,
            "from_block": from_block,
            "limit": limit,
        }
        answer = self.get("/v1/attestations", **params)
        assert answer.status_code == 200, answer.text
        return Attestations.model_validate(answer.json())

    def get(self, path: str, **params: int) -> httpx.Response:
        """One request to the attester."""
        return httpx.get(self.url + path, params=params, timeout=60, verify=False)

    def signed(self, source: Side | None = None) -> dict[int, SignedBatch]:
        """Signed batches by block, each checked to be signed by this attester over what it says."""
        source = source or self.gateways.first
        answer, route = self.ask(source=source), self.gateways.route(source)
        for each in answer.attestations:
            digest = batch_digest(route, batch_of(route, each.block_number, bytes.fromhex(each.root[2:])))
            assert signer_of(digest, bytes.fromhex(each.signature[2:])) == self.attester.address
        return {each.block_number: each for each in answer.attestations}

    def problem(self, check: str = "first") -> str:
        """Why it is not ready; empty when that check is well."""
        found = self.attester.readiness().checks[check]
        return "" if found.ok else found.detail


def settings_for(
    gateways: Gateways, endpoints: Endpoints, folder: Path, number: int, changes: Mapping[str, object]
) -> BridgeSettings:
    """The settings of an attester: the first chain through the endpoints, the second directly."""
    first: dict[str, object] = {
        "name": "first",
        "chain_id": 31337,
        "gateway": "0x" + gateways.first.gateway.hex(),
        "endpoints": [endpoints.own.url],
        "others": [each.url for each in endpoints.others],
        "timeout_seconds": 30.0,
        **changes,
    }
    second: dict[str, object] = {
        "name": "second",
        "chain_id": 1337,
        "gateway": "0x" + gateways.second.gateway.hex(),
        "endpoints": [gateways.second.chain.url],
        "require_independent": False,
        "timeout_seconds": 60.0,
    }
    attest: Mapping[str, object] = {"key": {"dev_account": number}, "port": 0}
    return BridgeSettings.model_validate({"data_dir": folder, "chain": [first, second], "attest": attest})


@contextmanager
def desk(gateways: Gateways, folder: Path, number: int = ATTESTERS[0], **changes: object) -> Iterator[Desk]:
    """An attester with four proxies before the first chain; `changes` to that chain's settings."""
    with ExitStack() as stack:
        proxies = [stack.enter_context(StrictProxy(gateways.first.chain.url)) for _ in range(1 + OTHERS)]
        endpoints = Endpoints(proxies[0], proxies[1:])
        made = Desk(gateways, settings_for(gateways, endpoints, folder, number, changes), endpoints)
        made.start()
        stack.callback(made.stop)
        yield made


@contextmanager
def dripping_endpoint() -> Iterator[str]:
    """The URL of an endpoint whose answer never ends: a byte now and then, each in time."""
    ended = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def drip(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(65_536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n")
            while not ended.wait(0.1):
                connection.sendall(b" ")

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=drip, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        ended.set()
        listener.close()
