"""A token bucket per API key, in the memory of one API process.

With several API processes the limit holds for each of them; that is enough to stop one key from starving the others.
"""

from __future__ import annotations

import time
from collections import OrderedDict

from backend.auth.errors import RateLimitedError

_MOST_BUCKETS = 10_000


class RateLimiter:
    """Buckets that fill at `per_second` up to `burst`; one request takes one token."""

    def __init__(self, per_second: float, burst: int) -> None:
        self._per_second = per_second
        self._burst = float(burst)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str, now_seconds: float | None = None) -> None:
        """Takes a token of `name`; raises RateLimitedError when there is none."""
        now = time.monotonic() if now_seconds is None else now_seconds
        tokens, since = self._buckets.pop(name, (self._burst, now))
        tokens = min(self._burst, tokens + (now - since) * self._per_second)
        if tokens < 1:
            self._buckets[name] = (tokens, now)
            seconds = max(1, int((1 - tokens) / self._per_second))
            raise RateLimitedError("This key has used up its rate; try again later.", retry_after_seconds=seconds)
        self._buckets[name] = (tokens - 1, now)
        if len(self._buckets) > _MOST_BUCKETS:
            self._buckets.popitem(last=False)
