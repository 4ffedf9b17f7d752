"""How many requests a key may still make.

Counted in this process alone: a count that others share would cost a round trip on every request. Behind several
processes a key may make the limit in each.
"""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

WINDOW: Final = timedelta(minutes=1)
"""What a limit counts in. Windows of all keys end together, so that only the keys of one are remembered."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """Where a key stands after a request."""

    remaining: int
    """Requests that the key may still make in this window."""
    resets_after: int
    """Whole seconds until the next window."""
    is_exceeded: bool
    """The request was one too many."""


class RateLimiter:
    """Counts the requests of each key against one limit."""

    def __init__(self, limit: int, *, clock: Callable[[], datetime], max_keys: int | None = None) -> None:
        """Make a limiter of `limit` requests per window; `clock` tells real time.

        Of callers who choose what they are known by, `max_keys` are counted in a window; all further ones exceed it.
        """
        self.limit = limit
        self._max_keys = max_keys
        self._clock = clock
        self._counts: Counter[str] = Counter()
        self._ends_at: datetime | None = None

    def take(self, key_id: str) -> Allowance:
        """Count a request."""
        now = self._clock()
        if self._ends_at is None or now >= self._ends_at:
            self._counts.clear()
            self._ends_at = now + WINDOW
        if self._max_keys is not None and len(self._counts) >= self._max_keys and key_id not in self._counts:
            return self._allowance(self.limit + 1, now=now)
        count = self._counts[key_id] = self._counts[key_id] + 1
        return self._allowance(count, now=now)

    def _allowance(self, count: int, *, now: datetime) -> Allowance:
        assert self._ends_at is not None
        return Allowance(
            remaining=max(0, self.limit - count),
            resets_after=math.ceil((self._ends_at - now).total_seconds()),
            is_exceeded=count > self.limit,
        )
