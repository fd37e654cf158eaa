"""What every role serves: health, readiness and metrics; and the server that serves it beside the work."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from bridge.errors import BridgeError, ListenError
from bridge.metrics import REGISTRY
from bridge.readiness import Readiness

_STOP_SECONDS = 10.0
_MOST_CONNECTIONS = 256


class Health(BaseModel):
    """The process runs."""

    status: Literal["ok"] = "ok"


def role_app(role: str, readiness: Callable[[], Readiness]) -> FastAPI:
    """An application with `/health`, `/ready` (503 when not) and `/metrics`; a role adds its own."""
    app = FastAPI(title=f"Interpoints bridge: {role}", docs_url=None, redoc_url=None)

    @app.get("/health")
    async def health() -> Health:
        """Answers as long as the process runs."""
        return Health()

    @app.get("/ready", responses={503: {"model": Readiness}})
    def ready(response: Response) -> Readiness:
        """Whether the role does its work."""
        found = readiness()
        response.status_code = 200 if found.ready else 503
        return found

    @app.get("/metrics", include_in_schema=False)
    def metrics() -> Response:
        """Prometheus metrics of this process."""
        return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)

    @app.exception_handler(BridgeError)
    async def refused(_request: Request, error: BridgeError) -> JSONResponse:
        """An error as a problem (RFC 9457)."""
        status = error.status if error.status < 500 else 503
        body = {"type": f"/problems/{error.slug}", "title": error.title, "status": status, "detail": error.detail}
        return JSONResponse(body, status, media_type="application/problem+json")

    return app


@dataclass
class HttpServer:
    """`with HttpServer(app, host, port) as server: ... server.port`. Port 0 picks a free one. Errors: `ListenError`."""

    app: FastAPI
    host: str
    wanted_port: int
    _server: uvicorn.Server = field(init=False)
    _thread: threading.Thread = field(init=False)

    def __enter__(self) -> HttpServer:
        try:
            self._listener = socket.create_server((self.host, self.wanted_port))
        except OSError as error:
            raise ListenError(self.host, self.wanted_port, str(error)) from error
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://{self.host}:{self.port}"
        config = uvicorn.Config(
            self.app,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            limit_concurrency=_MOST_CONNECTIONS,
            timeout_graceful_shutdown=2,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._listener]}, name="http", daemon=True
        )
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join(_STOP_SECONDS)
        self._listener.close()
