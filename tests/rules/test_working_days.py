"""Counting working days on a zone's wall clock."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invite_service.domain.policy import WEEKDAYS
from invite_service.domain.publishing import WORKING_DAYS
from invite_service.rules.slots import local_day
from invite_service.rules.working_days import add_working_days

OSLO = "Europe/Oslo"
EASTER_2026 = {date(2026, 4, 2), date(2026, 4, 3), date(2026, 4, 6)}


def count(start: str, days: int, *, zone: str = OSLO, holidays: frozenset[date] = frozenset()) -> str:
    """Count from a wall time of the zone, and give the wall time of the end."""
    ends_at = add_working_days(
        datetime.fromisoformat(start),
        days,
        zone=zone,
        working_days=WORKING_DAYS,
        is_holiday=lambda day: day in holidays,
    )
    assert ends_at.tzinfo is UTC
    return ends_at.isoformat()


@pytest.mark.parametrize(
    ("start", "days", "end"),
    [
        # A Monday, and the Monday after.
        ("2026-03-09T14:30:00+01:00", 5, "2026-03-16T13:30:00+00:00"),
        # Saturday and Sunday count from the Monday.
        ("2026-03-07T14:30:00+01:00", 1, "2026-03-09T13:30:00+00:00"),
        ("2026-03-08T23:59:59+01:00", 1, "2026-03-09T22:59:59+00:00"),
        # The instant is late on Sunday in UTC and early on Monday in Oslo.
        ("2026-03-08T23:30:00+00:00", 1, "2026-03-09T23:30:00+00:00"),
        # Clocks go forward on the 29th: the wall time stays.
        ("2026-03-27T14:30:00+01:00", 1, "2026-03-30T12:30:00+00:00"),
    ],
)
def test_same_wall_time_on_the_nth_working_day(start: str, days: int, end: str) -> None:
    assert count(start, days) == end


def test_holidays_are_not_counted() -> None:
    assert count("2026-04-01T10:00:00+02:00", 2, holidays=frozenset(EASTER_2026)) == "2026-04-08T08:00:00+00:00"


def test_wall_time_in_a_gap_is_the_first_instant_after_it() -> None:
    # Cairo's clocks went forward at midnight on Friday, 26 April 2024.
    assert count("2024-04-25T00:30:00+02:00", 1, zone="Africa/Cairo") == "2024-04-25T22:00:00+00:00"


def test_calendar_without_working_days_ends_in_an_error() -> None:
    with pytest.raises(ValueError, match="No 1 working days"):
        add_working_days(
            datetime(2026, 3, 9, tzinfo=UTC), 1, zone=OSLO, working_days=WORKING_DAYS, is_holiday=lambda _: True
        )


@given(
    start=st.datetimes(datetime(2024, 1, 1), datetime(2030, 12, 31)).map(  # noqa: DTZ001 - becomes aware
        lambda naive: naive.replace(tzinfo=UTC)
    ),
    days=st.integers(1, 30),
    working=st.sets(st.sampled_from(WEEKDAYS), min_size=1),
)
def test_end_is_a_working_day_and_a_longer_hold_ends_later(start: datetime, days: int, working: set[str]) -> None:
    def end(count: int) -> datetime:
        return add_working_days(start, count, zone=OSLO, working_days=working, is_holiday=lambda _: False)

    assert WEEKDAYS[local_day(end(days), OSLO).weekday()] in working
    assert end(days) > start
    assert end(days + 1) - end(days) >= timedelta(hours=22)
