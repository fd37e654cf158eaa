"""What the replay has come to: a table of the programmes, from the audit's replay and from the database."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine, text

from backend.audit.report import Report
from backend.database import make_engine

_FIGURES = """
SELECT p.slug,
    (SELECT count(*) FROM enrolments e WHERE e.programme_id = p.id) AS members,
    (SELECT count(*) FROM events e WHERE e.programme_id = p.id) AS purchases,
    (SELECT coalesce(sum(points - reversed_points), 0) FROM accruals a
        WHERE a.programme_id = p.id AND batch_id IS NULL) AS pending,
    (SELECT count(*) FROM operations o WHERE o.programme_id = p.id AND transaction_hash IS NOT NULL) AS transactions,
    (SELECT coalesce(sum(t.gas_used), 0) FROM transaction_attempts t JOIN outbox x ON x.id = t.outbox_id
        JOIN operations o ON o.id = x.operation_id
        WHERE o.programme_id = p.id AND o.kind = 'issue_batch' AND t.succeeded) AS batch_gas,
    (SELECT coalesce(sum(credit_count), 0) FROM batches b WHERE b.programme_id = p.id) AS credits
FROM programmes p
WHERE p.home_chain_id = p.chain_id
"""

_INTERESTING = """
SELECT e.member_id, min(e.reference) AS household FROM lots l
JOIN enrolments e ON e.account = l.account
JOIN programmes p ON p.id = e.programme_id AND p.token = l.token
WHERE l.points > 0
GROUP BY e.member_id
ORDER BY count(DISTINCT p.id) DESC, (SELECT count(*) FROM redemptions r JOIN enrolments x ON x.id = r.enrolment_id
        WHERE x.member_id = e.member_id) DESC, count(*) DESC, e.member_id
LIMIT :wanted
"""


def show_summary(console: Console, chains: Sequence[tuple[str, Report]]) -> None:
    """Print a row for each figure and a column for each programme, at its home. `chains`: database and report."""
    columns = []
    for database_url, report in chains:
        engine = make_engine(database_url, pool_size=1)
        with engine.connect() as connection:
            known = {row.slug: row for row in connection.execute(text(_FIGURES))}
        engine.dispose()
        columns += [(programme, known[programme.slug]) for programme in report.programmes if programme.slug in known]
    blocks = " and ".join(f"{report.to_block:,} of chain {report.chain_id}" for _, report in chains)
    table = Table(title=f"The programmes at block {blocks}", title_justify="left")
    table.add_column("")
    for programme, _ in columns:
        table.add_column(programme.name, justify="right")
    rows = {
        "members": [row.members for _, row in columns],
        "purchases": [row.purchases for _, row in columns],
        "points issued": [figures.issued for figures, _ in columns],
        "redeemed": [figures.redeemed for figures, _ in columns],
        "refunded": [figures.refunded for figures, _ in columns],
        "clawed back": [figures.clawed_back for figures, _ in columns],
        "expired": [figures.expired for figures, _ in columns],
        "swapped out": [figures.exchanged_out for figures, _ in columns],
        "swapped in": [figures.exchanged_in for figures, _ in columns],
        "live": [figures.live for figures, _ in columns],
        "pending": [int(row.pending) for _, row in columns],
        "transactions": [row.transactions for _, row in columns],
        "gas per credit": [round(int(row.batch_gas) / int(row.credits)) if row.credits else 0 for _, row in columns],
    }
    for name, values in rows.items():
        table.add_row(name, *(f"{value:,}" for value in values))
    console.print(table)


def interesting_members(engine: Engine, wanted: int) -> list[tuple[str, str]]:
    """Household and member id of those with points in most programmes and something to see in their history."""
    with engine.connect() as connection:
        return [(row.household, row.member_id) for row in connection.execute(text(_INTERESTING), {"wanted": wanted})]
