"""The role `follow`: learns from other chains what became of the swaps that went there.

A source's contract is told of refusals only; that a swap was minted is known on the destination's chain. Only its final
blocks are asked, and only about burns that are final here, so that an answer once written never has to be taken back.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

import structlog
from prometheus_client import Counter
from sqlalchemy import exists, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, sessionmaker

from backend.chain.client import ChainClient
from backend.chain.crosschain_exchange import CrosschainExchange
from backend.chain.exchange_types import SwapStatus
from backend.chain.finality import final_block
from backend.chain.models import TokenEvent
from backend.database import transaction, utc_now
from backend.exchange.deployment import Exchange, find_exchanges
from backend.exchange.models import Crossing, Swap
from backend.exchange.states import Outcome
from backend.programmes.models import Programme
from backend.settings import Settings

log = structlog.get_logger(__name__)

OUTCOMES = Counter("interpoints_crossings", "Swaps whose outcome on another chain was learnt", ["outcome"])
_AT_ONCE = 200
"""Most swaps asked about in one step."""
_LEASE = timedelta(seconds=30)
"""How long one worker's question keeps others from asking the same."""
_SHORTEST_PAUSE, _LONGEST_PAUSE = timedelta(seconds=1), timedelta(seconds=60)
_LOOK_AGAIN_SECONDS = 600.0
"""How often all burns are looked through: a rebuilt projection brings older ones."""
_OUTCOMES = {SwapStatus.COMPLETED: Outcome.MINTED, SwapStatus.REFUNDED: Outcome.REFUSED}


@dataclass(frozen=True, slots=True)
class _Question:
    """Which swap is asked about: its lane and its number there."""

    swap_id: str
    lane: bytes
    number: int
    found_at: datetime


class Follower:
    """Works on crossings. Any number may: each asks about swaps that others are not asking about."""

    def __init__(self, sessions: sessionmaker[Session], settings: Settings) -> None:
        self._sessions = sessions
        self._settings = settings
        self._clients: dict[int, ChainClient] = {}
        self._seen_block = -1
        self._look_again_at = 0.0

    def run_once(self) -> int:
        """One pass; answers how much it did. An endpoint that fails is raised after all others were asked.

        Errors: `ChainUnavailableError`, `NodeError`, `WrongChainError`.
        """
        exchanges = find_exchanges(self._settings)
        if exchanges is None or exchanges.abroad is None:
            return 0
        done = self._discover(exchanges.abroad)
        first_error: Exception | None = None
        for chain_id, counterpart in exchanges.abroad.counterparts:
            if chain_id in self._settings.peer_rpc_urls:
                try:
                    done += self._ask(chain_id, counterpart)
                except Exception as error:  # noqa: BLE001 - raised below
                    first_error = first_error or error
        if first_error is not None:
            raise first_error
        return done

    def close(self) -> None:
        """Closes the connections."""
        for client in self._clients.values():
            client.close()

    def _discover(self, exchange: Exchange) -> int:
        """Writes a crossing for each swap of ours whose burn has become final; answers how many."""
        if time.monotonic() >= self._look_again_at:
            self._seen_block, self._look_again_at = -1, time.monotonic() + _LOOK_AGAIN_SECONDS
        with transaction(self._sessions) as session:
            last = final_block(session, exchange.chain_id)
            if last <= self._seen_block:
                return 0
            rows = _new_crossings(session, exchange, self._seen_block, last)
            if rows:
                session.execute(insert(Crossing).on_conflict_do_nothing(), rows)
        self._seen_block = last
        return len(rows)

    def _ask(self, chain_id: int, counterpart: bytes) -> int:
        """Asks one chain about swaps that are due; answers how many it has decided."""
        questions = self._claim(chain_id)
        if not questions:
            return 0
        client = self._client(chain_id)
        block = int(client.block("finalized")["number"], 16)
        asked = [(question.lane, question.number) for question in questions]
        statuses = CrosschainExchange(client, counterpart).outcomes_of(asked, block)
        answered = [
            (question, outcome)
            for question, status in zip(questions, statuses, strict=True)
            if (outcome := _OUTCOMES.get(status)) is not None
        ]
        decided = {question.swap_id for question, _ in answered}
        with transaction(self._sessions) as session:
            for question, outcome in answered:
                _write(session, question.swap_id, outcome=outcome.value, block_number=block)
            for question in questions:
                if question.swap_id not in decided:
                    _write(session, question.swap_id, next_check_at=utc_now() + _pause(question))
        for question, outcome in answered:
            OUTCOMES.labels(outcome).inc()
            log.info("crossing", swap=question.swap_id, chain_id=chain_id, outcome=outcome)
        return len(answered)

    def _claim(self, chain_id: int) -> list[_Question]:
        with transaction(self._sessions) as session:
            query = (
                select(Crossing)
                .where(Crossing.chain_id == chain_id, Crossing.outcome.is_(None), Crossing.next_check_at <= utc_now())
                .order_by(Crossing.next_check_at)
                .limit(_AT_ONCE)
                .with_for_update(skip_locked=True)
            )
            rows = session.scalars(query).all()
            for row in rows:
                row.next_check_at = utc_now() + _LEASE
            return [_Question(row.swap_id, row.lane_id, row.number, row.found_at) for row in rows]

    def _client(self, chain_id: int) -> ChainClient:
        if chain_id not in self._clients:
            self._clients[chain_id] = ChainClient(self._settings.peer_rpc_urls[chain_id], chain_id)
        return self._clients[chain_id]


def _new_crossings(session: Session, exchange: Exchange, after_block: int, last_block: int) -> Sequence[dict[str, Any]]:
    """Rows for swaps of ours that were sent in these blocks and are not followed yet."""
    query = (
        select(Swap.id, Programme.home_chain_id, TokenEvent.payload)
        .join(TokenEvent, TokenEvent.ref == Swap.swap_hash)
        .join(Programme, Programme.id == Swap.destination_programme_id)
        .where(
            TokenEvent.name == "SwapSent",
            TokenEvent.chain_id == exchange.chain_id,
            TokenEvent.token == exchange.address,
            TokenEvent.block_number > after_block,
            TokenEvent.block_number <= last_block,
            TokenEvent.payload["swap"]["lane_id"].astext == func.concat("0x", func.encode(Swap.lane_id, "hex")),
            ~exists().where(Crossing.swap_id == Swap.id),
        )
    )
    now = utc_now()
    rows = []
    for swap_id, chain_id, payload in session.execute(query):
        sent = cast("dict[str, Any]", payload["swap"])
        rows.append(
            {
                "swap_id": swap_id,
                "chain_id": chain_id,
                "lane_id": bytes.fromhex(sent["lane_id"][2:]),
                "number": sent["number"],
                "found_at": now,
                "next_check_at": now,
            }
        )
    return rows


def _write(session: Session, swap_id: str, **values: object) -> None:
    """Changes a crossing that is not decided yet."""
    session.execute(update(Crossing).where(Crossing.swap_id == swap_id, Crossing.outcome.is_(None)).values(**values))


def _pause(question: _Question) -> timedelta:
    """Until the next question: the longer a swap has been on its way, the longer."""
    return min(_LONGEST_PAUSE, max(_SHORTEST_PAUSE, (utc_now() - question.found_at) / 20))
