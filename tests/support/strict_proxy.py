"""An HTTP proxy before a node that is stricter than anvil, or lies: each rule is switched on by a test.

It is a real server on a free port; JSON-RPC requests, single or in batches, go through `answer` one by one.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

import httpx
from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_utils.crypto import keccak
from hexbytes import HexBytes

from backend.chain.errors import NodeError

Answer = dict[str, object]
Alter = Callable[[str, list[object], object], object]
"""Method, parameters and the node's result to the result that is passed on; or it raises the `NodeError` to answer."""


class StrictProxy:
    """`with StrictProxy(anvil.url) as proxy: ... proxy.url`."""

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.replacement_percent = 10
        """A replacement must offer this much more (geth's rule)."""
        self.too_many_requests = 0
        """So many requests are answered with 429."""
        self.chain_id: str | None = None
        self.drop_transactions = False
        """Takes transactions, answers with their hash, and forgets them."""
        self.hang_up_after_sending = 0
        """So many sends reach the node but the connection ends without an answer."""
        self.refuse_with: str | None = None
        """Every transaction that calls a contract is refused with this text."""
        self.refuse_after: int | None = None
        """After so many transactions every one is refused."""
        self.head: int | None = None
        """Number of the block that is passed off as the newest."""
        self.alter: Alter | None = None
        self.stalled = False
        """Requests are taken and not answered until the proxy ends."""
        self._ended = threading.Event()
        self.requests: list[str] = []
        """Methods asked for, in order."""
        self._fees: dict[tuple[str, int], tuple[str, int, int]] = {}
        self._lock = threading.Lock()
        self._http = httpx.Client(timeout=60, verify=False)

    def __enter__(self) -> StrictProxy:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            disable_nagle_algorithm = (
                True  # Head and body are two packets; the second would wait for an acknowledgement.
            )

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if proxy.stalled:
                    proxy._ended.wait(30)
                    self.close_connection = True
                    return
                with proxy._lock:
                    status, content = proxy._handle(json.loads(body))
                if status == 0:
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Tests keep quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._http.close()

    def _handle(self, calls: Answer | list[Answer]) -> tuple[int, bytes]:
        """HTTP status (0: hang up) and body."""
        if self.too_many_requests > 0:
            self.too_many_requests -= 1
            return 429, b"slow down"
        many = calls if isinstance(calls, list) else [calls]
        answers = [self._answer(call) for call in many]
        if self.hang_up_after_sending > 0 and any(call["method"] == "eth_sendRawTransaction" for call in many):
            self.hang_up_after_sending -= 1
            return 0, b""
        return 200, json.dumps(answers if isinstance(calls, list) else answers[0]).encode()

    def _answer(self, call: Answer) -> Answer:
        method, params = str(call["method"]), list(call["params"])  # type: ignore[call-overload]
        self.requests.append(method)
        head: Answer = {"jsonrpc": "2.0", "id": call["id"]}
        if method == "eth_chainId" and self.chain_id is not None:
            return {**head, "result": self.chain_id}
        if method == "eth_sendRawTransaction":
            refusal = self._refusal(params[0])
            if refusal is not None:
                return {**head, "error": {"code": -32000, "message": refusal}}
            if self.drop_transactions:
                return {**head, "result": "0x" + keccak(bytes.fromhex(params[0][2:])).hex()}
        answer = self._ask(method, self._pinned(method, params))
        if "error" in answer:
            return {**head, "error": answer["error"]}
        result = answer["result"]
        if self.alter is not None:
            try:
                result = self.alter(method, params, result)
            except NodeError as error:
                return {**head, "error": {"code": error.code, "message": error.detail}}
        return {**head, "result": result}

    def _pinned(self, method: str, params: list[object]) -> list[object]:
        if self.head is not None and method == "eth_getBlockByNumber" and params[0] == "latest":
            return [hex(self.head), *params[1:]]
        return params

    def _ask(self, method: str, params: list[object]) -> Answer:
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer: Answer = self._http.post(self.upstream, json=request).json()
        return answer

    def _refusal(self, raw: str) -> str | None:
        """What a stricter node would say to a transaction; None to take it."""
        fields = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
        if self.refuse_with is not None and fields["data"]:
            return self.refuse_with
        if self.refuse_after is not None:
            self.refuse_after -= 1
            if self.refuse_after < 0:
                return "the node is going away"
        sender = Account.recover_transaction(raw)
        key = (sender, int(fields["nonce"]))
        fees = (int(fields["maxFeePerGas"]), int(fields["maxPriorityFeePerGas"]))
        known = self._fees.get(key)
        if known is not None and known[0] != raw:
            needed = [fee * (100 + self.replacement_percent) for fee in known[1:]]
            if any(offered * 100 < least for offered, least in zip(fees, needed, strict=True)):
                return "replacement transaction underpriced"
        self._fees[key] = (raw, *fees)
        return None
