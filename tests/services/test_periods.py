"""Periods of whole days."""

import pytest

from invite_service.services.periods import Period, span_of
from tests.support.builders import NOON


@pytest.mark.parametrize(
    ("period", "start", "end"),
    [
        (Period.TODAY, "2026-03-29T00:00:00+01:00", "2026-03-30T00:00:00+02:00"),
        (Period.TOMORROW, "2026-03-30T00:00:00+02:00", "2026-03-31T00:00:00+02:00"),
        (Period.NEXT_7_DAYS, "2026-03-29T00:00:00+01:00", "2026-04-05T00:00:00+02:00"),
        (Period.NEXT_30_DAYS, "2026-03-29T00:00:00+01:00", "2026-04-28T00:00:00+02:00"),
        (Period.LAST_7_DAYS, "2026-03-23T00:00:00+01:00", "2026-03-30T00:00:00+02:00"),
        (Period.LAST_30_DAYS, "2026-02-28T00:00:00+01:00", "2026-03-30T00:00:00+02:00"),
    ],
)
def test_periods_are_whole_days_of_the_zone_also_when_clocks_change(period: Period, start: str, end: str) -> None:
    span = span_of(period, zone="Europe/Oslo", now=NOON.replace(month=3, day=28, hour=23, minute=30))
    assert span.start is not None
    assert span.end is not None
    assert (span.start.isoformat(), span.end.isoformat()) == (start, end)
