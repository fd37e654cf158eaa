"""What bodies of requests have in common."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import TypeAdapter, ValidationError

from backend.bodies import UtcTime

TIME: TypeAdapter[datetime] = TypeAdapter(UtcTime)


@pytest.mark.parametrize("text", ["2026-01-05T18:04:00Z", "2026-01-05T20:04:00+02:00", "2026-01-05t18:04:00z"])
def test_time__rfc_3339__in_utc(text: str) -> None:
    assert TIME.validate_python(text) == datetime(2026, 1, 5, 18, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    "given", [1_767_636_240, 1_767_636_240.5, "1767636240", "1767636240000", True, None, [], "2026-01-05"]
)
def test_time__anything_else__is_refused_with_an_example(given: object) -> None:
    with pytest.raises(ValidationError, match="2026-01-05T18:04:00Z"):
        TIME.validate_python(given)


@pytest.mark.parametrize("text", ["2026-01-05T18:04:00", "1969-12-31T23:59:59Z", "9999-12-31T23:59:59-01:00"])
def test_time__without_an_offset_or_out_of_range__is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        TIME.validate_python(text)
