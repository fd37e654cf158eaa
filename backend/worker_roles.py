"""What each role of a worker does, from the settings."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from backend.chain.client import ChainClient
from backend.chain.indexer import build_indexer
from backend.chain.manifest import Manifest
from backend.chain.notifications import BLOCKS, OUTBOX, WorkWaiter
from backend.chain.submitter import Submitter, build_submitters
from backend.clearing.keeper import Keeper
from backend.database import make_engine, make_sessions
from backend.exchange.following import Follower
from backend.partners.jobs import CHANNEL as PARTNERS_CHANNEL
from backend.partners.worker import build_partner_worker
from backend.points.batches import Batcher
from backend.points.intake import IntakeWorker
from backend.points.uploads import INTAKE_CHANNEL
from backend.settings import Settings
from backend.worker import Role, RoleLoop

IDLE_SECONDS = 1.0
"""How long a role waits for a wake-up before it looks by itself; a lost wake-up costs no more."""


def build_loops(settings: Settings, roles: Sequence[Role], stopping: threading.Event) -> list[RoleLoop]:
    """A loop for each role. Raises ChainError when the endpoint is of another chain or a signer is missing."""
    return [_build(settings, role, stopping) for role in roles]


def _build(settings: Settings, role: Role, stopping: threading.Event) -> RoleLoop:
    sessions = make_sessions(make_engine(settings.database_url, pool_size=2))
    waiter = WorkWaiter(settings.database_url, _CHANNELS[role])
    idle_seconds = {
        Role.INDEX: settings.chain_poll_seconds,
        Role.BATCH: min(IDLE_SECONDS, settings.batch_max_age_seconds),
    }.get(role, IDLE_SECONDS)
    step: Callable[[], int]
    close: Callable[[], None] = _nothing
    if role is Role.INTAKE:
        step = IntakeWorker(sessions).run_once
    elif role is Role.BATCH:
        step = Batcher(sessions, settings).run_once
    elif role is Role.CLEAR:
        step = Keeper(sessions, settings).run_once
    elif role is Role.FOLLOW:
        follower = Follower(sessions, settings)
        step, close = follower.run_once, follower.close
    else:
        manifest = Manifest.load(settings.manifest_path)
        client = ChainClient(settings.rpc_urls, manifest.chain_id)
        manifest.check_chain(client)
        if role is Role.INDEX:
            step = build_indexer(settings, sessions, client, manifest).run_once
        elif role is Role.POST:
            partners = build_partner_worker(settings, sessions, manifest)
            step, close = partners.run_once, partners.close
        else:
            submitters = build_submitters(settings, sessions, client, manifest)
            step, close = _each(submitters), _close_all(submitters)
    return RoleLoop(role, lambda: bool(step()), waiter, idle_seconds, stopping, close)


_CHANNELS = {
    Role.INTAKE: (INTAKE_CHANNEL,),
    Role.BATCH: (BLOCKS, INTAKE_CHANNEL),
    Role.SUBMIT: (OUTBOX, BLOCKS),
    Role.INDEX: (OUTBOX,),
    Role.POST: (BLOCKS, PARTNERS_CHANNEL),
    Role.CLEAR: (BLOCKS,),
    Role.FOLLOW: (BLOCKS,),
}


def _nothing() -> None:
    """Most roles have nothing to give back."""


def _each(submitters: Sequence[Submitter]) -> Callable[[], int]:
    """One pass of every submitter. One that must stop does not stop the others; its error is raised after them."""

    def step() -> int:
        done = 0
        first_error: Exception | None = None
        for submitter in submitters:
            try:
                done += submitter.run_once()
            except Exception as error:  # noqa: BLE001 - raised below
                first_error = first_error or error
        if first_error is not None:
            raise first_error
        return done

    return step


def _close_all(submitters: Sequence[Submitter]) -> Callable[[], None]:
    def close() -> None:
        for submitter in submitters:
            submitter.close()

    return close
