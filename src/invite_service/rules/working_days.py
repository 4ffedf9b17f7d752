"""Working days: the same wall time some of them later (RULES.md section 9)."""

from collections.abc import Callable, Collection
from datetime import date, datetime, timedelta
from typing import Final

from invite_service.domain.policy import WEEKDAYS
from invite_service.rules.slots import instant_of
from invite_service.rules.zones import load_zone

MAX_DAYS_AHEAD: Final = 1000
"""Days that are looked through: no calendar holds thirty working days of one weekday back for longer."""


def add_working_days(
    start: datetime, days: int, *, zone: str, working_days: Collection[str], is_holiday: Callable[[date], bool]
) -> datetime:
    """Give the same wall time of a zone on the `days`-th working day after the day of an aware instant, in UTC.

    A wall time that a clock change skips is the first instant after the gap, one that comes twice the earlier.

    Raises:
        ValueError: there are not so many working days within MAX_DAYS_AHEAD.
    """
    wall = start.astimezone(load_zone(zone)).replace(tzinfo=None)
    day = wall.date()
    left = days
    for _ in range(MAX_DAYS_AHEAD):
        if not left:
            return instant_of(datetime.combine(day, wall.time()), zone)
        day += timedelta(days=1)
        left -= WEEKDAYS[day.weekday()] in working_days and not is_holiday(day)
    raise ValueError(f"No {days} working days within {MAX_DAYS_AHEAD} days.")
