"""Balances: from the projection at its newest block or an earlier one, or from the chain itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from backend.chain.client import ChainClient
from backend.chain.models import Block, LotEntry, Operation
from backend.chain.points_token import PointsToken
from backend.errors import InvalidRequestError, UnavailableError
from backend.hexes import address_text
from backend.members.models import Enrolment
from backend.points.accounts import UNSETTLED, LotAmount, current_epoch, leaving_points, live_lots
from backend.points.clock import to_time
from backend.points.models import Accrual, Batch
from backend.points.redemptions import read_lots
from backend.points.repository import owed_points
from backend.points.views import BalanceRead, Source
from backend.programmes.models import Programme


@dataclass(frozen=True, slots=True)
class At:
    """A block of a chain, with its time in Unix seconds."""

    number: int
    timestamp: int


def accounts_of(enrolment: Enrolment) -> tuple[bytes, ...]:
    """Accounts whose points are the member's: the managed one and, once linked, the wallet."""
    return tuple(dict.fromkeys((enrolment.account, enrolment.managed_account)))


def read_balance(
    session: Session,
    programme: Programme,
    enrolment: Enrolment,
    *,
    at_block: int | None = None,
    chain: ChainClient | None = None,
) -> BalanceRead:
    """A member's points in one programme; with `chain` the lots are the chain's own answer.

    Raises InvalidRequestError for a block that is not there, UnavailableError before the first, ChainUnavailable.
    """
    source: Source = "projection" if chain is None else "chain"
    accounts = accounts_of(enrolment)
    holds = _hold_accounts(session, programme, accounts)
    if chain is not None:
        at = _chain_block(chain, at_block)
        lots, locked = _chain_lots(chain, programme, accounts, at), _chain_lots(chain, programme, holds, at)
    else:
        at = _indexed_block(session, programme, at_block)
        past = at_block is not None
        lots = _lots(session, programme, accounts, at, past=past)
        locked = _lots(session, programme, holds, at, past=past)
    total = sum(lot.points for lot in lots)
    return BalanceRead(
        programme_id=programme.id,
        account=address_text(enrolment.account),
        source=source,
        block_number=at.number,
        block_time=to_time(at.timestamp),
        total_points=total,
        available_points=max(0, total - leaving_points(session, enrolment.id, enrolment.account)),
        locked_points=sum(lot.points for lot in locked),
        pending_points=pending_points(session, enrolment.id),
        shortfall_points=owed_points(session, enrolment.id),
        lots=read_lots(programme, lots),
    )


def pending_points(session: Session, enrolment_id: str) -> int:
    """Points that are earned and not on the chain yet."""
    query = (
        select(func.coalesce(func.sum(Accrual.points - Accrual.reversed_points - Accrual.netted_points), 0))
        .outerjoin(Batch, Batch.id == Accrual.batch_id)
        .outerjoin(Operation, Operation.id == Batch.operation_id)
        .where(
            Accrual.enrolment_id == enrolment_id,
            Accrual.batch_id.is_(None) | Operation.state.in_((*UNSETTLED, "failed")),
        )
    )
    return int(session.execute(query).scalar_one())


def _hold_accounts(session: Session, programme: Programme, accounts: Iterable[bytes]) -> list[bytes]:
    query = (
        select(LotEntry.counterparty)
        .where(LotEntry.token == programme.token, LotEntry.account.in_(list(accounts)))
        .where(LotEntry.kind == "hold", LotEntry.points < 0)
        .distinct()
    )
    return list(session.scalars(query))


def _indexed_block(session: Session, programme: Programme, number: int | None) -> At:
    query = select(Block.number, Block.timestamp).where(Block.chain_id == programme.chain_id)
    query = query.order_by(Block.number.desc()).limit(1) if number is None else query.where(Block.number == number)
    row = session.execute(query).one_or_none()
    if row is None and number is None:
        raise UnavailableError("No block has been indexed yet. Try again soon.")
    if row is None:
        raise InvalidRequestError(f"Block {number} is not indexed, because it is newer than the head or older than us.")
    return At(*row)


def _chain_block(chain: ChainClient, number: int | None) -> At:
    (block,) = chain.blocks(["latest" if number is None else number])
    if block is None:
        raise InvalidRequestError(f"The chain has no block {number} yet.")
    return At(int(block["number"], 16), int(block["timestamp"], 16))


def _chain_lots(chain: ChainClient, programme: Programme, accounts: Iterable[bytes], at: At) -> list[LotAmount]:
    token = PointsToken(chain, programme.token)
    sums: defaultdict[int, int] = defaultdict(int)
    for account in accounts:
        for lot in token.lots_of(account, block=at.number):
            sums[lot.epoch] += lot.amount
    return _sorted(sums)


def _lots(session: Session, programme: Programme, accounts: Iterable[bytes], at: At, *, past: bool) -> list[LotAmount]:
    sums: defaultdict[int, int] = defaultdict(int)
    if not past:
        for account in accounts:
            for lot in live_lots(session, programme, account, at.timestamp):
                sums[lot.epoch] += lot.points
        return _sorted(sums)
    oldest = current_epoch(programme, at.timestamp) - programme.validity_epochs
    query = (
        select(LotEntry.epoch, func.sum(LotEntry.points))
        .where(LotEntry.token == programme.token, LotEntry.account.in_(list(accounts)))
        .where(LotEntry.block_number <= at.number, LotEntry.epoch >= oldest)
        .group_by(LotEntry.epoch)
    )
    return _sorted({epoch: int(points) for epoch, points in session.execute(query)})


def _sorted(sums: dict[int, int]) -> list[LotAmount]:
    return [LotAmount(epoch, sums[epoch]) for epoch in sorted(sums) if sums[epoch]]
