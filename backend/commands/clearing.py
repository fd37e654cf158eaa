"""`interpoints clearing`: where programmes stand with each other, and their statements."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from backend.auth.callers import Caller, CallerKind
from backend.clearing.disputes import read_disputes
from backend.clearing.reading import ClearingReader, read_clearing
from backend.clearing.schemas import StatementRead
from backend.clearing.statements import read_statement, statement_csv
from backend.commands.common import EnvFile, database, load_settings, notes, output
from backend.programmes.repository import get_programme

app = typer.Typer(no_args_is_help=True, help="Clearing: who owes whom, and statements of settlement cycles.")


@app.command("positions")
def positions(env_file: EnvFile = None) -> None:
    """Show every programme's position, collateral and use of what it may owe."""
    table = Table("programme", "open", "due", "to pay", "collateral", "free", "cap used", "claims", "", box=None)
    settings = load_settings(env_file)
    with database(env_file) as session:
        reader = read_clearing(session, settings)
        for position in reader.positions():
            used = position.exposure.used_percent
            table.add_row(
                position.slug,
                position.open.amount,
                position.due.amount,
                position.outstanding.amount,
                position.collateral.amount,
                position.withdrawable.amount,
                "" if used is None else f"{used:g} %",
                position.claims.amount,
                "in default" if position.in_default else "",
            )
        notes.print(_summary(reader))
    output.print(table)


def _summary(reader: ClearingReader) -> str:
    house = reader.house()
    open_cycle = f"Cycle {house.open_cycle} is open until {house.closes_at:%Y-%m-%d %H:%M} UTC"
    settling = "all before it are settled"
    if house.settling_cycle is not None:
        settling = f"cycle {house.settling_cycle} is to be paid until {house.payment_deadline:%Y-%m-%d %H:%M} UTC"
    return f"{open_cycle}; {settling}. Amounts in {house.currency.code}, as of block {house.block_number}."


@app.command("statement")
def statement(
    cycle: Annotated[int, typer.Option(min=1, help="Number of the cycle.")],
    programme: Annotated[str, typer.Option(help="Slug or id of the programme.")],
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV instead of a table.")] = False,
    env_file: EnvFile = None,
) -> None:
    """Show what a programme owed and was owed in a cycle, and how it was paid."""
    settings = load_settings(env_file)
    with database(env_file) as session:
        reader = read_clearing(session, settings)
        row = get_programme(session, programme)
        found = reader.clearing.cycle(cycle)
        disputes = read_disputes(session, reader, Caller(CallerKind.OPERATOR), found)
        read = read_statement(reader, found, reader.joined(row), disputes)
    if as_csv:
        output.print(statement_csv(read), markup=False, end="")
    else:
        _print(read)


def _print(statement: StatementRead) -> None:
    table = Table("partner", "swaps out", "owed", "swaps in", "owing", "taken out", "net", box=None)
    for line in statement.lines:
        table.add_row(
            line.slug,
            str(line.swaps_out),
            line.owed.amount,
            str(line.swaps_in),
            line.owing.amount,
            line.taken_out.amount,
            line.net.amount,
        )
    table.add_row(
        "total",
        str(statement.swaps_out),
        statement.owed.amount,
        str(statement.swaps_in),
        statement.owing.amount,
        statement.taken_out.amount,
        statement.net.amount,
    )
    output.print(table)
    paid = statement.paid
    notes.print(
        f"{statement.slug}, cycle {statement.cycle.number} ({statement.cycle.state}), in {statement.net.currency}: paid"
        f" {paid.with_money.amount} with money and {paid.from_collateral.amount} from collateral, received"
        f" {statement.received.amount}, {len(statement.disputes)} disputes."
    )
