"""Public ids of rows that are numbered: `evt_12`, `acr_12`."""

from __future__ import annotations

import re

_NUMBER = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)


def event_id(number: int) -> str:
    """Public id of an event."""
    return f"evt_{number}"


def accrual_id(number: int) -> str:
    """Public id of an accrual."""
    return f"acr_{number}"


def event_number(text: str) -> int | None:
    """The row behind a public id; None when it is not one."""
    prefix, _, number = text.partition("_")
    return int(number) if prefix == "evt" and _NUMBER.fullmatch(number) else None
