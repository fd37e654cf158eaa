"""A worker in a process of its own, for tests that kill it.

Loops over two submitters and an indexer until every operation is final or failed, then ends.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

import backend.programmes.models  # noqa: F401 - operations point at programmes
from backend.chain.client import ChainClient
from backend.chain.errors import ChainError
from backend.chain.fees import FeePolicy
from backend.chain.indexer import Indexer
from backend.chain.manifest import Manifest
from backend.chain.models import Operation
from backend.chain.notifications import BLOCKS, OUTBOX, WorkWaiter
from backend.chain.sending import SubmitterConfig
from backend.chain.signers import DevSigners
from backend.chain.submitter import Submitter
from backend.database import make_engine, make_sessions


def main(database_url: str, rpc_url: str, manifest_path: Path, crash_at: str) -> None:
    """Works until everything is settled, or kills itself at the crash point `crash_at`."""
    os.environ["INTERPOINTS_CRASH_AT"] = crash_at
    with manifest_path.with_name("worker.log").open("ab") as log:
        os.dup2(log.fileno(), sys.stdout.fileno())
        os.dup2(log.fileno(), sys.stderr.fileno())
    manifest = Manifest.load(manifest_path)
    sessions = make_sessions(make_engine(database_url))
    client = ChainClient([rpc_url], manifest.chain_id, timeout_seconds=5, attempts=2)
    source = DevSigners(manifest.chain_id)
    # A short lease: the process before this one was killed with the lease in its hand.
    config = SubmitterConfig(fees=FeePolicy(cap=500 * 10**9), lease_seconds=0.5, window=4)
    submitters = [Submitter(sessions, client, source.signer(a), 31337, config) for a in source.addresses()[1:3]]
    indexer = Indexer(sessions, client, manifest)
    waiter = WorkWaiter(database_url, [OUTBOX, BLOCKS])
    is_open = select(func.count()).select_from(Operation).where(Operation.state.not_in(("final", "failed")))
    while True:
        parts: list[Indexer | Submitter] = [indexer, *submitters]
        for part in parts:
            try:
                part.run_once()
            except (ChainError, DBAPIError) as error:
                print(f"{type(part).__name__}: {error}", flush=True)
        with sessions() as session:
            if session.scalar(is_open) == 0:
                return
        waiter.wait_for_work(0.05)
