"""Statements: a programme's account of one cycle, as JSON and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from sqlalchemy import Row
from sqlalchemy.orm import Session, sessionmaker

from backend.chain.models import DebtEntry
from backend.clearing.cycles import Cycle
from backend.clearing.deployment import House
from backend.clearing.reading import ClearingReader
from backend.clearing.repository import list_entries
from backend.clearing.schemas import (
    CycleRead,
    DisputeRead,
    EntryRead,
    OpeningRead,
    PaidRead,
    StatementLine,
    StatementRead,
)
from backend.hexes import hex_text
from backend.points.clock import to_time

_ENTRIES_AT_ONCE = 1000
ENTRY_COLUMNS = (
    "cycle", "direction", "partner", "amount", "currency",
    "swap", "transaction", "block", "log_index", "booked_at",
)  # fmt: skip
STATEMENT_COLUMNS = (
    "cycle", "programme", "line", "partner", "swaps_out", "owed", "swaps_in", "owing",
    "taken_out", "net", "currency", "at", "hash",
)  # fmt: skip


def read_cycle(cycle: Cycle, programme: bytes | None) -> CycleRead:
    """A cycle; with a programme, only its own swaps are counted."""

    def time(timestamp: int | None) -> datetime | None:
        return None if timestamp is None else to_time(timestamp)

    return CycleRead(
        number=cycle.number,
        state=cycle.state,
        opened_at=time(cycle.opened_at),
        closed_at=time(cycle.closed_at),
        payment_deadline=time(cycle.payment_deadline),
        settled_at=time(cycle.settled_at),
        swaps=sum(debt.swaps for pair, debt in cycle.debts.items() if programme is None or programme in pair),
    )


def read_statement(
    reader: ClearingReader, cycle: Cycle, programme: bytes, disputes: Sequence[DisputeRead]
) -> StatementRead:
    """A programme's account of a cycle."""
    money, signed = reader.money, reader.signed
    share = cycle.shares[programme]
    partners = cycle.partners(programme)
    owed = [cycle.debt(programme, partner) for partner in partners]
    owing = [cycle.debt(partner, programme) for partner in partners]
    return StatementRead(
        **reader.party(programme).model_dump(),
        cycle=read_cycle(cycle, programme),
        opening=OpeningRead(
            collateral=money(share.opening_collateral),
            claims=money(share.opening_claims),
            claimed=money(share.opening_claimed),
        ),
        lines=[_line(reader, cycle, programme, partner) for partner in partners],
        swaps_out=sum(debt.swaps for debt in owed),
        owed=money(sum(debt.amount for debt in owed)),
        swaps_in=sum(debt.swaps for debt in owing),
        owing=money(sum(debt.amount for debt in owing)),
        taken_out=signed(sum(cycle.taken(programme, partner) for partner in partners)),
        net=signed(sum(cycle.net(programme, partner) for partner in partners)),
        due=None if share.due is None else signed(share.due),
        paid=PaidRead(
            with_money=money(share.paid_with_money),
            from_collateral=money(share.paid_from_collateral),
            enforced=money(share.enforced),
            returned=money(share.returned),
        ),
        received=money(share.received),
        defaulted=share.defaulted,
        disputes=list(disputes),
    )


def _line(reader: ClearingReader, cycle: Cycle, programme: bytes, partner: bytes) -> StatementLine:
    owed, owing = cycle.debt(programme, partner), cycle.debt(partner, programme)
    return StatementLine(
        **reader.party(partner).model_dump(),
        swaps_out=owed.swaps,
        owed=reader.money(owed.amount),
        swaps_in=owing.swaps,
        owing=reader.money(owing.amount),
        taken_out=reader.signed(cycle.taken(programme, partner)),
        net=reader.signed(cycle.net(programme, partner)),
    )


def read_entry(reader: ClearingReader, programme: bytes, entry: DebtEntry, timestamp: int) -> EntryRead:
    """One booking as a programme sees it."""
    is_owed = entry.debtor == programme
    partner = reader.party(entry.creditor if is_owed else entry.debtor)
    return EntryRead(
        cycle=entry.cycle,
        direction="owed" if is_owed else "owing",
        partner_programme_id=partner.programme_id,
        partner_slug=partner.slug,
        amount=reader.signed(-int(entry.amount) if is_owed else int(entry.amount)),
        swap_hash=hex_text(entry.swap_hash),
        transaction_hash=hex_text(entry.transaction_hash),
        block_number=entry.block_number,
        log_index=entry.log_index,
        booked_at=to_time(timestamp),
    )


# CSV


def csv_line(values: Iterable[object]) -> str:
    """One line of a CSV file (RFC 4180); None is empty."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerow(["" if value is None else value for value in values])
    return buffer.getvalue()


def statement_csv(statement: StatementRead) -> str:
    """A statement as CSV: one line a partner, their sums, and what was paid, received and disputed."""
    currency = statement.net.currency
    head = (statement.cycle.number, statement.slug)
    lines = [csv_line(STATEMENT_COLUMNS)]

    def amount(name: str, value: str, at: datetime | None = None) -> None:
        lines.append(csv_line([*head, name, *[None] * 6, value, currency, rfc3339(at), None]))

    amount("opening_collateral", statement.opening.collateral.amount, statement.cycle.opened_at)
    amount("opening_claims", statement.opening.claims.amount)
    amount("opening_claimed", statement.opening.claimed.amount)
    for line in statement.lines:
        sums = (line.swaps_out, line.owed.amount, line.swaps_in, line.owing.amount, line.taken_out.amount)
        lines.append(csv_line([*head, "partner", line.slug, *sums, line.net.amount, currency, None, None]))
    sums = (
        statement.swaps_out, statement.owed.amount, statement.swaps_in, statement.owing.amount,
        statement.taken_out.amount,
    )  # fmt: skip
    lines.append(csv_line([*head, "total", None, *sums, statement.net.amount, currency, None, None]))
    if statement.due is not None:
        amount("due", statement.due.amount, statement.cycle.closed_at)
    amount("paid_with_money", statement.paid.with_money.amount)
    amount("paid_from_collateral", statement.paid.from_collateral.amount)
    amount("returned", statement.paid.returned.amount)
    amount("received", statement.received.amount, statement.cycle.settled_at)
    for dispute in statement.disputes:
        at = rfc3339(dispute.created_at)
        lines.append(csv_line([*head, "dispute", dispute.slug, *[None] * 6, currency, at, dispute.note_hash]))
    return "".join(lines)


def entries_csv(
    sessions: sessionmaker[Session], reader: ClearingReader, house: House, cycle: int, programme: bytes
) -> Iterator[str]:
    """Every booking of a statement as CSV, read as the client takes it."""
    yield csv_line(ENTRY_COLUMNS)
    after = 0
    while True:
        with sessions() as session:
            rows = list_entries(session, house, cycle, programme, after=after, limit=_ENTRIES_AT_ONCE)
        if not rows:
            return
        yield "".join(_entry_line(reader, programme, row) for row in rows)
        after = rows[-1][0].id


def _entry_line(reader: ClearingReader, programme: bytes, row: Row[DebtEntry, int]) -> str:
    entry = read_entry(reader, programme, *row)
    return csv_line(
        [
            entry.cycle,
            entry.direction,
            entry.partner_slug,
            entry.amount.amount,
            entry.amount.currency,
            entry.swap_hash,
            entry.transaction_hash,
            entry.block_number,
            entry.log_index,
            rfc3339(entry.booked_at),
        ]
    )


def rfc3339(value: datetime | None) -> str | None:
    """A time in UTC as RFC 3339."""
    return None if value is None else value.isoformat().replace("+00:00", "Z")
