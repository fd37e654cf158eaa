"""An attester that lies: it serves whatever it is told to at the address of an honest one."""

from __future__ import annotations

import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from urllib.parse import parse_qs, urlsplit

Query = dict[str, int]
"""Numbers of the query: source_chain, destination_chain, from_block."""


class Impostor:
    """`with Impostor(port, answer):` serves `answer(query)`, with status 200, to every request."""

    def __init__(self, port: int, answer: Callable[[Query], bytes]) -> None:
        impostor = self
        self.asked = 0

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                impostor.asked += 1
                query = {name: int(values[0]) for name, values in parse_qs(urlsplit(self.path).query).items()}
                content = answer(query)
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - named by the base class
                """Silent."""

            def handle(self) -> None:
                try:
                    super().handle()
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> Impostor:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def stuck(query: Query) -> bytes:  # noqa: ARG001
    """An answer that comes too late."""
    time.sleep(3)
    return b"{}"
