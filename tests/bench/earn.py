"""Durable earn requests a second, beside bare FastAPI that answers the same body and stores nothing.

Both servers are uvicorn with one process, asked in turn by the same client over the same number of connections. The
PostgreSQL behind ours flushes every commit to the disk (fsync on).
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from backend.auth.scopes import Scope
from backend.auth.service import create_key
from backend.database import make_engine, make_sessions, new_id, transaction, utc_now
from backend.members.service import EnrolmentRequest, enrol_many
from backend.programmes.models import Programme
from tests.bench.postgres import durable_database
from tests.bench.table import Row

CONNECTIONS = 32
REQUESTS = 8_000
ROUNDS = 3
MEMBERS = 2_000
_DEADLINE_SECONDS = 30.0


@dataclass(frozen=True)
class Round:
    """One measurement."""

    requests_per_second: float
    p99_milliseconds: float


@contextmanager
def served(target: str, environment: dict[str, str]) -> Iterator[int]:
    """A uvicorn process that serves `target` on a free port of its own choice."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.serve", target],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        port = int(process.stdout.readline())
        _await_health(port)
        yield port
    finally:
        process.terminate()
        process.wait()


def _await_health(port: int) -> None:
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200:
                return
        except httpx.TransportError:
            continue
    raise TimeoutError("the server does not answer")


async def _connection(port: int, requests: list[bytes], latencies: list[float]) -> None:
    """Sends requests one after the other; the client is as cheap as can be, because it shares the machine."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for request in requests:
        started = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 201"), head
        at = head.index(b"content-length:") + 15
        await reader.readexactly(int(head[at : head.index(b"\r", at)]))
        latencies.append(time.perf_counter() - started)
    writer.close()


async def _load(port: int, requests: list[bytes]) -> Round:
    latencies: list[float] = []
    started = time.perf_counter()
    await asyncio.gather(*(_connection(port, requests[start::CONNECTIONS], latencies) for start in range(CONNECTIONS)))
    seconds = time.perf_counter() - started
    return Round(len(requests) / seconds, sorted(latencies)[int(len(latencies) * 0.99)] * 1000)


def _requests(key: str, tag: str) -> list[bytes]:
    made = []
    for number in range(REQUESTS):
        body = json.dumps(
            {
                "reference": f"{tag}-{number}",
                "member_reference": f"card-{number * 7919 % MEMBERS}",
                "value": {"amount": "12.90", "currency": "USD"},
                "occurred_at": "2017-02-01T10:00:00Z",
                "location": "store-7",
            }
        ).encode()
        head = (
            "POST /v1/events HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {key}\r\nIdempotency-Key: {tag}-{number}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        made.append(head.encode() + body)
    return made


def _prepare(database_url: str) -> str:
    """A programme with members; answers a key."""
    engine = make_engine(database_url)
    with transaction(make_sessions(engine)) as session:
        programme = Programme(
            id=new_id("prg"),
            slug="bench",
            name="Bench",
            symbol="BNCH",
            currency="USD",
            colour="#2f5d50",
            chain_id=31337,
            token=bytes(19) + b"\1",
            epoch_length_seconds=30 * 86_400,
            validity_epochs=4,
            clawback_epochs=1,
            transferable=True,
            earn_points=1,
            earn_per_minor=100,
            return_period_seconds=0,
            issuer=bytes(20),
            treasurer=bytes(20),
            quoter=bytes(20),
            custodian=bytes(20),
            created_at=utc_now(),
        )
        session.add(programme)
        session.flush()
        enrol_many(session, [EnrolmentRequest(programme, f"card-{number}", None) for number in range(MEMBERS)])
        _, key = create_key(session, programme_id=programme.id, name="bench", scopes=frozenset(Scope))
    engine.dispose()
    return key


def run() -> list[Row]:
    """Rows: requests a second against bare FastAPI, and the slowest of a hundred."""
    with durable_database() as database_url:
        key = _prepare(database_url)
        environment = {"BENCH_DATABASE_URL": database_url}
        with served("ours", environment) as ours, served("bare", environment) as bare:
            rounds: dict[str, list[Round]] = {"ours": [], "bare": []}
            for number in range(ROUNDS + 1):
                for name, port in (("bare", bare), ("ours", ours)):
                    measured = asyncio.run(_load(port, _requests(key, f"{name}-{number}")))
                    if number:  # The first round warms up.
                        rounds[name].append(measured)
    speed = {name: statistics.median(entry.requests_per_second for entry in rounds[name]) for name in rounds}
    slow = {name: statistics.median(entry.p99_milliseconds for entry in rounds[name]) for name in rounds}
    return [
        Row("durable earn requests", "1/s", speed["ours"], speed["bare"], "bare FastAPI", "ratio >= 0.4"),
        Row("durable earn requests, p99 at 32 connections", "ms", slow["ours"], slow["bare"], "bare FastAPI", "<= 60"),
    ]
