"""The worker role `post`: finds burnt swaps, asks partners, tells the chain."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from prometheus_client import Gauge
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from backend.chain.crashpoints import crash_point
from backend.chain.manifest import Manifest
from backend.database import transaction
from backend.partners.client import CallResult, PartnerClient
from backend.partners.jobs import JobConfig, PreparedCall
from backend.partners.machine import PostingState
from backend.partners.models import Posting
from backend.partners.postings import ENDED, PostingDesk
from backend.partners.secrets import SecretVault
from backend.partners.transfers import TransferDesk
from backend.settings import Settings

_MEASURE_EVERY_SECONDS = 10.0
_LAST_SECONDS = 5.0
"""How long a worker that is told to stop waits for answers."""
POSTINGS = Gauge("interpoints_open_postings", "Postings that are not ended, by state", ["state"])
OLDEST = Gauge("interpoints_oldest_open_posting_seconds", "Age of the oldest posting that is not ended")


class Desk(Protocol):
    """What prepares calls and draws conclusions from their answers."""

    def claim(self, busy: Mapping[str, int]) -> tuple[int, list[PreparedCall]]:
        """Rows taken further, and calls to make."""

    def record(self, prepared: PreparedCall, result: CallResult) -> None:
        """What a call came to."""


class PartnerWorker:
    """One worker's loop body. Make it and run it in one thread.

    Calls under way go on from step to step, so a partner that is slow to answer holds up only its own postings.
    """

    def __init__(
        self,
        sessions: sessionmaker[Session],
        client: PartnerClient,
        postings: PostingDesk | None,
        transfers: TransferDesk,
        turn_seconds: float,
    ) -> None:
        self._sessions = sessions
        self._client = client
        self._postings = postings
        self._desks: list[Desk] = [transfers] if postings is None else [postings, transfers]
        self._turn_seconds = turn_seconds
        self._runner = asyncio.Runner()
        # Of its own, so that names that resolve slowly hold up no record.
        self._recorders = ThreadPoolExecutor(2, thread_name_prefix="partner-records")
        self._under_way: dict[asyncio.Task[None], str] = {}
        self._measure_at = 0.0

    def run_once(self) -> int:
        """One round: what is new, what is due, calls begun and ended. Answers how much was done or is under way."""
        done = 0 if self._postings is None else self._postings.discover()
        calls: list[tuple[Desk, PreparedCall]] = []
        busy = Counter(self._under_way.values())
        for desk in self._desks:
            changed, prepared = desk.claim(busy)
            done += changed
            calls += [(desk, each) for each in prepared]
            busy.update(each.programme_id for each in prepared)
        crash_point("poster.after_intent")
        if calls or self._under_way:
            self._runner.run(self._turn(calls))
        self._measure()
        return done + len(self._under_way)

    def close(self) -> None:
        """Ends the connections; calls that do not end soon are given up, and asked about by the next worker."""
        self._runner.run(self._end())
        self._runner.close()
        self._recorders.shutdown()

    async def _turn(self, calls: list[tuple[Desk, PreparedCall]]) -> None:
        """Begins calls, and waits for a while until one of those under way has ended."""
        for desk, prepared in calls:
            self._under_way[asyncio.create_task(self._one(desk, prepared))] = prepared.programme_id
        ended, _ = await asyncio.wait(self._under_way, timeout=self._turn_seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            del self._under_way[task]
        errors = [error for task in ended if (error := task.exception()) is not None]
        if errors:
            raise errors[0]

    async def _end(self) -> None:
        if self._under_way:
            _, left = await asyncio.wait(self._under_way, timeout=_LAST_SECONDS)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
        await self._client.close()

    async def _one(self, desk: Desk, prepared: PreparedCall) -> None:
        result = await self._client.call(
            prepared.endpoint, prepared.call, prepared.path, prepared.message_id, prepared.body
        )
        crash_point("poster.after_call")
        await asyncio.get_running_loop().run_in_executor(self._recorders, desk.record, prepared, result)
        crash_point("poster.after_record")

    def _measure(self) -> None:
        if time.monotonic() < self._measure_at:
            return
        self._measure_at = time.monotonic() + _MEASURE_EVERY_SECONDS
        with transaction(self._sessions) as session:
            query = select(
                Posting.state, func.count(), func.extract("epoch", func.now() - func.min(Posting.created_at))
            )
            rows = session.execute(query.where(Posting.state.not_in(ENDED)).group_by(Posting.state)).all()
        counts = {state: count for state, count, _ in rows}
        for state in PostingState:
            if state not in ENDED:
                POSTINGS.labels(state).set(counts.get(state.value, 0))
        OLDEST.set(max((float(age) for _, _, age in rows), default=0.0))


def build_partner_worker(
    settings: Settings, sessions: sessionmaker[Session], manifest: Manifest, config: JobConfig | None = None
) -> PartnerWorker:
    """The worker that the settings and the manifest describe. Without an exchange there are transfers only."""
    vault = SecretVault(settings.secret_key)
    config = config or JobConfig(reserve_seconds=settings.posting_reserve_seconds)
    client = PartnerClient(private_addresses=settings.partner_private_addresses)
    transfers = TransferDesk(sessions, vault, chain_id=manifest.chain_id, config=config)
    postings = None
    if manifest.exchange is not None:
        exchange = bytes.fromhex(manifest.exchange.address[2:])
        postings = PostingDesk(sessions, vault, chain_id=manifest.chain_id, exchange=exchange, config=config)
    return PartnerWorker(sessions, client, postings, transfers, config.turn_seconds)
