"""How fast messages may leave: a pace, the bucket that keeps it, and when to come back for more.

A bucket holds a token for each message that may leave. It fills steadily up to a burst, so that in any span of time no
more tokens are given out than the burst and what the pace adds in that time.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from invite_service.domain.channel import Bucket
from invite_service.rules.circuits import Shut, ShutReason

BURST_SECONDS: Final = 0.5
"""How much of its pace a bucket holds that was left alone: the more, the further above the pace a second may come."""

PORTION_SECONDS: Final = 0.25
"""How much of its pace is taken at once where more waits: the less, the more often PostgreSQL is asked."""

MARGIN: Final = timedelta(milliseconds=1)
"""Added to waits, so that a token is whole when somebody comes for it."""

HOUR_SECONDS: Final = 3600


@dataclass(frozen=True, slots=True)
class Pace:
    """A steady rate of messages."""

    per_second: float

    @property
    def burst(self) -> float:
        """How many tokens a bucket holds at the most; at least one message's."""
        return max(1.0, self.per_second * BURST_SECONDS)

    @property
    def portion(self) -> int:
        """How many tokens one merchant takes at once of what all share."""
        return max(1, int(self.per_second * PORTION_SECONDS))

    @property
    def portion_delay(self) -> timedelta:
        """How long it takes until a portion is there."""
        return timedelta(seconds=self.portion / self.per_second)

    def wait(self, tokens: float) -> timedelta:
        """Say how long it takes until a bucket with so many tokens has a portion."""
        return timedelta(seconds=max(0.0, self.portion - tokens) / self.per_second) + MARGIN


def compute_pace(*, max_per_second: float | None, max_per_hour: int | None) -> Pace | None:
    """Make one pace of two limits: an hour's messages are spread over the hour, and the slower limit holds."""
    limits = []
    if max_per_second is not None:
        limits.append(max_per_second)
    if max_per_hour is not None:
        limits.append(max_per_hour / HOUR_SECONDS)
    return Pace(min(limits)) if limits else None


def judge_rest(bucket: Bucket | None, *, real_now: datetime) -> Shut | None:
    """Say until when the installation's provider asked to wait: its bucket is empty, and fills from then on."""
    if bucket is None or bucket.refilled_at <= real_now or bucket.tokens >= 1:
        return None
    return Shut(bucket.refilled_at, ShutReason.RATE_LIMITED)
