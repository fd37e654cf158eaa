"""Transfers into the chain: asked for here, carried out by the worker."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

import structlog
from sqlalchemy import Row, select, tuple_
from sqlalchemy.orm import Session

from backend.chain.client import ChainClient
from backend.chain.errors import ChainUnavailableError, NodeError
from backend.chain.notifications import notify
from backend.chain.points_token import PointsToken
from backend.database import make_id, utc_now
from backend.errors import NotFoundError
from backend.exchange.errors import SupplyCapReachedError
from backend.members.models import Enrolment
from backend.members.repository import find_enrolment, lock_enrolment
from backend.partners.jobs import CHANNEL
from backend.partners.machine import TransferState
from backend.partners.models import PartnerTransfer
from backend.partners.schemas import TransferCreate
from backend.partners.secrets import SecretVault
from backend.partners.service import get_system
from backend.points.errors import ReferenceReusedError
from backend.programmes.models import Programme

log = structlog.get_logger(__name__)

TransferRow = Row[PartnerTransfer, str]
"""A transfer and its member's id."""


def transfer_id(programme_id: str, reference: str) -> str:
    """Follows from the reference: asked for again after a database was restored, it is still the same transfer."""
    digest = int.from_bytes(hashlib.sha256(f"{programme_id}\n{reference}".encode()).digest()[:16])
    return make_id("trf", digest >> 80, digest & (1 << 80) - 1)


def create_transfer(
    session: Session, vault: SecretVault, programme_id: str, body: TransferCreate
) -> tuple[PartnerTransfer, str, bool]:
    """Asks for a transfer; answers it, the member's id and whether it is new.

    Raises MemberNotFoundError, PartnerSystemNotFoundError, ReferenceReusedError.
    """
    get_system(session, programme_id)
    enrolment = find_enrolment(session, programme_id, member_id=body.member_id, reference=body.member_reference)
    enrolment = lock_enrolment(session, enrolment.id)
    query = select(PartnerTransfer).where(
        PartnerTransfer.programme_id == programme_id, PartnerTransfer.reference == body.reference
    )
    known = session.scalar(query)
    if known is not None:
        if (known.enrolment_id, known.points) != (enrolment.id, body.points):
            raise ReferenceReusedError(
                f"The reference {body.reference} came with another transfer before.", transfer_id=known.id
            )
        return known, enrolment.member_id, False
    now, new_transfer_id = utc_now(), transfer_id(programme_id, body.reference)
    transfer = PartnerTransfer(
        id=new_transfer_id,
        programme_id=programme_id,
        enrolment_id=enrolment.id,
        reference=body.reference,
        ref=vault.ref_of(new_transfer_id),
        member_reference=enrolment.reference,
        points=body.points,
        state=TransferState.WAITING,
        next_attempt_at=now,
        created_at=now,
        updated_at=now,
    )
    session.add(transfer)
    session.flush()
    notify(session, CHANNEL)
    return transfer, enrolment.member_id, True


def check_room(chain: ChainClient, programme: Programme, points: int) -> None:
    """Raises SupplyCapReachedError for points that the chain would not issue: they must not be taken first.

    A chain that does not answer has its say later.
    """
    token = PointsToken(chain, programme.token)
    try:
        room = max(0, token.terms().supply_cap_points - token.total_supply())
    except (ChainUnavailableError, NodeError) as error:
        log.warning("transfer_not_tried_before", error=type(error).__name__)
        return
    if points > room:
        raise SupplyCapReachedError(
            f"{programme.name} may have {room} more points on chain, not {points}: transfer fewer, or have its supply"
            " cap raised.",
            available_points=room,
        )


def find_transfer(session: Session, wanted_id: str, *, lock: bool = False) -> tuple[PartnerTransfer, str]:
    """A transfer and its member's id. Raises NotFoundError."""
    transfer = session.get(PartnerTransfer, wanted_id, with_for_update=lock)
    if transfer is None:
        raise NotFoundError(f"There is no transfer {wanted_id}.")
    return transfer, session.get_one(Enrolment, transfer.enrolment_id).member_id


def list_transfers(
    session: Session,
    *,
    programme_id: str | None,
    state: TransferState | None,
    before: tuple[datetime, str] | None,
    limit: int,
) -> Sequence[TransferRow]:
    """Transfers, newest first."""
    query = (
        select(PartnerTransfer, Enrolment.member_id)
        .join(Enrolment, Enrolment.id == PartnerTransfer.enrolment_id)
        .order_by(PartnerTransfer.created_at.desc(), PartnerTransfer.id.desc())
        .limit(limit)
    )
    for column, value in ((PartnerTransfer.programme_id, programme_id), (PartnerTransfer.state, state)):
        if value is not None:
            query = query.where(column == value)
    if before is not None:
        query = query.where(tuple_(PartnerTransfer.created_at, PartnerTransfer.id) < tuple_(*before))
    return session.execute(query).all()
