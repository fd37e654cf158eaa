"""What the member page shows, read from the database in one go."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Row, Select, func, select
from sqlalchemy.orm import Session

from backend.chain.models import Block, Cursor, LotBalance, LotEntry, Operation
from backend.chain.points_token import hold_account
from backend.hexes import address_text, hex_text
from backend.members.models import Enrolment
from backend.members.repository import enrolments_of
from backend.points.accounts import expires_at, holding_of, live_lots
from backend.points.models import Accrual, Batch, EarnEvent, Redemption
from backend.points.repository import owed_points
from backend.programmes.models import Programme
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
    available_points: int
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


def member_view(session: Session, member_id: str) -> MemberView:
    """Everything the page shows of a member."""
    pairs = [
        (enrolment, session.get_one(Programme, enrolment.programme_id))
        for enrolment in enrolments_of(session, member_id)
    ]
    views = [_programme_view(session, enrolment, programme) for enrolment, programme in pairs]
    enrolments = {enrolment.id: view for (enrolment, _), view in zip(pairs, views, strict=True)}
    for enrolment_id, pending in _pending(session, list(enrolments)).items():
        enrolments[enrolment_id].pending = pending
    return MemberView(member_id, views, _history(session, pairs, views))


def newest_block(session: Session, chain_id: int) -> ChainPoint:
    """The block up to which the projection has come; block 0 at time 0 before the first."""
    cursor = session.get(Cursor, chain_id)
    query = select(Block.number, Block.timestamp).where(Block.chain_id == chain_id)
    if cursor is not None:
        query = query.where(Block.number < cursor.next_block)
    row = session.execute(query.order_by(Block.number.desc()).limit(1)).one_or_none()
    return ChainPoint(chain_id, *(row.tuple() if row else (0, 0)))


def _programme_view(session: Session, enrolment: Enrolment, programme: Programme) -> ProgrammeView:
    chain = newest_block(session, programme.chain_id)
    lots = [
        LotView(address_text(account), lot.epoch, lot.points, ends, max(0, (ends - chain.timestamp) // 86_400))
        for account in dict.fromkeys([enrolment.account, enrolment.managed_account])
        for lot in live_lots(session, programme, account, chain.timestamp)
        for ends in [expires_at(programme, lot.epoch)]
    ]
    lots.sort(key=lambda lot: lot.expires_at)
    holding = holding_of(session, programme, enrolment.id, enrolment.account, chain.timestamp)
    return ProgrammeView(
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
        available_points=holding.available_points,
        locked_points=_locked(session, programme, enrolment, chain.timestamp)
        + min(holding.leaving_points, holding.total_points),
        owed_points=max(0, owed_points(session, enrolment.id)),
        chain=chain,
    )


def _locked(session: Session, programme: Programme, enrolment: Enrolment, timestamp: int) -> int:
    """Live points in the accounts of this enrolment's holds."""
    query = select(Redemption.account, Redemption.ref).where(
        Redemption.enrolment_id == enrolment.id, Redemption.reserve_operation_id.is_not(None)
    )
    holds = [hold_account(programme.token, account, ref) for account, ref in session.execute(query).tuples()]
    oldest = timestamp // programme.epoch_length_seconds - programme.validity_epochs
    total = select(func.coalesce(func.sum(LotBalance.points), 0)).where(
        LotBalance.token == programme.token, LotBalance.account.in_(holds), LotBalance.epoch >= oldest
    )
    return int(session.execute(total).scalar_one()) if holds else 0


def _pending(session: Session, enrolment_ids: Sequence[str]) -> dict[str, list[PendingView]]:
    """Accruals that the projection does not hold yet, by enrolment, the earliest to mature first."""
    query = (
        select(Accrual, EarnEvent, Programme.currency, Operation.state)
        .join(EarnEvent, EarnEvent.id == Accrual.event_id)
        .join(Programme, Programme.id == Accrual.programme_id)
        .outerjoin(Batch, Batch.id == Accrual.batch_id)
        .outerjoin(Operation, Operation.id == Batch.operation_id)
        .where(Accrual.enrolment_id.in_(enrolment_ids))
        .where(Accrual.batch_id.is_(None) | Operation.state.in_(("pending", "sent")))
        .order_by(Accrual.matures_at, Accrual.id)
    )
    pending: dict[str, list[PendingView]] = defaultdict(list)
    for accrual, event, currency, state in session.execute(query).tuples():
        points = accrual.points - accrual.reversed_points - accrual.netted_points
        if points > 0:
            label = purchase_text(event, currency)
            view = PendingView(points, int(accrual.matures_at.timestamp()), label, state is not None)
            pending[accrual.enrolment_id].append(view)
    return pending


def purchase_text(event: EarnEvent, currency: str) -> str:
    """What earned the points, for people."""
    what = event.kind.replace("_", " ").capitalize()
    place = f" at {event.location}" if event.location else ""
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
    "transfer": "Transferred",
}


def _history(
    session: Session, pairs: Sequence[tuple[Enrolment, Programme]], views: Sequence[ProgrammeView]
) -> list[MovementView]:
    by_place: dict[tuple[bytes, bytes], ProgrammeView] = {}
    for (enrolment, programme), view in zip(pairs, views, strict=True):
        for account in (enrolment.account, enrolment.managed_account):
            by_place[programme.token, account] = view
    if not by_place:
        return []
    rows = session.execute(_movements(list(by_place))).all()
    earned = _earned_from(session, [view.enrolment_id for view in views], [row.ref for row in rows if row.ref])
    history = []
    for row in rows:
        view = by_place[row.token, row.account]
        counterpart = by_place.get((row.token, row.counterparty))
        if counterpart is view and row.points < 0:
            continue  # From the managed account to the member's own wallet: told once, where the points arrive.
        detail = earned.get((view.enrolment_id, row.ref or b""), "") or _detail(row)
        timestamp = row.timestamp or 0
        title = _TITLES.get(row.kind, row.kind.capitalize())
        transaction = hex_text(row.transaction_hash)
        history.append(MovementView(view, row.points, title, detail, timestamp, transaction, row.block_number))
    return history


_MovementColumns = tuple[bytes, bytes, str, bytes | None, bytes, int, bytes, int | None, int, int]


def _movements(places: Sequence[tuple[bytes, bytes]]) -> Select[*_MovementColumns]:
    """Movements at (token, account), newest first, with their lots summed up."""
    entry = LotEntry
    summed = func.sum(entry.points).label("points")
    conditions = [(entry.token == token) & (entry.account == account) for token, account in places]
    where = conditions[0]
    for condition in conditions[1:]:
        where |= condition
    columns = (entry.token, entry.account, entry.kind, entry.ref, entry.counterparty, entry.block_number)
    keys = (*columns, entry.transaction_hash, Block.timestamp, entry.log_index)
    return (
        select(*columns, entry.transaction_hash, Block.timestamp, entry.log_index, summed)
        .outerjoin(Block, (Block.chain_id == entry.chain_id) & (Block.number == entry.block_number))
        .where(where)
        .group_by(*keys)
        .order_by(entry.block_number.desc(), entry.log_index.desc())
        .limit(HISTORY_SHOWN)
    )


def _detail(row: Row[*_MovementColumns]) -> str:
    if row.kind != "transfer":
        return ""
    return f"{'to' if row.points < 0 else 'from'} {address_text(row.counterparty)}"


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
    for enrolment_id, root, event, currency in session.execute(query).tuples():
        texts[enrolment_id, root].append(purchase_text(event, currency))
    return {key: each[0] if len(each) == 1 else f"{len(each)} purchases" for key, each in texts.items()}
