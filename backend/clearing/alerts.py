"""Alerts: raised once when a position wants attention, cleared when that is over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import structlog
from prometheus_client import Gauge
from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from backend.clearing.models import ClearingAlert
from backend.clearing.reading import ClearingReader
from backend.clearing.schemas import AlertKind, AlertRead
from backend.database import new_id, utc_now
from backend.programmes.models import Programme

log = structlog.get_logger(__name__)

KINDS: Sequence[AlertKind] = ("near_cap", "over_cap", "payment_due", "payment_overdue", "in_default")
ALERT_OPEN = Gauge(
    "interpoints_clearing_alert", "1 while an alert of this kind is open for a programme", ["programme", "kind"]
)
CAP_USED_PERCENT = Gauge(
    "interpoints_clearing_cap_used_percent",
    "Of what a programme may owe, towards the partner where it is highest",
    ["programme"],
)


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that holds now. Amounts in the currency's smallest unit."""

    kind: AlertKind
    used: int
    limit: int


def conditions(reader: ClearingReader, programme: bytes, alert_percent: int) -> Iterator[Condition]:
    """What wants attention in a programme's position now."""
    state = reader.clearing.state
    if programme in state.defaulted:
        claims = state.standing_of(programme).claims
        yield Condition("in_default", claims, claims)
        return
    use = reader.highest_use(programme)
    if use.owed >= use.limit > 0:
        yield Condition("over_cap", use.owed, use.limit)
    elif use.percent is not None and use.percent >= alert_percent:
        yield Condition("near_cap", use.owed, use.limit)
    outstanding = state.outstanding(programme)
    if outstanding:
        late = reader.clearing.timestamp > state.payment_deadline
        due = -state.standing_of(programme).due
        yield Condition("payment_overdue" if late else "payment_due", outstanding, due)


def sync_alerts(session: Session, reader: ClearingReader, alert_percent: int) -> int:
    """Raises and clears alerts so that they say what is so now; answers how many changed."""
    changed = 0
    for on_chain, programme in reader.programmes.items():
        holds = {each.kind: each for each in conditions(reader, on_chain, alert_percent)}
        CAP_USED_PERCENT.labels(programme.slug).set(reader.highest_use(on_chain).percent or 0)
        open_rows = {
            row.kind: row
            for row in session.scalars(
                select(ClearingAlert)
                .where(ClearingAlert.programme_id == programme.id, ClearingAlert.cleared_at.is_(None))
                .with_for_update()
            )
        }
        for kind in KINDS:
            condition, row = holds.get(kind), open_rows.get(kind)
            ALERT_OPEN.labels(programme.slug, kind).set(condition is not None)
            changed += _sync_one(session, reader, programme, condition, row)
    session.flush()
    return changed


def _sync_one(
    session: Session,
    reader: ClearingReader,
    programme: Programme,
    condition: Condition | None,
    row: ClearingAlert | None,
) -> int:
    if condition is not None and row is None:
        row = ClearingAlert(
            id=new_id("alr"),
            programme_id=programme.id,
            kind=condition.kind,
            used_minor=condition.used,
            limit_minor=condition.limit,
            raised_at=utc_now(),
        )
        session.add(row)
        _tell("clearing_alert_raised", reader, programme, row)
        return 1
    if row is not None and condition is None:
        row.cleared_at = utc_now()
        _tell("clearing_alert_cleared", reader, programme, row)
        return 1
    if (
        row is not None
        and condition is not None
        and (int(row.used_minor), int(row.limit_minor))
        != (
            condition.used,
            condition.limit,
        )
    ):
        row.used_minor, row.limit_minor = condition.used, condition.limit
    return 0


def _tell(event: str, reader: ClearingReader, programme: Programme, row: ClearingAlert) -> None:
    log.warning(
        event,
        alert=row.id,
        kind=row.kind,
        programme=programme.slug,
        used=reader.text(int(row.used_minor)),
        limit=reader.text(int(row.limit_minor)),
        cycle=reader.clearing.settling or reader.clearing.state.open_cycle,
    )


def list_alerts(
    session: Session, programme_id: str | None, *, open_only: bool, before: str | None, limit: int
) -> Sequence[Row[ClearingAlert, Programme]]:
    """Alerts with their programmes, newest first."""
    query = select(ClearingAlert, Programme).join(Programme, Programme.id == ClearingAlert.programme_id)
    if programme_id is not None:
        query = query.where(ClearingAlert.programme_id == programme_id)
    if open_only:
        query = query.where(ClearingAlert.cleared_at.is_(None))
    if before is not None:
        query = query.where(ClearingAlert.id < before)
    return session.execute(query.order_by(ClearingAlert.id.desc()).limit(limit)).all()


def read_alert(reader: ClearingReader, alert: ClearingAlert, programme: Programme) -> AlertRead:
    """An alert as it is shown."""
    return AlertRead(
        id=alert.id,
        programme_id=programme.id,
        slug=programme.slug,
        kind=alert.kind,
        used=reader.money(int(alert.used_minor)),
        limit=reader.money(int(alert.limit_minor)),
        raised_at=alert.raised_at,
        cleared_at=alert.cleared_at,
    )
