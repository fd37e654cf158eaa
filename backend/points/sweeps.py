"""Removing expired lots from the chain's storage. They are worth nothing already; a sweep shows it in the logs."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.chain.models import LotBalance, Operation
from backend.chain.outbox import enqueue
from backend.chain.points_token import encode_expire
from backend.points.accounts import current_epoch
from backend.points.clock import chain_now
from backend.programmes.models import Programme

ACCOUNTS_A_SWEEP = 300
"""Keeps a sweep well under the gas of a transaction; each account has few expired lots."""


def sweep_expired(session: Session, programme: Programme, request_id: str | None = None) -> Operation | None:
    """Asks the chain to remove expired lots of up to 300 accounts; None when no account has one.

    Anybody may do this; here the custodian pays for it. It changes no live balance.
    """
    epoch = current_epoch(programme, chain_now(session, programme.chain_id))
    expired = (
        select(LotBalance.account)
        .where(
            LotBalance.token == programme.token,
            LotBalance.epoch < epoch - programme.validity_epochs,
            LotBalance.points > 0,
        )
        .group_by(LotBalance.account)
        .order_by(LotBalance.account)
        .limit(ACCOUNTS_A_SWEEP)
    )
    accounts = session.scalars(expired).all()
    if not accounts:
        return None
    return enqueue(
        session,
        kind="expire",
        programme_id=programme.id,
        chain_id=programme.chain_id,
        signer=programme.custodian,
        target=programme.token,
        data=encode_expire(accounts),
        subject=programme.id,
        request_id=request_id,
    )
