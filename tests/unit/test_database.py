"""Ids of resources."""

from __future__ import annotations

import pytest

from backend.database import new_id


def test_new_id__sorts_by_creation_to_the_nanosecond(monkeypatch: pytest.MonkeyPatch) -> None:
    first = 1_795_000_000_123_999_990  # Crosses a millisecond on the way.
    made = []
    for nanoseconds in range(first, first + 20):
        monkeypatch.setattr("time.time_ns", lambda now=nanoseconds: now)
        made.append(new_id("swp"))
    assert made == sorted(made)


def test_new_id__differs_within_a_nanosecond(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time_ns", lambda: 1_795_000_000_123_456_789)
    made = {new_id("swp") for _ in range(1_000)}
    assert len(made) == 1_000
    assert {len(each) for each in made} == {len("swp_") + 26}
