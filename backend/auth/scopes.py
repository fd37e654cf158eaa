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
    LANES_READ = "lanes:read"
    LANES_WRITE = "lanes:write"
    """Propose, accept, withdraw and stop lanes in the programme's name."""
    QUOTES_WRITE = "quotes:write"
    """Sign transfer bonuses at the programme's cost."""
    SWAPS_READ = "swaps:read"
    SWAPS_WRITE = "swaps:write"
    """Swap members' points, and ask what a swap would come to."""
    CLEARING_READ = "clearing:read"
    CLEARING_WRITE = "clearing:write"
    """Collateral, credit lines, payments, disputes."""
    PARTNERS_WRITE = "partners:write"
    """Say how the brand's own points system is reached."""
    KEYS_WRITE = "keys:write"
    """Create, rotate and revoke keys of the programme."""
