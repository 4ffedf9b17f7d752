"""When a message may leave: send windows, slots and the days they lie on (RULES.md section 6).

A slot is one instant of one local day: the window's start plus the spread, on the wall clock of the send zone. All
instants taken and given are aware; those given are in UTC. Wall times that a clock change skips or repeats are read
as RULES.md section 6 says: the first instant after the gap, the earlier of two.
"""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache, partial
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from invite_service.domain.invitation import Step
from invite_service.domain.policy import Policy
from invite_service.rules.draw import draw_spread
from invite_service.rules.zones import load_zone

_DAY = timedelta(days=1)
_MAX_DAYS_AHEAD = 400
"""A zone that skips a whole year of windows does not exist; the bound turns a broken policy into an error."""


class SendPlan(NamedTuple):
    """What places one step of one invitation within a day: whose window, in which zone, and the drawn second."""

    policy: Policy
    zone: str
    merchant_id: str
    order_id: str
    step: Step


new_send_plan: Final = partial(tuple.__new__, SendPlan)
"""Makes a plan of its five parts, as the constructor does that is a function of Python."""


class Window(NamedTuple):
    """A day's send window as instants: start ≤ t < end. Empty where a clock change swallowed it."""

    start: datetime
    end: datetime
    wall_seconds: int
    """What lies between its bounds on the wall; as instants it is more or less where clocks change inside."""
    is_steady: bool
    """Whether it is as long on the clock of the world as on the wall: no change of clocks lies inside."""


@lru_cache(maxsize=4096)
def whole_days(count: int) -> timedelta:
    """Give a span of so many days; making one anew costs as much as a call or two of ours."""
    return timedelta(days=count)


def local_day(instant: datetime, zone: str) -> date:
    """Tell the calendar day of an instant on the wall clock of an IANA zone."""
    if instant.tzinfo is UTC:
        offset = _steady_offset(instant.date(), zone)
        if offset is not None:
            return (instant + offset).date()
    return instant.astimezone(load_zone(zone)).date()


def local_hour(instant: datetime, zone: str) -> tuple[date, int]:
    """Tell the calendar day and the hour of an instant on the wall clock of an IANA zone."""
    offset = _steady_offset(instant.date(), zone) if instant.tzinfo is UTC else None
    local = instant + offset if offset is not None else instant.astimezone(load_zone(zone))
    return local.date(), local.hour


@lru_cache(maxsize=4096)
def _steady_offset(day: date, zone: str) -> timedelta | None:
    """Give what a zone is ahead of UTC on all of a day of UTC, or None where its clocks change on it.

    No zone of the database has ever changed its clocks twice within six days.
    """
    tz = load_zone(zone)
    first, last = (datetime.combine(day, wall, UTC).astimezone(tz).utcoffset() for wall in (time.min, time.max))
    return first if first == last else None


def _first_occurrence(wall: datetime, zone: ZoneInfo) -> tuple[datetime, bool]:
    """Read a naive wall time: its first occurrence in UTC, and whether it fell into a gap."""
    instant = wall.replace(tzinfo=zone).astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == wall:
        return instant, False
    return _end_of_gap(wall, zone), True


def instant_of(wall: datetime, zone: str) -> datetime:
    """Read a naive wall time of an IANA zone: the first instant after the gap it falls into, the earlier of two."""
    return _first_occurrence(wall, load_zone(zone))[0]


def _end_of_gap(wall: datetime, zone: ZoneInfo) -> datetime:
    """Find the first instant after the gap that a naive wall time falls into.

    PEP 495: inside a gap fold=1 reads with the offset after the change (so before it), fold=0 the other way round.
    """
    before = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    after = wall.replace(tzinfo=zone).astimezone(UTC)
    old_offset = before.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
        if middle.astimezone(zone).utcoffset() == old_offset:
            before = middle
        else:
            after = middle
    return after


@lru_cache(maxsize=16_384)
def _read_window(day: date, start: time, end: time, zone: str) -> Window:
    tz = load_zone(zone)
    opens, closes = datetime.combine(day, start), datetime.combine(day, end)
    first, last = _first_occurrence(opens, tz)[0], _first_occurrence(closes, tz)[0]
    on_wall = closes - opens
    return Window(first, last, on_wall // timedelta(seconds=1), last - first == on_wall)


def day_window(policy: Policy, zone: str, day: date) -> Window:
    """Give the send window of a local day as instants, both bounds at their first occurrence."""
    return _read_window(day, policy.send_window_start, policy.send_window_end, zone)


def slot_of_day(plan: SendPlan, day: date) -> datetime | None:
    """Give the step's slot on a day whatever its weekday, or None when the window leaves no place for it."""
    policy, zone, merchant_id, order_id, step = plan
    start, end, wall_seconds, is_steady = _read_window(day, policy.send_window_start, policy.send_window_end, zone)
    if start >= end:
        return None
    spread = timedelta(0, draw_spread(merchant_id, order_id, step, window_seconds=wall_seconds))
    if is_steady:
        return start + spread
    slot, _ = _first_occurrence(datetime.combine(day, policy.send_window_start) + spread, load_zone(zone))
    return slot if slot < end else None


def _first_allowed_slot(plan: SendPlan, day: date) -> tuple[date, datetime]:
    weekdays = plan.policy.send_weekdays
    for _ in range(_MAX_DAYS_AHEAD):
        if day.weekday() in weekdays and (slot := slot_of_day(plan, day)) is not None:
            return day, slot
        day += _DAY
    raise ValueError(f"No send window within {_MAX_DAYS_AHEAD} days in zone {plan.zone}")


def is_window_open(policy: Policy, zone: str, now: datetime) -> bool:
    """Say whether `now` lies inside the window of an allowed day."""
    day = local_day(now, zone)
    if day.weekday() not in policy.send_weekdays:
        return False
    window = _read_window(day, policy.send_window_start, policy.send_window_end, zone)
    return window.start <= now < window.end


def is_inside_window(policy: Policy, zone: str, day: date, now: datetime) -> bool:
    """Say whether `now` lies inside the window of a day, whatever its weekday."""
    window = day_window(policy, zone, day)
    return window.start <= now < window.end


def next_slot(plan: SendPlan, *, now: datetime) -> datetime:
    """Give the first slot after now, today included."""
    day = local_day(now, plan.zone)
    while True:
        day, slot = _first_allowed_slot(plan, day)
        if slot > now:
            return slot
        day += _DAY


def slot_from(plan: SendPlan, day: date, *, now: datetime) -> datetime:
    """Plan the step for the slot of `day`, moved to the next allowed day, and past `now` (RULES.md section 6).

    A slot that is not after now becomes now inside the window of an allowed day, else the first slot after now.
    """
    _, slot = _first_allowed_slot(plan, day)
    if slot > now:
        return slot
    today = local_day(now, plan.zone)
    is_allowed = today.weekday() in plan.policy.send_weekdays and slot_of_day(plan, today) is not None
    is_open = is_allowed and is_inside_window(plan.policy, plan.zone, today, now)
    return now if is_open else next_slot(plan, now=now)


def next_window_start(policy: Policy, zone: str, *, now: datetime) -> datetime:
    """Give the first instant after now at which the window of an allowed day opens (RULES.md section 7, "later")."""
    day = local_day(now, zone)
    for _ in range(_MAX_DAYS_AHEAD):
        window = day_window(policy, zone, day)
        if day.weekday() in policy.send_weekdays and now < window.start < window.end:
            return window.start
        day += _DAY
    raise ValueError(f"No send window within {_MAX_DAYS_AHEAD} days in zone {zone}")


def rescheduled_slot(plan: SendPlan, day: date, *, now: datetime, planned: datetime | None = None) -> datetime | None:
    """Give the slot of a day the merchant chose, whatever send_days say, or None for a past day.

    Today counts until the window's end, a slot that has passed being now (RULES.md section 8): the now of the first
    time, where the merchant chose the day before and it is `planned` for then. A day on which a clock change leaves no
    place for the slot takes the window's first instant, or is refused as past when it has none.
    """
    today = local_day(now, plan.zone)
    if day < today:
        return None
    window = day_window(plan.policy, plan.zone, day)
    if window.start >= window.end or now >= window.end:
        return None
    slot = slot_of_day(plan, day) or window.start
    if planned is not None and slot < planned <= now:
        return planned
    return max(slot, now)
