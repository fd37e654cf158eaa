"""Endpoints of swaps."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel
from sqlalchemy.orm import Session

from backend.auth.policies import Policy, allow
from backend.auth.routing import CallerDep, ContextDep, SessionDep, Writing, WritingDep, protected_router
from backend.auth.scopes import Scope
from backend.errors import InvalidRequestError
from backend.exchange import assessment, repository, swaps
from backend.exchange.deployment import exchanges_of
from backend.exchange.identifiers import LaneText, parse_lane
from backend.exchange.parties import find_parties
from backend.exchange.routes import visible_route
from backend.exchange.schemas import DryRunSwap, SwapCreate, SwapOrderCreate, SwapOrderRead, SwapRead
from backend.exchange.swap_views import read_swaps, visible_swap
from backend.members.endpoints import asked_member
from backend.members.schemas import Reference
from backend.pagination import CursorText, Limit, Page, decode_cursor, page_of
from backend.points.waiting import answer_when_settled
from backend.programmes.endpoints import asked_programme

router = protected_router("/swaps", "swaps")
_READ = Policy(scope=Scope.SWAPS_READ, member=True, auditor=True)
_ACCEPTED: dict[int | str, dict[str, Any]] = {202: {"description": "On its way; `Location` is the operation"}}


def _answer(writing: Writing, swap_id: str) -> SwapRead:
    exchanges, caller = exchanges_of(writing.context.settings), writing.caller

    def render(fresh: Session) -> SwapRead:
        return read_swaps(fresh, exchanges, caller, [visible_swap(fresh, caller, swap_id)])[swap_id]

    answer = render(writing.session)
    assert answer.operation_id is not None, "whoever swaps may see the operation"
    answer_when_settled(writing.request, answer.operation_id, render, writing.response)
    return answer


@router.post("/orders")
@allow(Policy(scope=Scope.SWAPS_WRITE, member=True, keyless=True))
def create_swap_order(
    body: SwapOrderCreate, session: SessionDep, caller: CallerDep, context: ContextDep
) -> SwapOrderRead:
    """What the member's wallet has to sign (EIP-712) to swap. Writes nothing."""
    route = visible_route(session, exchanges_of(context.settings), caller, body.lane_id)
    return swaps.prepare_order(session, route, find_parties(session, caller, route, body), body)


@router.post(
    "",
    status_code=202,
    response_model=SwapRead | DryRunSwap,
    responses=_ACCEPTED | {200: {"model": SwapRead | DryRunSwap, "description": "Known, settled, or a dry run"}},
)
@allow(Policy(scope=Scope.SWAPS_WRITE, member=True))
def create_swap(body: SwapCreate, writing: WritingDep) -> BaseModel:
    """Swaps a member's points on a lane, by the source programme or the member. The same reference swaps once."""
    session, caller, chain = writing.session, writing.caller, writing.context.chain
    route = visible_route(session, exchanges_of(writing.context.settings), caller, body.lane_id)
    parties = find_parties(session, caller, route, body)
    asked = swaps.Asked(caller, route, parties, body, writing.request_id)
    if body.mode == "dry_run":
        facts = assessment.gather(session, route, parties, body)
        facts = assessment.with_bounds(facts, body.min_points_out, asked.deadline)
        writing.request.state.nothing_written = True
        writing.response.status_code = 200
        return assessment.dry_run(chain, facts, parties)
    swap, is_new = swaps.create_swap(session, chain, asked)
    answer = _answer(writing, swap.id)
    if not is_new:
        writing.response.status_code = 200
    return answer


@router.get("")
@allow(_READ)
def list_swaps(
    session: SessionDep,
    caller: CallerDep,
    context: ContextDep,
    programme_id: str | None = None,
    direction: Literal["out", "in"] | None = None,
    member_id: str | None = None,
    lane_id: LaneText | None = None,
    reference: Reference | None = None,
    limit: Limit = 50,
    cursor: CursorText = None,
) -> Page[SwapRead]:
    """Swaps, newest first; `direction` is seen from the programme. `reference` finds the caller's own only."""
    exchanges, after = exchanges_of(context.settings), decode_cursor(cursor, str)
    programme = asked_programme(session, caller, programme_id)
    if direction is not None and programme is None:
        raise InvalidRequestError("`direction` is seen from a programme: name it with `programme_id`.")
    rows = repository.list_swaps(
        session,
        limit=limit + 1,
        party=programme if direction is None else None,
        source=programme if direction == "out" else None,
        destination=programme if direction == "in" else None,
        member_id=asked_member(session, caller, member_id),
        lane=parse_lane(lane_id) if lane_id is not None else None,
        requester=(caller.member_id or caller.programme_id) if reference is not None else None,
        reference=reference,
        before=str(after[0]) if after else None,
    )
    read = read_swaps(session, exchanges, caller, rows)
    return page_of(rows, limit, lambda row: [row.swap.id], lambda row: read[row.swap.id])


@router.get("/{swap_id}")
@allow(_READ)
def get_swap(swap_id: str, session: SessionDep, caller: CallerDep, context: ContextDep) -> SwapRead:
    """One swap with its state: points and lots given and got, with their expiry."""
    row = visible_swap(session, caller, swap_id)
    return read_swaps(session, exchanges_of(context.settings), caller, [row])[swap_id]
