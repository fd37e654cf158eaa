"""A member link signs its member in, so it must not stand in a log."""

from __future__ import annotations

from pathlib import Path

from fastapi.testclient import TestClient
from structlog.testing import capture_logs

from backend.app import create_app
from backend.settings import Settings


def test_request_log__member_link__names_the_route_only() -> None:
    settings = Settings.model_validate(
        {
            "database_url": "postgresql+psycopg://nobody@127.0.0.1:1/none",
            "secret_key": "a secret that only these tests know",
            "manifest_path": Path("manifest.json"),
            "rpc_urls": ["http://127.0.0.1:1"],
        }
    )
    client = TestClient(create_app(settings))
    with capture_logs() as logs:
        assert client.get("/m/a-secret-link").status_code == 410
        assert client.get("/me").status_code == 401
    paths = [entry["path"] for entry in logs if entry["event"] == "request"]
    assert paths == ["/m/{token}", "/me"]
    assert "a-secret-link" not in str(logs)
