"""An RPC endpoint that passes everything on, and may alter the answers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import orjson

from backend.chain.client import Json

Alter = Callable[[str, list[Json], Json], Json]
"""Given method, parameters and the true result, the result to answer."""


class UnknownMethodError(Exception):
    """Raised by an alteration: the endpoint says that it does not know the method."""


@contextmanager
def lying_endpoint(url: str, alter: Alter) -> Iterator[str]:
    """The URL of an endpoint before `url` whose answers go through `alter`."""

    def answer(request: dict[str, Json], true_answer: dict[str, Json]) -> dict[str, Json]:
        if "result" not in true_answer:
            return true_answer
        method, params = request["method"], request["params"]
        assert isinstance(method, str)
        assert isinstance(params, list)
        try:
            return {**true_answer, "result": alter(method, params, true_answer["result"])}
        except UnknownMethodError:
            return {"id": request["id"], "jsonrpc": "2.0", "error": {"code": -32601, "message": "Method not found"}}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            requests, answers = orjson.loads(body), orjson.loads(upstream.post(url, content=body, headers=JSON).content)
            if isinstance(requests, list):
                by_id = {each["id"]: each for each in answers}
                altered = [answer(request, by_id[request["id"]]) for request in requests]
                content = orjson.dumps(altered)
            else:
                content = orjson.dumps(answer(requests, answers))
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - named by the base class
            """Silent."""

    upstream = httpx.Client(timeout=60, verify=False)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        upstream.close()


JSON = {"content-type": "application/json"}
