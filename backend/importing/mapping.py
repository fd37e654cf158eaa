"""How the columns of a brand's file become the fields of an event.

A mapping is a TOML file; docs/importing.md describes every key. Unknown keys are refused, so that a slip of the pen
doesn't silently lose a column.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from backend.importing.errors import MappingError


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Columns(_Section):
    """Name of the file's column for each field of an event."""

    reference: str = Field(description="Unique number of the event in the programme, such as a receipt number")
    member: str = Field(description="The brand's own customer number")
    amount: str = Field(description="Value of the purchase")
    occurred_at: str = Field(description="When it happened")
    kind: str | None = Field(default=None, description="What it was; without one, `defaults.kind` holds for all")
    location: str | None = Field(default=None, description="Store")
    channel: str | None = Field(default=None, description="Till, web shop, app")


class Defaults(_Section):
    """Values for fields that the file has no column for."""

    kind: str = Field(default="purchase", description="Kind of every event without a `kind` column")
    location: str | None = Field(default=None, description="Location of every event without a `location` column")
    channel: str | None = Field(default=None, description="Channel of every event without a `channel` column")


class Amounts(_Section):
    """How amounts are written."""

    unit: Literal["major", "minor"] = Field(default="major", description="`major`: 12.34; `minor`: 1234 (cents)")
    decimal_mark: Literal[".", ","] = Field(default=".", description="The mark between whole units and cents")
    digits: int = Field(default=2, ge=0, le=4, description="Decimal digits of the currency")


class Times(_Section):
    """How times are written. A time that names its own zone keeps it."""

    zone: str = Field(default="UTC", description="IANA zone of times without one, such as `Europe/London`")
    format: str | None = Field(default=None, description="strptime format; without one, ISO 8601")

    @field_validator("zone")
    @classmethod
    def _known(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"there is no time zone {zone!r}") from None
        return zone


class Csv(_Section):
    """How a CSV file is written. Its first line holds the columns' names."""

    delimiter: str = Field(default=",", min_length=1, max_length=1, description="Between fields")
    quote: str = Field(default='"', min_length=1, max_length=1, description="Around fields that hold a delimiter")
    encoding: str = Field(default="utf-8-sig", description="Python name of the encoding")


class Mapping(_Section):
    """A whole mapping."""

    columns: Columns
    defaults: Defaults = Defaults()
    amounts: Amounts = Amounts()
    times: Times = Times()
    csv: Csv = Csv()

    @classmethod
    def load(cls, path: Path) -> Mapping:
        """Read a mapping file. Raises MappingError with the first problem in it."""
        try:
            return cls.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        except OSError as error:
            raise MappingError(path, f"{error.strerror or error}.") from error
        except tomllib.TOMLDecodeError as error:
            raise MappingError(path, f"it is not TOML ({error}).") from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise MappingError(path, f"{where}: {first['msg']}.") from error

    def wanted_columns(self) -> list[str]:
        """The columns that are read, each once."""
        return list(dict.fromkeys(name for name in self.columns.model_dump().values() if name is not None))
