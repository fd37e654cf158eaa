"""Reading uploads, however the network cuts them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.points.errors import UploadFormatError
from backend.points.upload_format import MAX_LINE_BYTES, CsvLines, JsonLines, UploadParser, reader_for

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


@given(st.lists(st.tuples(TEXT, TEXT, TEXT), max_size=10), st.integers(1, 40))
def test_feed__any_cut_gives_the_same_rows(rows: list[tuple[str, str, str]], piece: int) -> None:
    body = "\n".join(
        json.dumps({"reference": a, "member_reference": b, "amount": "1", "occurred_at": c}) for a, b, c in rows
    ).encode()
    whole, cut = UploadParser("upl", JsonLines()), UploadParser("upl", JsonLines())
    expected = whole.feed(body) + whole.finish()
    assert b"".join(cut.feed(body[at : at + piece]) for at in range(0, len(body), piece)) + cut.finish() == expected
    assert (cut.row_count, expected.count(b"\n")) == (len(rows), len(rows))


def test_feed__counts_lines_and_names_what_cannot_be_read() -> None:
    parser = UploadParser("upl", JsonLines())
    parser.feed(b'[1]\n\n{"reference": "r"}\n"text"\n')
    assert [(line.line_number, line.reference) for line in parser.malformed] == [(1, ""), (3, "r"), (4, "")]
    assert "member_reference" in parser.malformed[1].detail


def test_feed__refuses_a_line_without_end() -> None:
    with pytest.raises(UploadFormatError, match="longer"):
        UploadParser("upl", JsonLines()).feed(b"x" * (MAX_LINE_BYTES + 1))


def test_csv__keeps_quoted_commas_and_empty_cells() -> None:
    parser = UploadParser("upl", CsvLines())
    lines = parser.feed(b'\xef\xbb\xbfreference,member_reference,amount,occurred_at,location\r\n"a,b",m,1,t,\r\n')
    assert lines == b"upl\t2\ta,b\tm\t\\N\t1\tt\t\\N\t\\N\n"


def test_reader_for__refuses_other_types() -> None:
    with pytest.raises(UploadFormatError):
        reader_for("application/json")
