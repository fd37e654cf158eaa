"""What the member page shows, read from the database in one go."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.chain.models import Block, Cursor, Operation
from backend.exchange.deployment import Exchanges
from backend.hexes import address_text, hex_text
from backend.members.models import Enrolment
from backend.members.repository import enrolments_of
from backend.points.accounts import expires_at, live_lots
from backend.points.balances import accounts_of, read_balance
from backend.points.history import Movement, list_movements
from backend.points.models import Accrual, Batch, EarnEvent
from backend.points.views import BalanceRead
from backend.programmes.models import Programme
from backend.web.swapping import swap_details
from backend.web.timeline import Timeline, lay_out

HISTORY_SHOWN = 60
"""Most movements on the page; the API has the rest."""


@dataclass(frozen=True, slots=True)
class ChainPoint:
    """The newest block that the page's figures include."""

    chain_id: int
    number: int
    timestamp: int


@dataclass(frozen=True, slots=True)
class LotView:
    """Points that expire together."""

    account: str
    epoch: int
    points: int
    expires_at: int
    days_left: int


@dataclass(frozen=True, slots=True)
class PendingView:
    """Points earned but not yet on the chain."""

    points: int
    matures_at: int
    label: str
    on_its_way: bool


@dataclass(slots=True)
class ProgrammeView:
    """A member's points with one brand."""

    programme_id: str
    slug: str
    name: str
    symbol: str
    enrolment_id: str
    token: str
    account: str
    wallet: str | None
    lots: list[LotView]
    timeline: Timeline
    total_points: int
    locked_points: int
    owed_points: int
    chain: ChainPoint
    pending: list[PendingView] = field(default_factory=list)

    @property
    def pending_points(self) -> int:
        """Points earned but not yet spendable."""
        return sum(each.points for each in self.pending)

    @property
    def accounts(self) -> list[str]:
        """Accounts whose lots are shown, the present one first."""
        return list(dict.fromkeys([self.account, *(lot.account for lot in self.lots)]))


@dataclass(frozen=True, slots=True)
class MovementView:
    """Points that came or went."""

    programme: ProgrammeView
    points: int
    title: str
    detail: str
    timestamp: int
    transaction: str
    block: int


@dataclass(frozen=True, slots=True)
class MemberView:
    """The whole page."""

    member_id: str
    programmes: list[ProgrammeView]
    history: list[MovementView]


def member_view(session: Session, member_id: str, exchanges: Exchanges | None = None) -> MemberView:
    """Everything the page shows of a member; swaps are told in words where there are `exchanges`."""
    pairs = [
        (enrolment, session.get_one(Programme, enrolment.programme_id))
        for enrolment in enrolments_of(session, member_id)
    ]
    views = [_programme_view(session, enrolment, programme) for enrolment, programme in pairs]
    enrolments = {enrolment.id: view for (enrolment, _), view in zip(pairs, views, strict=True)}
    for enrolment_id, pending in _pending(session, list(enrolments)).items():
        enrolments[enrolment_id].pending = pending
    return MemberView(member_id, views, _history(session, pairs, views, exchanges))


def newest_block(session: Session, chain_id: int) -> ChainPoint:
    """The block up to which the projection has come; block 0 at time 0 before the first."""
    cursor = session.get(Cursor, chain_id)
    query = select(Block.number, Block.timestamp).where(Block.chain_id == chain_id)
    if cursor is not None:
        query = query.where(Block.number < cursor.next_block)
    row = session.execute(query.order_by(Block.number.desc()).limit(1)).one_or_none()
    return ChainPoint(chain_id, 0, 0) if row is None else ChainPoint(chain_id, row.number, row.timestamp)


def _programme_view(session: Session, enrolment: Enrolment, programme: Programme) -> ProgrammeView:
    chain = newest_block(session, programme.chain_id)
    lots = [
        LotView(address_text(account), lot.epoch, lot.points, ends, max(0, (ends - chain.timestamp) // 86_400))
        for account in accounts_of(enrolment)
        for lot in live_lots(session, programme, account, chain.timestamp)
        for ends in [expires_at(programme, lot.epoch)]
    ]
    lots.sort(key=lambda lot: lot.expires_at)
    balance = read_balance(session, programme, enrolment) if chain.timestamp else None
    return ProgrammeView(
        programme_id=programme.id,
        slug=programme.slug,
        name=programme.name,
        symbol=programme.symbol,
        enrolment_id=enrolment.id,
        token=address_text(programme.token),
        account=address_text(enrolment.account),
        wallet=address_text(enrolment.wallet) if enrolment.wallet else None,
        lots=lots,
        timeline=lay_out([(lot.expires_at, lot.points) for lot in lots], chain.timestamp),
        total_points=sum(lot.points for lot in lots),
        locked_points=_locked(balance),
        owed_points=max(0, balance.shortfall_points) if balance else 0,
        chain=chain,
    )


def _locked(balance: BalanceRead | None) -> int:
    """Points that are set aside, or on their way out."""
    if balance is None:
        return 0
    return balance.locked_points + balance.total_points - balance.available_points


def _pending(session: Session, enrolment_ids: Sequence[str]) -> dict[str, list[PendingView]]:
    """Accruals that the projection does not hold yet, by enrolment, the earliest to mature first."""
    query = (
        select(Accrual, EarnEvent, Programme.currency, Operation.state)
        .join(EarnEvent, EarnEvent.id == Accrual.event_id)
        .join(Programme, Programme.id == Accrual.programme_id)
        .outerjoin(Batch, Batch.id == Accrual.batch_id)
        .outerjoin(Operation, Operation.id == Batch.operation_id)
        .where(Accrual.enrolment_id.in_(enrolment_ids))
        .where(Accrual.batch_id.is_(None) | Operation.state.in_(("pending", "sent", "failed")))
        .order_by(Accrual.matures_at, Accrual.id)
    )
    pending: dict[str, list[PendingView]] = defaultdict(list)
    for accrual, event, currency, state in session.execute(query):
        points = accrual.points - accrual.reversed_points - accrual.netted_points
        if points > 0:
            label = purchase_text(event, currency)
            view = PendingView(points, int(accrual.matures_at.timestamp()), label, state is not None)
            pending[accrual.enrolment_id].append(view)
    return pending


def purchase_text(event: EarnEvent, currency: str) -> str:
    """What earned the points, for people."""
    what = event.kind.replace("_", " ").capitalize()
    where = event.location or ""
    place = f" at {'store ' if where.isdigit() else ''}{where}" if where else ""
    return f"{what} of {event.amount_minor / 100:,.2f} {currency}{place}"


# ---- history

_TITLES = {
    "issue": "Earned",
    "redeem": "Redeemed",
    "refund": "Given back after a refund",
    "clawback": "Taken back after a return",
    "hold": "Set aside for a redemption",
    "release": "Released from a hold",
    "expire": "Expired",
    "link": "Moved to your wallet",
    "crosschain": "Exchanged",
    "swap": "Swapped",
    "swap_refund": "Given back: the swap did not happen",
    "transfer": "Transferred",
}


def _history(
    session: Session,
    pairs: Sequence[tuple[Enrolment, Programme]],
    views: Sequence[ProgrammeView],
    exchanges: Exchanges | None,
) -> list[MovementView]:
    by_token = {programme.token: view for (_, programme), view in zip(pairs, views, strict=True)}
    movements = list_movements(session, pairs, None, HISTORY_SHOWN)
    refs = [movement.ref for movement in movements if movement.ref is not None]
    earned = _earned_from(session, [view.enrolment_id for view in views], refs)
    swapped = swap_details(session, exchanges, refs)
    return [_movement_view(movement, by_token[movement.token], earned, swapped) for movement in movements]


def _movement_view(
    movement: Movement,
    view: ProgrammeView,
    earned: dict[tuple[str, bytes], str],
    swapped: dict[bytes, tuple[str, str]],
) -> MovementView:
    points = sum(movement.points)
    detail = earned.get((view.enrolment_id, movement.ref or b""), "")
    detail = detail[:1].lower() + detail[1:]  # It follows the brand's name.
    if movement.kind == "transfer":
        detail = f"{'to' if points < 0 else 'from'} {address_text(movement.counterparty)}"
    if movement.kind == "swap":
        detail = swapped.get(movement.ref or b"", ("", ""))[0 if points < 0 else 1]
    if movement.kind == "link":
        points = sum(each for each in movement.points if each > 0)  # It only changed accounts.
    return MovementView(
        programme=view,
        points=points,
        title=_TITLES.get(movement.kind, movement.kind.capitalize()),
        detail=detail,
        timestamp=movement.timestamp,
        transaction=hex_text(movement.transaction_hash),
        block=movement.block_number,
    )


def _earned_from(session: Session, enrolment_ids: Sequence[str], refs: Sequence[bytes]) -> dict[tuple[str, bytes], str]:
    """What a batch's credit to an enrolment was for, by enrolment and batch root."""
    query = (
        select(Accrual.enrolment_id, Batch.root, EarnEvent, Programme.currency)
        .join(Batch, Batch.id == Accrual.batch_id)
        .join(EarnEvent, EarnEvent.id == Accrual.event_id)
        .join(Programme, Programme.id == Accrual.programme_id)
        .where(Accrual.enrolment_id.in_(enrolment_ids), Batch.root.in_(refs))
    )
    texts: dict[tuple[str, bytes], list[str]] = defaultdict(list)
    for enrolment_id, root, event, currency in session.execute(query):
        texts[enrolment_id, root].append(purchase_text(event, currency))
    return {key: each[0] if len(each) == 1 else f"{len(each)} purchases" for key, each in texts.items()}
