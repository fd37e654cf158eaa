from __future__ import annotations

from pathlib import Path

import pytest

from backend.importing.errors import MappingError
from backend.importing.mapping import Mapping

WHOLE = """
[columns]
reference = "receipt"
member = "customer"
amount = "total"
occurred_at = "at"
location = "shop"

[defaults]
kind = "visit"
channel = "till"

[amounts]
unit = "minor"
digits = 3

[times]
zone = "Europe/London"
format = "%d.%m.%Y"

[csv]
delimiter = ";"
"""


def _write(folder: Path, text: str) -> Path:
    path = folder / "mapping.toml"
    path.write_text(text)
    return path


class TestLoad:
    def test_whole_mapping__is_read(self, tmp_path: Path) -> None:
        mapping = Mapping.load(_write(tmp_path, WHOLE))
        assert mapping.wanted_columns() == ["receipt", "customer", "total", "at", "shop"]
        assert mapping.defaults.kind == "visit"
        assert mapping.amounts.unit == "minor"
        assert mapping.csv.delimiter == ";"

    def test_one_column_for_two_fields__is_read_once(self, tmp_path: Path) -> None:
        text = '[columns]\nreference="a"\nmember="b"\namount="c"\noccurred_at="d"\nlocation="b"\n'
        assert Mapping.load(_write(tmp_path, text)).wanted_columns() == ["a", "b", "c", "d"]

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("columns = ", "not TOML"),
            ('[columns]\nreference = "a"\n', "columns.member"),
            (WHOLE.replace("location", "loction"), "columns.loction"),
            (WHOLE.replace("Europe/London", "Europe/Atlantis"), "no time zone 'Europe/Atlantis'"),
            (WHOLE.replace('";"', '";;"'), "csv.delimiter"),
        ],
    )
    def test_fault__is_named(self, tmp_path: Path, text: str, problem: str) -> None:
        with pytest.raises(MappingError, match=problem):
            Mapping.load(_write(tmp_path, text))

    def test_missing_file__is_said(self, tmp_path: Path) -> None:
        with pytest.raises(MappingError, match="No such file"):
            Mapping.load(tmp_path / "none.toml")
