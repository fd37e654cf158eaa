"""The quick way in for events: requests that wait at the same time share one statement and one commit.

A request is answered only after the commit that holds its event. Rows that the statement does not take (an unknown
member, a known reference or idempotency key, another currency) are not judged here: the ordinary way does that.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass
from typing import TypeAlias, TypedDict

import orjson
import psycopg
import structlog
from prometheus_client import Histogram

from backend.operations import plain_url

log = structlog.get_logger(__name__)
MAX_BATCH = 256
"""Most events in one commit."""
MAX_WAITING = 5_000
"""Most events that wait; beyond it the ordinary way takes them."""
CONNECTIONS = 1

Connection: TypeAlias = psycopg.AsyncConnection[tuple[int, int, bytes]]
BATCH_SIZE = Histogram(
    "interpoints_event_commit_events",
    "Events in one commit of the quick way",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
)

_STATEMENT = """
WITH incoming AS MATERIALIZED (
    SELECT r.*, e.id AS enrolment_id, e.member_id AS member, now() AS received_at,
           div(r.amount_minor::numeric * p.earn_points, p.earn_per_minor) AS points,
           r.occurred_at + make_interval(secs => p.return_period_seconds) AS matures_at,
           nextval('events_id_seq') AS event_id, nextval('accruals_id_seq') AS accrual_id
    FROM json_to_recordset(%s::json) AS r(
        i int, owner text, key text, hash text, caller text, path text, request_id text, programme_id text,
        member_id text, member_reference text, reference text, kind text, currency text, amount text,
        amount_minor bigint, occurred_at timestamptz, location text, channel text)
    JOIN programmes p ON p.id = r.programme_id AND p.currency = r.currency
    CROSS JOIN LATERAL (
        SELECT id, member_id FROM enrolments WHERE programme_id = r.programme_id AND reference = r.member_reference
        UNION ALL
        SELECT id, member_id FROM enrolments WHERE programme_id = r.programme_id AND member_id = r.member_id) e
    WHERE NOT EXISTS (SELECT FROM idempotency_records k WHERE k.caller = r.owner AND k.key = r.key)
), added AS (
    INSERT INTO events (id, programme_id, enrolment_id, reference, kind, amount_minor, occurred_at, location, channel,
                        received_at)
    SELECT event_id, programme_id, enrolment_id, reference, kind, amount_minor, occurred_at, location, channel,
           received_at
    FROM incoming WHERE points < 281474976710656
    ON CONFLICT (programme_id, reference) DO NOTHING RETURNING id
), accrued AS (
    INSERT INTO accruals (id, event_id, programme_id, enrolment_id, points, matures_at)
    SELECT accrual_id, event_id, programme_id, enrolment_id, points, matures_at
    FROM incoming JOIN added ON added.id = event_id
), answered AS MATERIALIZED (
    SELECT i, owner, key, hash, caller, path, request_id, received_at, event_id, convert_to(json_build_object(
        'id', 'evt_' || event_id, 'programme_id', programme_id, 'member_id', member, 'reference', reference,
        'kind', kind, 'value', json_build_object('amount', amount, 'currency', currency), 'occurred_at', occurred_at,
        'location', location, 'channel', channel, 'received_at', received_at, 'accrual', json_build_object(
            'id', 'acr_' || accrual_id, 'points', points, 'state', CASE points WHEN 0 THEN 'none' ELSE 'pending' END,
            'reversed_points', 0, 'netted_points', 0, 'matures_at', matures_at, 'batch_id', NULL,
            'operation_id', NULL))::text, 'UTF8') AS body
    FROM incoming JOIN added ON added.id = event_id
), remembered AS (
    INSERT INTO idempotency_records (caller, key, request_hash, status, headers, body, created_at)
    SELECT owner, key, decode(hash, 'hex'), 201,
           jsonb_build_object('location', '/v1/events/evt_' || event_id, 'content-type', 'application/json'),
           body, received_at
    FROM answered
), logged AS (
    INSERT INTO access_log (caller, method, path, status, request_id, created_at)
    SELECT caller, 'POST', path, 201, request_id, received_at FROM answered
)
SELECT i, event_id, body FROM answered
"""


class LaneEvent(TypedDict):
    """One event with its request, as the statement reads it. `amount_minor` in minor units of `currency`."""

    owner: str
    key: str
    hash: str
    caller: str
    path: str
    request_id: str
    programme_id: str
    member_id: str | None
    member_reference: str | None
    reference: str
    kind: str
    currency: str
    amount: str
    amount_minor: int
    occurred_at: str
    location: str | None
    channel: str | None


@dataclass(frozen=True, slots=True)
class LaneAnswer:
    """A committed event: its number and the body of the answer."""

    event_number: int
    body: bytes


@dataclass(slots=True)
class _Waiting:
    event: LaneEvent
    answer: asyncio.Future[LaneAnswer | None]


class EventLane:
    """Collects events and commits them together, on connections of its own."""

    def __init__(self, database_url: str) -> None:
        self._url = plain_url(database_url)
        self._waiting: deque[_Waiting] = deque()
        self._under_way: dict[tuple[str, str], asyncio.Future[LaneAnswer | None]] = {}
        self._filled = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Starts committing."""
        self._filled = asyncio.Event()
        self._tasks = [asyncio.create_task(self._run()) for _ in range(CONNECTIONS)]

    async def close(self) -> None:
        """Stops; whoever still waits takes the ordinary way."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        _give_back(list(self._waiting))
        self._waiting.clear()

    async def commit(self, event: LaneEvent) -> LaneAnswer | None:
        """Commits an event with others. None: it was not taken, and nothing of it was written or it is not known."""
        request = (event["owner"], event["key"])
        if request in self._under_way:
            # The same key again: once the first is committed, the ordinary way replays or refuses.
            await asyncio.wait([self._under_way[request]])
            return None
        if len(self._waiting) >= MAX_WAITING:
            return None
        waiting = _Waiting(event, asyncio.get_running_loop().create_future())
        self._under_way[request] = waiting.answer
        self._waiting.append(waiting)
        self._filled.set()
        try:
            return await waiting.answer
        finally:
            self._under_way.pop(request, None)

    async def _run(self) -> None:
        connection: Connection | None = None
        try:
            while True:
                batch = await self._next_batch()
                try:
                    if connection is None or connection.closed:
                        connection = await self._connect()
                    await _write(connection, batch)
                except psycopg.Error as error:
                    # The ordinary way finds out what of the batch was committed, by the idempotency keys.
                    log.warning("event_batch_given_back", events=len(batch), error=str(error))
                finally:
                    _give_back(batch)
        finally:
            if connection is not None:
                await connection.close()

    async def _next_batch(self) -> list[_Waiting]:
        while True:
            await self._filled.wait()
            batch = [self._waiting.popleft() for _ in range(min(MAX_BATCH, len(self._waiting)))]
            if not self._waiting:
                self._filled.clear()
            if batch:
                return batch

    async def _connect(self) -> Connection:
        # With autocommit the one statement is the whole transaction: one round trip, one flush of the log.
        return await psycopg.AsyncConnection.connect(
            self._url,
            autocommit=True,
            prepare_threshold=0,
            options="-c timezone=utc -c plan_cache_mode=force_generic_plan",
        )


async def _write(connection: Connection, batch: list[_Waiting]) -> None:
    # In the order of the references, so that two statements that share some wait for each other in the same order.
    batch.sort(key=lambda waiting: waiting.event["reference"])
    rows = orjson.dumps([{"i": i, **waiting.event} for i, waiting in enumerate(batch)])
    cursor = connection.cursor(binary=True)
    await cursor.execute(_STATEMENT, (rows.decode(),))
    answers = await cursor.fetchall()
    BATCH_SIZE.observe(len(answers))
    for i, number, body in answers:
        if not batch[i].answer.done():
            batch[i].answer.set_result(LaneAnswer(number, body))


def _give_back(batch: list[_Waiting]) -> None:
    for waiting in batch:
        if not waiting.answer.done():
            waiting.answer.set_result(None)
