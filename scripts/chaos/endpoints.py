"""RPC endpoints that fail or lie, between the bridge's processes and the chains.

Each is an HTTP server that passes requests on to its chain, and behaves as the scenario says at the moment.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast

import httpx

Answer = dict[str, object]
"""A JSON-RPC answer."""
Ask = Callable[..., object]
"""Method and parameters to the chain's true result."""


class HangUpError(Exception):
    """The connection ends without an answer."""


@dataclass
class HttpError(Exception):
    """The endpoint answers with a status and no JSON."""

    status: int
    body: bytes = b""


class RpcError(Exception):
    """The endpoint answers with a JSON-RPC error."""

    def __init__(self, error: object) -> None:
        super().__init__(str(error))
        self.error = error


class Behaviour:
    """Honest; subclasses change what they lie about."""

    def answer(self, method: str, params: list[object], ask: Ask) -> object:
        """The result to pass on. Errors: `HangUpError`, `HttpError`, `RpcError`."""
        return ask(method, *params)


HONEST = Behaviour()


class Endpoint:
    """An RPC endpoint before a chain, at a port of its own; honest until told otherwise."""

    def __init__(self, name: str, upstream: str) -> None:
        self.name = name
        self.upstream = upstream
        self.behaviour = HONEST
        self.lied_about: Counter[str] = Counter()
        """What it was asked while it was not honest, by method: shows that a fault was met."""
        self._http = httpx.Client(timeout=30)
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.endpoint = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        arguments = {"poll_interval": 0.2}
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs=arguments, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._http.close()

    def heal(self) -> None:
        """From now on it is honest."""
        self.behaviour = HONEST
        self.lied_about.clear()

    def handle(self, body: bytes) -> bytes:
        """The answer to a request, single or batch. Errors: `HangUpError`, `HttpError`."""
        if self.behaviour is HONEST:
            return self._http.post(self.upstream, content=body, headers=_JSON).content
        calls = json.loads(body)
        if isinstance(calls, list):
            return json.dumps([self._answer(call) for call in calls]).encode()
        return json.dumps(self._answer(calls)).encode()

    def _answer(self, call: Answer) -> Answer:
        method, params = str(call["method"]), cast("list[object]", call.get("params") or [])
        self.lied_about[method] += 1
        head: Answer = {"jsonrpc": "2.0", "id": call["id"]}
        try:
            return {**head, "result": self.behaviour.answer(method, params, self._ask)}
        except RpcError as error:
            return {**head, "error": error.error}

    def _ask(self, method: str, *params: object) -> object:
        """The chain's true result."""
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        answer: Answer = self._http.post(self.upstream, json=request).json()
        if "error" in answer:
            raise RpcError(answer["error"])
        return answer["result"]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    endpoint: Endpoint

    def handle_error(self, request: object, client_address: object) -> None:
        """Silent: processes are killed while they wait for an answer."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        """Answers one HTTP request."""
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            status, content = 200, self.server.endpoint.handle(body)
        except HttpError as error:
            status, content = error.status, error.body
        except (HangUpError, httpx.HTTPError):
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - named by the base class
        """Silent."""


_JSON = {"content-type": "application/json"}
