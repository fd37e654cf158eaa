"""A worker of the role `post` in a process of its own, for tests that kill it.

Works until every swap has a posting, and all that is left to do for it and for transfers is the chain's; then ends.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from sqlalchemy import func, select

from backend.chain.notifications import BLOCKS, WorkWaiter
from backend.database import make_engine, make_sessions
from backend.exchange.models import Swap
from backend.partners.jobs import CHANNEL
from backend.partners.models import PartnerTransfer, Posting
from tests.integration.api.world import make_settings
from tests.integration.partners.world import IMPATIENT, build_worker


def main(database_url: str, exchange: bytes, log_path: Path, crash_at: str) -> None:
    """Works until only the chain has something to do, or kills itself at the crash point `crash_at`."""
    os.environ["INTERPOINTS_CRASH_AT"] = crash_at
    with log_path.open("ab") as log:
        os.dup2(log.fileno(), sys.stdout.fileno())
        os.dup2(log.fileno(), sys.stderr.fileno())
    sessions = make_sessions(make_engine(database_url))
    worker = build_worker(sessions, make_settings(database_url), IMPATIENT, exchange)
    waiter = WorkWaiter(database_url, [BLOCKS, CHANNEL])
    ended = Posting.state.in_(("confirmed", "refunded"))
    asked = Posting.state.in_(("posted", "refused")) & Posting.operation_id.is_not(None)
    resting = select(func.count()).select_from(Posting).where(ended | asked)
    swaps = select(func.count()).select_from(Swap)
    taken = (PartnerTransfer.state == "taken") & PartnerTransfer.operation_id.is_not(None)
    over = PartnerTransfer.state.in_(("issued", "refused")) | taken
    transfers = select(func.count()).select_from(PartnerTransfer).where(~over)
    while True:
        if not worker.run_once():
            with sessions() as session:
                if session.scalar(resting) == session.scalar(swaps) and not session.scalar(transfers):
                    worker.close()
                    return
            waiter.wait_for_work(0.05)
