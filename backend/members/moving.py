"""Points of a member go to the member's own wallet."""

from __future__ import annotations

from sqlalchemy.orm import Session

from backend.chain import outbox
from backend.chain.models import Operation
from backend.chain.points_token import encode_move_to_wallet
from backend.members.models import Enrolment
from backend.programmes.models import Programme


def move_points(session: Session, programme: Programme, enrolment: Enrolment, request_id: str | None) -> Operation:
    """Asks the chain to move everything from the managed account to the linked wallet."""
    assert enrolment.wallet is not None, "points are moved to a linked wallet"
    return outbox.enqueue(
        session,
        kind="link_wallet",
        programme_id=programme.id,
        chain_id=programme.chain_id,
        signer=programme.custodian,
        target=programme.token,
        data=encode_move_to_wallet(enrolment.member_key, enrolment.wallet),
        subject=enrolment.id,
        request_id=request_id,
    )
