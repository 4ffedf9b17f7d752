"""Zones and wall clocks: which instant a local wall time is, gaps and doubled hours included."""

from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

SECOND = timedelta(seconds=1)

COUNTRY_ZONES = {
    "BR": "America/Sao_Paulo",
    "DE": "Europe/Berlin",
    "DK": "Europe/Copenhagen",
    "FI": "Europe/Helsinki",
    "GB": "Europe/London",
    "NO": "Europe/Oslo",
    "SE": "Europe/Stockholm",
    "US": "America/New_York",
}
"""A handful of most populous zones; a caller passes the project's own table."""


def find_zone(name: str | None) -> ZoneInfo | None:
    """Return the zone of that name, or None when there is none."""
    if not name:
        return None
    try:
        return ZoneInfo(name.strip())
    except (KeyError, ValueError, OSError):
        return None


def wall_clock(instant: datetime, zone: ZoneInfo) -> datetime:
    """Return what a clock on the wall shows at the instant, without a zone."""
    return instant.astimezone(zone).replace(tzinfo=None)


def local_day(instant: datetime, zone: ZoneInfo) -> date:
    """Return the calendar day of the instant in the zone."""
    return wall_clock(instant, zone).date()


@cache
def first_instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return the first instant at which the wall clock shows this time, in UTC.

    Every offset the zone uses from two days before to two days after is tried; those that lead to
    an instant at which the clock really shows the time are candidates, and the earliest one counts
    (section 6: "a wall time that exists twice is the earlier"). With no candidate the time lies in
    a gap, and the answer is the first instant after the gap.
    """
    as_if_utc = wall.replace(tzinfo=UTC)
    hours = (as_if_utc + timedelta(hours=h) for h in range(-48, 49))
    offsets = {zone.utcoffset(hour.astimezone(zone)) for hour in hours}
    instants = [as_if_utc - offset for offset in offsets if offset is not None]
    showing = [instant for instant in instants if wall_clock(instant, zone) == wall]
    return min(showing) if showing else _end_of_gap(wall, zone)


def _end_of_gap(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return the first whole second at which the clock is already past a time that it leaps over.

    Around a gap the clock shows less before the leap and more after it, so halving finds the leap.
    """
    before = wall.replace(tzinfo=UTC) - timedelta(hours=48)
    after = wall.replace(tzinfo=UTC) + timedelta(hours=48)
    while after - before > SECOND:
        middle = before + timedelta(seconds=(after - before) // SECOND // 2)
        if wall_clock(middle, zone) < wall:
            before = middle
        else:
            after = middle
    return after
