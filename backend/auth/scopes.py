"""What an API key may do."""

from __future__ import annotations

from enum import StrEnum


class Scope(StrEnum):
    """A permission of a programme's API key. The operator's key has them all, in every programme."""

    PROGRAMMES_READ = "programmes:read"
    PROGRAMMES_WRITE = "programmes:write"
    MEMBERS_READ = "members:read"
    MEMBERS_WRITE = "members:write"
    EVENTS_READ = "events:read"
    EVENTS_WRITE = "events:write"
    POINTS_READ = "points:read"
    """Balances, history, receipts, redemptions, operations."""
    POINTS_SPEND = "points:spend"
    """Redeem, hold, capture, release."""
    POINTS_REVERSE = "points:reverse"
    """Refunds of redemptions and returns of purchases."""
    KEYS_WRITE = "keys:write"
    """Create, rotate and revoke keys of the programme."""
