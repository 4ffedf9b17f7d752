"""Periods of whole days, as a list of invitations is narrowed by them."""

from dataclasses import replace
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from invite_service.domain.errors import Fault, InvalidInputError
from invite_service.domain.listing import InvitationFilter, Span
from invite_service.rules.slots import local_day


class Period(StrEnum):
    """Spans of whole days in the merchant's zone; those with a number include today."""

    TODAY = "today"
    TOMORROW = "tomorrow"
    NEXT_7_DAYS = "next_7_days"
    NEXT_30_DAYS = "next_30_days"
    LAST_7_DAYS = "last_7_days"
    LAST_30_DAYS = "last_30_days"


_PERIOD_DAYS: Final = {
    Period.TODAY: (0, 1),
    Period.TOMORROW: (1, 2),
    Period.NEXT_7_DAYS: (0, 7),
    Period.NEXT_30_DAYS: (0, 30),
    Period.LAST_7_DAYS: (-6, 1),
    Period.LAST_30_DAYS: (-29, 1),
}
"""First day and the day after the last, counted from today."""


def is_apart(one: Span, other: Span) -> bool:
    """Say whether two spans have no instant in common."""
    return any(
        first.end is not None and second.start is not None and first.end <= second.start
        for first, second in ((one, other), (other, one))
    )


def span_of(period: Period, *, zone: str, now: datetime) -> Span:
    """Tell from when to when a period goes; the days begin at midnight on the wall clock of `zone`."""
    today = local_day(now, zone)
    start, end = (
        datetime.combine(today + timedelta(days=days), time.min, tzinfo=ZoneInfo(zone)) for days in _PERIOD_DAYS[period]
    )
    return Span(start=start, end=end)


def within(
    chosen: InvitationFilter, period: Period | None, *, zone: str, now: datetime, pointer: str = "?period"
) -> InvitationFilter:
    """Add to a filter that send_at lies in a period, seen from now; None adds nothing.

    Raises:
        InvalidInputError: the period, which stands at `pointer`, lies outside of the span of send_at that is chosen.
    """
    if period is None:
        return chosen
    span = span_of(period, zone=zone, now=now)
    if any(is_apart(span, other) for other in chosen.sends):
        fault = Fault(pointer, "out_of_range", "Lies outside of send_from and send_to.")
        raise InvalidInputError("The request has faults.", faults=[fault])
    return replace(chosen, sends=(*chosen.sends, span))
