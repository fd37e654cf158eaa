"""Partner systems, and what people ask of postings. The calls themselves are made by the worker."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from backend.chain import outbox
from backend.chain.notifications import notify
from backend.database import utc_now
from backend.partners.addresses import check_base_url
from backend.partners.errors import PartnerSystemInUseError, PartnerSystemNotFoundError, PostingStateError
from backend.partners.jobs import CHANNEL
from backend.partners.machine import ENDED_POSTINGS, ENDED_TRANSFERS, PostingState, TransferState
from backend.partners.models import PartnerCall, PartnerSystem, PartnerTransfer, Posting
from backend.partners.schemas import PartnerSystemPut
from backend.partners.secrets import SecretVault, new_secret
from backend.points.clock import chain_now
from backend.programmes.models import Programme

MOST_CALLS_SHOWN = 100
_MAY_BE_TAKEN = (TransferState.ASKING, TransferState.UNKNOWN, TransferState.REVERSING)


def set_system(
    session: Session, vault: SecretVault, programme_id: str, body: PartnerSystemPut, *, private_addresses: bool
) -> tuple[PartnerSystem, str | None, bool]:
    """Sets or changes a partner system; answers it, its secret where that is new, and whether the system is new.

    Raises PartnerAddressError.
    """
    base_url = check_base_url(body.base_url, private=private_addresses)
    system = session.get(PartnerSystem, programme_id, with_for_update=True)
    is_new = system is None
    if system is None:
        system = PartnerSystem(programme_id=programme_id, created_at=utc_now())
        session.add(system)
    secret = new_secret() if is_new or body.new_secret else None
    if secret is not None:
        system.secret = vault.seal(programme_id, secret)
    system.base_url, system.timeout_seconds = base_url, body.timeout_seconds
    system.updated_at = utc_now()
    session.flush()
    notify(session, CHANNEL)
    return system, secret, is_new


def get_system(session: Session, programme_id: str) -> PartnerSystem:
    """Where the programme's own system is. Raises PartnerSystemNotFoundError."""
    system = session.get(PartnerSystem, programme_id)
    if system is None:
        raise PartnerSystemNotFoundError("This programme has no partner system; set one with PUT.")
    return system


def remove_system(session: Session, programme_id: str) -> None:
    """Forgets a partner system. Raises PartnerSystemInUseError while something asked there has no answer yet."""
    system = get_system(session, programme_id)
    asked_postings = select(func.count()).where(
        Posting.programme_id == programme_id, Posting.state.not_in(ENDED_POSTINGS), Posting.attempts > 0
    )
    asked_transfers = select(func.count()).where(
        PartnerTransfer.programme_id == programme_id,
        PartnerTransfer.state.not_in(ENDED_TRANSFERS),
        PartnerTransfer.attempts > 0,
    )
    count = session.execute(asked_postings).scalar_one() + session.execute(asked_transfers).scalar_one()
    if count:
        raise PartnerSystemInUseError(
            f"{count} postings and transfers were asked for there and have not ended; wait for them or give them up.",
            open_count=count,
        )
    session.delete(system)
    session.flush()


def list_postings(
    session: Session,
    *,
    programme_id: str | None,
    state: PostingState | None,
    swap_id: str | None,
    before: str | None,
    limit: int,
) -> Sequence[Posting]:
    """Postings, newest first."""
    query = select(Posting).order_by(Posting.id.desc()).limit(limit)
    for column, value in ((Posting.programme_id, programme_id), (Posting.state, state), (Posting.swap_id, swap_id)):
        if value is not None:
            query = query.where(column == value)
    return session.scalars(query if before is None else query.where(Posting.id < before)).all()


def calls_of(session: Session, subject_id: str) -> Sequence[PartnerCall]:
    """The last calls for a posting or transfer, newest first."""
    query = select(PartnerCall).where(or_(PartnerCall.posting_id == subject_id, PartnerCall.transfer_id == subject_id))
    return session.scalars(query.order_by(PartnerCall.id.desc()).limit(MOST_CALLS_SHOWN)).all()


def ask_now(session: Session, job: Posting | PartnerTransfer) -> None:
    """Makes a posting or transfer due at once. Raises PostingStateError when it has ended."""
    ended = ENDED_POSTINGS if isinstance(job, Posting) else ENDED_TRANSFERS
    if job.state in {state.value for state in ended}:
        raise PostingStateError(f"This is {job.state}; there is nothing left to ask.", state=job.state)
    job.next_attempt_at = session.execute(select(func.now())).scalar_one()
    session.flush()
    notify(session, CHANNEL)


def give_up_posting(session: Session, posting: Posting, *, refund_unreversed: bool) -> None:
    """Has a posting undone at the partner and then refunded. Raises PostingStateError when it is too late for that."""
    asked = posting.state in (PostingState.POSTING, PostingState.UNKNOWN, PostingState.REVERSING)
    if not asked and posting.state != PostingState.WAITING:
        raise PostingStateError(f"This is {posting.state}; it cannot be given up any more.", state=posting.state)
    if refund_unreversed:
        _check_window_over(session, posting)
        posting.refund_unreversed = True
    posting.state = PostingState.REVERSING if asked else PostingState.REFUSED
    posting.updated_at = utc_now()
    ask_now(session, posting)


def _check_window_over(session: Session, posting: Posting) -> None:
    programme = session.get_one(Programme, posting.programme_id)
    now = chain_now(session, programme.chain_id)
    if posting.refundable_from is None or now < posting.refundable_from.timestamp():
        raise PostingStateError(
            "`refund_unreversed` is possible only after the posting window: until then the partner may still answer.",
            state=posting.state,
        )


def _will_not_be_issued(session: Session, transfer: PartnerTransfer) -> bool:
    """Whether the chain was not asked to issue what was taken, or would not and is not asked any more from now on."""
    if transfer.state != TransferState.TAKEN:
        return False
    if transfer.operation_id is not None and outbox.withdraw(session, transfer.operation_id):
        transfer.operation_id = None
    return transfer.operation_id is None


def give_up_transfer(session: Session, transfer: PartnerTransfer) -> None:
    """Has a transfer undone at the partner. Raises PostingStateError once the chain has been asked to issue."""
    if transfer.state == TransferState.WAITING:
        transfer.state = TransferState.REFUSED
    elif transfer.state in _MAY_BE_TAKEN or _will_not_be_issued(session, transfer):
        transfer.state = TransferState.REVERSING
    else:
        raise PostingStateError(f"This is {transfer.state}; it cannot be given up now.", state=transfer.state)
    transfer.updated_at = utc_now()
    if transfer.state == TransferState.REVERSING:
        ask_now(session, transfer)
