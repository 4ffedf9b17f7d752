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

    def __init__(self, limit: int, *, clock: Callable[[], datetime]) -> None:
        """Make a limiter of `limit` requests per window; `clock` tells real time."""
        self.limit = limit
        self._clock = clock
        self._counts: Counter[str] = Counter()
        self._ends_at: datetime | None = None

    def take(self, key_id: str) -> Allowance:
        """Count a request."""
        now = self._clock()
        if self._ends_at is None or now >= self._ends_at:
            self._counts.clear()
            self._ends_at = now + WINDOW
        count = self._counts[key_id] = self._counts[key_id] + 1
        return Allowance(
            remaining=max(0, self.limit - count),
            resets_after=math.ceil((self._ends_at - now).total_seconds()),
            is_exceeded=count > self.limit,
        )
