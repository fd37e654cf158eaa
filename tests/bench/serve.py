"""The servers of the earn benchmark: `python -m tests.bench.serve ours|bare` prints its port and serves."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from backend.app import create_app, set_startup_objects_aside
from backend.points.schemas import EventCreate
from backend.settings import Settings


def bare() -> FastAPI:
    """What FastAPI alone does with the same request: read, validate, answer."""
    app = FastAPI()

    @app.post("/v1/events", status_code=201)
    async def create(body: EventCreate) -> dict[str, str]:
        return {"reference": body.reference}

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    return app


def ours() -> FastAPI:
    """The API as it is, with logs of warnings only."""
    return create_app(
        Settings.model_validate(
            {
                "database_url": os.environ["BENCH_DATABASE_URL"],
                "secret_key": "a secret that only this benchmark knows",
                "manifest_path": Path("manifest.json"),
                "rpc_urls": ["http://127.0.0.1:1"],
                "log_level": "WARNING",
                "rate_limit_per_second": 1e9,
                "rate_limit_burst": 10**9,
            }
        )
    )


def main() -> None:
    """Serves on a port that the system picks."""
    app = ours() if sys.argv[1] == "ours" else bare()
    set_startup_objects_aside()  # As `interpoints api` does, and for both.
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False)).run(sockets=[listener])


if __name__ == "__main__":
    main()
