"""A member link signs its member in, so it must not stand in a log."""

from __future__ import annotations

import json
import subprocess
import sys

PROGRAM = """
from fastapi.testclient import TestClient
from backend.app import create_app
from backend.settings import Settings

settings = Settings.model_validate({
    "database_url": "postgresql+psycopg://nobody@127.0.0.1:1/none",
    "secret_key": "a secret that only these tests know",
    "manifest_path": "manifest.json",
    "rpc_urls": ["http://127.0.0.1:1"],
})
client = TestClient(create_app(settings))
assert client.get("/m/a-secret-link").status_code == 410
assert client.get("/me").status_code == 401
"""
"""A process of its own: loggers are set up once a process."""


def test_request_log__member_link__names_the_route_only() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=240, check=True)
    written = done.stdout + done.stderr
    entries = [json.loads(line) for line in written.splitlines() if line.startswith("{")]
    assert [entry["path"] for entry in entries if entry["event"] == "request"] == ["/m/{token}", "/me"]
    assert "a-secret-link" not in written
