"""Whether the API works: for load balancers, operators and Prometheus."""

from __future__ import annotations

import time
from typing import Literal

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, Gauge, generate_latest
from pydantic import BaseModel
from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from backend.auth.policies import Policy, allow
from backend.auth.routing import OpenRoute, protected_router
from backend.chain.errors import ChainError
from backend.chain.models import Block, Cursor, OutboxTransaction
from backend.context import AppContext

router: APIRouter = protected_router("", "health", OpenRoute)
_PUBLIC = Policy(public=True, own_transaction=True)
_MOST_BLOCKS_BEHIND = 50

LAG = Gauge("interpoints_api_index_lag_blocks", "Blocks between the chain's head and the projection")
WAITING = Gauge("interpoints_outbox_waiting", "Transactions that wait to be sent")


class Health(BaseModel):
    """The process runs."""

    status: Literal["ok"] = "ok"


class Check(BaseModel):
    """One thing that the API depends on."""

    ok: bool
    detail: str


class Readiness(BaseModel):
    """Whether requests can be answered well, and what is missing."""

    ready: bool
    database: Check
    chain: Check
    index: Check


@router.get("/health")
@allow(_PUBLIC)
async def health() -> Health:
    """Answers as long as the process runs."""
    return Health()


@router.get("/ready", responses={503: {"model": Readiness, "description": "Not ready"}})
@allow(_PUBLIC)
def ready(request: Request, response: Response) -> Readiness:
    """Looks at the database, the chain and how far the projection is behind it; 503 when one of them is not well."""
    context: AppContext = request.app.state.context
    try:
        with context.sessions() as session:
            session.execute(text("SELECT 1"))
            indexed = _indexed_block(session)
        database = Check(ok=True, detail="answers")
    except SQLAlchemyError:
        indexed, database = None, Check(ok=False, detail="does not answer")
    head, chain = _head(context)
    index = _index_check(indexed, head)
    readiness = Readiness(ready=database.ok and chain.ok and index.ok, database=database, chain=chain, index=index)
    response.status_code = 200 if readiness.ready else 503
    return readiness


@router.get("/metrics", include_in_schema=False)
@allow(_PUBLIC)
def metrics(request: Request) -> Response:
    """Prometheus metrics of this process, and the lengths of the queues."""
    context: AppContext = request.app.state.context
    with context.sessions() as session:
        query = select(func.count()).select_from(OutboxTransaction).where(OutboxTransaction.state == "queued")
        WAITING.set(session.execute(query).scalar_one())
        newest = session.scalar(select(func.max(Block.timestamp)))
    CHAIN_TIME.set(newest if newest is not None else time.time())
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


CHAIN_TIME = Gauge("interpoints_chain_time_seconds", "Timestamp of the newest indexed block")


def _indexed_block(session: Session) -> int | None:
    return session.scalar(select(func.max(Cursor.next_block)))


def _head(context: AppContext) -> tuple[int | None, Check]:
    try:
        number = context.chain.block_number()
    except ChainError as error:
        return None, Check(ok=False, detail=error.detail)
    return number, Check(ok=True, detail=f"head is block {number}")


def _index_check(next_block: int | None, head: int | None) -> Check:
    if next_block is None:
        return Check(ok=False, detail="no block is indexed yet")
    if head is None:
        return Check(ok=True, detail=f"indexed to block {next_block - 1}; the head is not known")
    behind = max(0, head + 1 - next_block)
    LAG.set(behind)
    return Check(ok=behind <= _MOST_BLOCKS_BEHIND, detail=f"{behind} blocks behind")
