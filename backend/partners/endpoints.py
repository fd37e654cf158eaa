"""Partner systems, postings and transfers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import Query, Request, Response
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from backend.auth.callers import Caller
from backend.auth.policies import Policy, allow
from backend.auth.routing import CallerDep, ContextDep, SessionDep, admit, protected_router
from backend.auth.scopes import Scope
from backend.context import AppContext
from backend.database import new_id, transaction, utc_now
from backend.errors import InvalidRequestError, NotFoundError
from backend.pagination import CursorText, Limit, Page, decode_cursor, page_of
from backend.partners import service, transfer_service
from backend.partners.client import CallResult, Endpoint, PartnerClient
from backend.partners.machine import Call, PostingState, TransferState
from backend.partners.models import PartnerCall, PartnerTransfer, Posting
from backend.partners.schemas import (
    PartnerCallRead,
    PartnerSystemPut,
    PartnerSystemRead,
    PartnerSystemSet,
    PostingDetail,
    PostingRead,
    ReversalCreate,
    TransferCreate,
    TransferDetail,
    TransferRead,
    ValidationCreate,
    ValidationRead,
)
from backend.partners.secrets import SecretVault
from backend.partners.wire import MemberValidation, encode, path_of
from backend.programmes.endpoints import asked_programme, visible_programme
from backend.programmes.repository import get_programme

systems = protected_router("/partner-systems", "partner systems")
postings = protected_router("/postings", "postings")
transfers = protected_router("/transfers", "transfers")
routers = (systems, postings, transfers)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WRITE = Policy(scope=Scope.PARTNERS_WRITE)
_READ = Policy(scope=Scope.SWAPS_READ, auditor=True)
_ASK = Policy(scope=Scope.PARTNERS_WRITE, own_transaction=True, keyless=True)


def _visible_programme_id(session: Session, caller: Caller, programme_id: str) -> str:
    return visible_programme(session, caller, programme_id).id


@systems.put("/{programme_id}", responses={201: {"model": PartnerSystemSet, "description": "The system is new"}})
@allow(_WRITE)
def put_partner_system(
    programme_id: str,
    body: PartnerSystemPut,
    request: Request,
    response: Response,
    session: SessionDep,
    caller: CallerDep,
    context: ContextDep,
) -> PartnerSystemSet:
    """Says where the programme's own points system takes the five calls. A new secret is shown this once."""
    programme_id = _visible_programme_id(session, caller, programme_id)
    vault, private = SecretVault(context.settings.secret_key), context.settings.partner_private_addresses
    system, secret, is_new = service.set_system(session, vault, programme_id, body, private_addresses=private)
    answer = PartnerSystemSet(**PartnerSystemRead.of(system).model_dump(), secret=secret)
    request.state.replay_body = answer.model_copy(update={"secret": None}).model_dump_json().encode()
    response.status_code = 201 if is_new else 200
    return answer


@systems.get("/{programme_id}")
@allow(Policy(scope=Scope.PARTNERS_WRITE, auditor=True))
def get_partner_system(programme_id: str, session: SessionDep, caller: CallerDep) -> PartnerSystemRead:
    """Where the programme's own points system is; never its secret."""
    programme_id = _visible_programme_id(session, caller, programme_id)
    return PartnerSystemRead.of(service.get_system(session, programme_id))


@systems.delete("/{programme_id}", status_code=204)
@allow(_WRITE)
def delete_partner_system(programme_id: str, session: SessionDep, caller: CallerDep) -> Response:
    """Forgets the partner system; refused while something asked there has not ended."""
    service.remove_system(session, _visible_programme_id(session, caller, programme_id))
    return Response(status_code=204)


@systems.post("/{programme_id}/validations")
@allow(_ASK)
async def validate_member(
    programme_id: str, body: ValidationCreate, request: Request, context: ContextDep
) -> ValidationRead:
    """Asks the brand's own system whether there is such a member. Nothing about the member comes back but yes or no."""
    caller = await admit(request, _ASK)
    found_id, endpoint = await run_in_threadpool(_endpoint, context, caller, programme_id)
    message = MemberValidation(id=new_id("val"), member_reference=body.member_reference, facts=dict(body.facts))
    client = PartnerClient(private_addresses=context.settings.partner_private_addresses)
    try:
        path = path_of(Call.VALIDATE, message.id)
        result = await client.call(endpoint, Call.VALIDATE, path, message.id, encode(message))
    finally:
        await client.close()
    await run_in_threadpool(_record_validation, context, found_id, result)
    return ValidationRead(outcome=result.answer.outcome, reason=result.answer.reason)


def _endpoint(context: AppContext, caller: Caller, programme_id: str) -> tuple[str, Endpoint]:
    with context.sessions() as session:
        programme_id = _visible_programme_id(session, caller, programme_id)
        system = service.get_system(session, programme_id)
        secret = SecretVault(context.settings.secret_key).open(programme_id, system.secret)
        return programme_id, Endpoint(system.base_url, secret, system.timeout_seconds)


def _record_validation(context: AppContext, programme_id: str, result: CallResult) -> None:
    with transaction(context.sessions) as session:
        session.add(
            PartnerCall(
                programme_id=programme_id,
                call=Call.VALIDATE.value,
                outcome=result.answer.outcome.value,
                http_status=result.http_status,
                detail=result.answer.reason,
                duration_ms=result.duration_ms,
                created_at=utc_now(),
            )
        )


def _visible_posting(session: Session, caller: Caller, posting_id: str, *, lock: bool = False) -> Posting:
    posting = session.get(Posting, posting_id, with_for_update=lock)
    if posting is None or not caller.sees_programme(posting.programme_id):
        raise NotFoundError(f"There is no posting {posting_id} that you may see.")
    return posting


@postings.get("")
@allow(_READ)
def list_postings(
    session: SessionDep,
    caller: CallerDep,
    programme_id: Annotated[str | None, Query(max_length=40)] = None,
    state: PostingState | None = None,
    swap_id: Annotated[str | None, Query(max_length=40)] = None,
    limit: Limit = 50,
    cursor: CursorText = None,
) -> Page[PostingRead]:
    """Points of swaps on their way into brands' own systems, newest first."""
    only = asked_programme(session, caller, programme_id)
    after = decode_cursor(cursor, str)
    before = str(after[0]) if after else None
    rows = service.list_postings(
        session, programme_id=only, state=state, swap_id=swap_id, before=before, limit=limit + 1
    )
    return page_of(rows, limit, lambda row: [row.id], PostingRead.of)


def _detail(session: Session, posting: Posting) -> PostingDetail:
    calls = [PartnerCallRead.of(call) for call in service.calls_of(session, posting.id)]
    return PostingDetail(**PostingRead.of(posting).model_dump(), calls=calls)


@postings.get("/{posting_id}")
@allow(_READ)
def get_posting(posting_id: str, session: SessionDep, caller: CallerDep) -> PostingDetail:
    """A posting: where it is, and every call with what it came to."""
    return _detail(session, _visible_posting(session, caller, posting_id))


@postings.post("/{posting_id}/retry", status_code=202)
@allow(_WRITE)
def retry_posting(posting_id: str, session: SessionDep, caller: CallerDep) -> PostingDetail:
    """Has the partner asked again now, instead of after the present pause."""
    posting = _visible_posting(session, caller, posting_id, lock=True)
    service.ask_now(session, posting)
    return _detail(session, posting)


@postings.post("/{posting_id}/reversal", status_code=202)
@allow(_WRITE)
def reverse_posting(posting_id: str, body: ReversalCreate, session: SessionDep, caller: CallerDep) -> PostingDetail:
    """Gives a posting up: it is undone at the partner, and then the member gets the original lots back."""
    posting = _visible_posting(session, caller, posting_id, lock=True)
    service.give_up_posting(session, posting, refund_unreversed=body.refund_unreversed)
    return _detail(session, posting)


@transfers.post("", status_code=202, responses={200: {"model": TransferRead, "description": "Known already"}})
@allow(_WRITE)
def create_transfer(
    body: TransferCreate, response: Response, session: SessionDep, caller: CallerDep, context: ContextDep
) -> TransferRead:
    """Takes points out of the member's account in the brand's own system, and issues as many on chain."""
    programme = get_programme(session, caller.programme(body.programme_id))
    vault = SecretVault(context.settings.secret_key)
    transfer, member_id, is_new = transfer_service.create_transfer(session, vault, programme.id, body)
    if is_new:
        transfer_service.check_room(context.chain, programme, body.points)
    response.status_code = 202 if is_new else 200
    response.headers["Location"] = f"/v1/transfers/{transfer.id}"
    return TransferRead.of(transfer, member_id)


@transfers.get("")
@allow(_READ)
def list_transfers(
    session: SessionDep,
    caller: CallerDep,
    programme_id: Annotated[str | None, Query(max_length=40)] = None,
    state: TransferState | None = None,
    limit: Limit = 50,
    cursor: CursorText = None,
) -> Page[TransferRead]:
    """Transfers out of brands' own systems, newest first."""
    only = asked_programme(session, caller, programme_id)
    after = decode_cursor(cursor, int, str)
    before = (_time_of(int(after[0])), str(after[1])) if after else None
    rows = transfer_service.list_transfers(session, programme_id=only, state=state, before=before, limit=limit + 1)
    return page_of(
        rows, limit, lambda row: [_microseconds(row[0].created_at), row[0].id], lambda row: TransferRead.of(*row)
    )


def _microseconds(time: datetime) -> int:
    return (time - _EPOCH) // timedelta(microseconds=1)


def _time_of(microseconds: int) -> datetime:
    try:
        return _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError as error:
        raise InvalidRequestError("The cursor is not one of ours; leave it out to start again.") from error


def _visible_transfer(
    session: Session, caller: Caller, transfer_id: str, *, lock: bool = False
) -> tuple[PartnerTransfer, str]:
    transfer, member_id = transfer_service.find_transfer(session, transfer_id, lock=lock)
    if not caller.sees_programme(transfer.programme_id):
        raise NotFoundError(f"There is no transfer {transfer_id} that you may see.")
    return transfer, member_id


def _transfer_detail(session: Session, transfer: PartnerTransfer, member_id: str) -> TransferDetail:
    calls = [PartnerCallRead.of(call) for call in service.calls_of(session, transfer.id)]
    return TransferDetail(**TransferRead.of(transfer, member_id).model_dump(), calls=calls)


@transfers.get("/{transfer_id}")
@allow(_READ)
def get_transfer(transfer_id: str, session: SessionDep, caller: CallerDep) -> TransferDetail:
    """A transfer: where it is, and every call with what it came to."""
    return _transfer_detail(session, *_visible_transfer(session, caller, transfer_id))


@transfers.post("/{transfer_id}/reversal", status_code=202)
@allow(_WRITE)
def reverse_transfer(transfer_id: str, session: SessionDep, caller: CallerDep) -> TransferDetail:
    """Gives a transfer up that the chain has not been asked to issue, or has refused: it is undone at the partner."""
    transfer, member_id = _visible_transfer(session, caller, transfer_id, lock=True)
    service.give_up_transfer(session, transfer)
    return _transfer_detail(session, transfer, member_id)
