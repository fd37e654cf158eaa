"""The API against its own OpenAPI schema: requests made up from it never break the server, answers are as promised."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from backend.app import create_app
from tests.integration.api.exchange_world import ExchangeWorld

# Bodies of lines go out as the text that they are.
schemathesis.serializer.alias("application/x-ndjson", "text/plain")
EXAMPLES = 12
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
# Streams an operation's changes for minutes; its own test reads it.
STREAMS = {"/v1/operations/{operation_id}/events"}


@pytest.fixture
def url(exchange_world: ExchangeWorld) -> Iterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_app(exchange_world.settings), log_level="error"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.mark.parametrize("role", ["till", "operator"])
def test_every_operation__keeps_to_the_schema(exchange_world: ExchangeWorld, url: str, role: str) -> None:
    world = exchange_world
    world.swap(world.open_lane(world.pharmacy, world.other_till), world.swapper(), 40)
    caller = getattr(world, role)
    schema = schemathesis.openapi.from_url(f"{url}/v1/openapi.json", timeout=60)
    failures: list[str] = []
    tried = 0
    for result in schema.get_all_operations():
        assert isinstance(result, Ok)
        operation = result.ok()
        if operation.path in STREAMS or not operation.path.startswith("/v1"):
            continue
        tried += 1

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
            derandomize=True,
        )
        @given(case=operation.as_strategy())
        def attempt(case: Case[Any]) -> None:
            response = case.call(base_url=url, headers={"Authorization": f"Bearer {caller.token}"}, timeout=60)
            case.validate_response(response, checks=CHECKS)

        try:
            attempt()
        except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001 - all of them are told at once
            failures.append(f"{operation.method.upper()} {operation.path}: {str(error)[:600]}")
    assert tried > 30
    assert not failures, "\n\n".join(failures)
