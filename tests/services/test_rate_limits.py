"""Counting requests by who makes them."""

from datetime import timedelta

from invite_service.services.rate_limits import WINDOW, Allowance, RateLimiter
from tests.support.builders import NOON


def test_further_callers_than_are_counted_are_refused_until_the_next_window() -> None:
    now = [NOON]
    limiter = RateLimiter(2, clock=lambda: now[0], max_keys=2)
    assert not limiter.take("a").is_exceeded
    assert not limiter.take("b").is_exceeded
    now[0] += timedelta(seconds=15)
    assert limiter.take("c") == Allowance(remaining=0, resets_after=45, is_exceeded=True)
    assert limiter.take("a") == Allowance(remaining=0, resets_after=45, is_exceeded=False)
    assert limiter.take("a").is_exceeded
    now[0] = NOON + WINDOW
    assert limiter.take("c") == Allowance(remaining=1, resets_after=60, is_exceeded=False)
