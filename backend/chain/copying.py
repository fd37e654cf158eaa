"""Rows into PostgreSQL by COPY: lines in its text format, put together by hand because they come in millions."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import Connection, sql
from sqlalchemy.orm import Session

NULL = "\\N"


def hex_text(value: bytes) -> str:
    """A bytea in COPY's text format."""
    return "\\\\x" + value.hex()


def escaped(value: str) -> str:
    """A text in COPY's text format."""
    return value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def copy_lines(session: Session, table: str, columns: Sequence[str], lines: Sequence[str]) -> None:
    """Writes lines (fields joined by tabs, no line feed) inside the session's transaction."""
    if not lines:
        return
    driver: object = session.connection().connection.driver_connection
    assert isinstance(driver, Connection)
    names = sql.SQL(", ").join(sql.Identifier(column) for column in columns)
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), names)
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write("\n".join(lines) + "\n")
