"""Orders to the house that the chain has not decided yet, by what their calls in the outbox say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from backend.chain.clearing_house import encode_deposit, encode_pay, encode_pay_from_collateral, encode_withdraw
from backend.chain.models import OutboxTransaction
from backend.chain.programme_registry import programme_id as on_chain_id
from backend.clearing.deployment import House
from backend.programmes.models import Programme

_SELECTOR_BYTES: Final = 4
_PROGRAMME_BYTES: Final = 32
_DEPOSIT, _PAY, _PAY_FROM_COLLATERAL, _WITHDRAW = (
    call[:_SELECTOR_BYTES]
    for call in (
        encode_deposit(bytes(32), 0),
        encode_pay(bytes(32), 0),
        encode_pay_from_collateral(bytes(32), 0),
        encode_withdraw(bytes(32), bytes(20), 0),
    )
)


@dataclass(frozen=True, slots=True)
class UnderWay:
    """What a programme's orders are about to move, in the currency's smallest unit."""

    leaving: int = 0
    """Collateral, by withdrawals and by payments from it."""
    paying: int = 0
    """Of what is due, with money and from collateral."""


def lock_treasurer(session: Session, house: House, treasurer: bytes) -> None:
    """Waits until nobody else judges orders of this treasurer; held until the transaction ends."""
    name = f"treasurer\n{house.chain_id}\n{treasurer.hex()}"
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))


def under_way(session: Session, house: House, programme: Programme) -> UnderWay:
    """What a programme has asked for and neither happened nor failed."""
    own = on_chain_id(programme.slug)
    calls = [
        call
        for call in _undecided(session, house, programme.treasurer)
        if call[_SELECTOR_BYTES : _SELECTOR_BYTES + _PROGRAMME_BYTES] == own
    ]
    return UnderWay(
        leaving=_sum(calls, _WITHDRAW, _PAY_FROM_COLLATERAL),
        paying=_sum(calls, _PAY, _PAY_FROM_COLLATERAL),
    )


def to_be_collected(session: Session, house: House, treasurer: bytes) -> int:
    """Money of the treasurer that its orders will still collect, whichever programmes they are for."""
    return _sum(_undecided(session, house, treasurer), _DEPOSIT, _PAY)


def _undecided(session: Session, house: House, treasurer: bytes) -> Sequence[bytes]:
    query = select(OutboxTransaction.data).where(
        OutboxTransaction.chain_id == house.chain_id,
        OutboxTransaction.signer == treasurer,
        OutboxTransaction.target == house.address,
        OutboxTransaction.state.in_(("queued", "sent")),
    )
    return session.scalars(query).all()


def _sum(calls: Iterable[bytes], *selectors: bytes) -> int:
    """The amounts of those calls; an amount is a call's last word."""
    return sum(int.from_bytes(call[-32:], "big") for call in calls if call[:_SELECTOR_BYTES] in selectors)
