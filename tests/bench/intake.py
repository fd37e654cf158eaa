"""Bulk intake: rows accepted a second (uploaded, parsed, committed), beside single earn requests; and worked off.

The upload goes over HTTP to a real server; accepted means that the answer is there, so the rows are on the disk.
"""

from __future__ import annotations

import json
import statistics
import time

import httpx

from backend.database import make_engine, make_sessions
from backend.points.intake import IntakeWorker
from tests.bench.earn import MEMBERS, _prepare, served
from tests.bench.postgres import durable_database
from tests.bench.table import Row

ROWS = 200_000
ROUNDS = 3


def _body(round_number: int) -> bytes:
    lines = (
        json.dumps(
            {
                "reference": f"r{round_number}-{number}",
                "member_reference": f"card-{number * 7919 % MEMBERS}",
                "amount": "12.90",
                "occurred_at": "2017-02-01T10:00:00Z",
                "location": "store-7",
            }
        )
        for number in range(ROWS)
    )
    return "\n".join(lines).encode()


def _upload(port: int, key: str, round_number: int) -> float:
    """Rows accepted a second."""
    body = _body(round_number)
    headers = {
        "Authorization": f"Bearer {key}",
        "Idempotency-Key": f"round-{round_number}",
        "Content-Type": "application/x-ndjson",
    }
    started = time.perf_counter()
    answer = httpx.post(f"http://127.0.0.1:{port}/v1/events/uploads", content=body, headers=headers, timeout=120)
    seconds = time.perf_counter() - started
    assert answer.status_code == 202, answer.text
    assert answer.json()["accepted_count"] == ROWS
    return ROWS / seconds


def _single(port: int, key: str) -> float:
    """Events a second when each is a request of its own, one after the other."""
    started, count = time.perf_counter(), 500
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {key}"}) as client:
        for number in range(count):
            event = {
                "reference": f"single-{number}",
                "member_reference": "card-1",
                "value": {"amount": "12.90", "currency": "USD"},
                "occurred_at": "2017-02-01T10:00:00Z",
            }
            answer = client.post("/v1/events", json=event, headers={"Idempotency-Key": f"single-{number}"})
            assert answer.status_code == 201, answer.text
    return count / (time.perf_counter() - started)


def _work_off(database_url: str) -> float:
    """Rows turned into events and accruals a second, by one worker."""
    engine = make_engine(database_url)
    worker = IntakeWorker(make_sessions(engine))
    started = time.perf_counter()
    while worker.run_once():
        pass
    seconds = time.perf_counter() - started
    engine.dispose()
    return ROWS * ROUNDS / seconds


def run() -> list[Row]:
    """Rows: accepted and worked off a second."""
    with durable_database() as database_url:
        key = _prepare(database_url)
        with served("ours", {"BENCH_DATABASE_URL": database_url}) as port:
            single = _single(port, key)
            accepted = statistics.median(_upload(port, key, number) for number in range(ROUNDS))
        worked = _work_off(database_url)
    return [
        Row("bulk intake, accepted", "events/s", accepted, single, "one request an event", ">= 40,000"),
        Row("bulk intake, worked off by one worker", "events/s", worked, single, "one request an event", ""),
    ]
