"""A slot is always inside the window of an allowed day: for every IANA zone and every changeover day 2024 to 2030.

The windows of the second reading (tests/reading) say what is inside; they were written from RULES.md section 6 alone.
"""

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invite_service.domain.invitation import Step
from invite_service.domain.policy import WEEKDAYS
from invite_service.rules.slots import (
    SendPlan,
    is_window_open,
    local_day,
    next_slot,
    next_window_start,
    slot_from,
    slot_of_day,
)
from invite_service.rules.zones import load_zone
from tests.reading.slots import Timetable
from tests.rules.builders import make_policy
from tests.rules.laws.strategies import law

FIRST, LAST = datetime(2024, 1, 1, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC)
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
LEAP_DAY = date(2024, 2, 29)
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)

ALL_ZONES = files("tzdata").joinpath("zones").read_text(encoding="utf-8").split()
"""Every zone of the pinned tz database."""

WINDOWS = {
    "usual": (time(10), time(12)),
    "around the usual gaps": (time(1, 30), time(3, 30)),
    "inside the usual gaps": (time(2, 5), time(2, 55)),
    "from midnight": (time(0), time(0, 40)),
    "to midnight": (time(23, 10), time(23, 59)),
}


Changes = tuple[tuple[datetime, timedelta], ...]
"""When a zone's clocks change, and to what offset; first the offset it begins with."""


def changes_of(name: str) -> Changes:
    """Find every change of a zone's clocks, to the second."""
    zone = load_zone(name)
    changes = [(FIRST, _offset(zone, FIRST))]
    # No zone changes twice within twenty days: Morocco, which comes nearest, leaves a month between.
    for number in range((LAST - FIRST) // (20 * DAY) + 1):
        before, after = FIRST + number * 20 * DAY, FIRST + (number + 1) * 20 * DAY
        if _offset(zone, after) == changes[-1][1]:
            continue
        while after - before > SECOND:
            middle = before + (after - before) // SECOND // 2 * SECOND
            if _offset(zone, middle) == changes[-1][1]:
                before = middle
            else:
                after = middle
        changes.append((after, _offset(zone, after)))
    return tuple(changes)


def _offset(zone: ZoneInfo, instant: datetime) -> timedelta:
    offset = instant.astimezone(zone).utcoffset()
    assert offset is not None
    return offset


@cache
def zones_by_changes() -> dict[Changes, str]:
    """Name one zone for each way of changing clocks: zones that change at the same instants have the same slots."""
    return {changes_of(name): name for name in ALL_ZONES}


def days_to_look_at(changes: Changes) -> list[date]:
    """Name the local days of each change and those before and after."""
    days = {LEAP_DAY}
    for instant, offset in changes[1:]:
        day = (instant + offset).date()
        days |= {day - DAY, day, day + DAY}
    return sorted(days)


def test_changes_of_clocks_are_found() -> None:
    assert len(ALL_ZONES) > 500
    assert len(zones_by_changes()) > 50
    assert [f"{instant:%Y-%m-%d %H:%M} {offset}" for instant, offset in changes_of("Europe/Oslo")] == [
        "2024-01-01 00:00 1:00:00",
        "2024-03-31 01:00 2:00:00", "2024-10-27 01:00 1:00:00",
        "2025-03-30 01:00 2:00:00", "2025-10-26 01:00 1:00:00",
        "2026-03-29 01:00 2:00:00", "2026-10-25 01:00 1:00:00",
        "2027-03-28 01:00 2:00:00", "2027-10-31 01:00 1:00:00",
        "2028-03-26 01:00 2:00:00", "2028-10-29 01:00 1:00:00",
        "2029-03-25 01:00 2:00:00", "2029-10-28 01:00 1:00:00",
        "2030-03-31 01:00 2:00:00", "2030-10-27 01:00 1:00:00",
    ]  # fmt: skip


@pytest.mark.parametrize("window", WINDOWS)
def test_slot_is_inside_the_window_of_an_allowed_day_in_every_zone(window: str) -> None:
    start, end = WINDOWS[window]
    settings = {"send_window_start": f"{start:%H:%M}", "send_window_end": f"{end:%H:%M}", "send_days": list(WEEKDAYS)}
    policy = make_policy(send_window_start=start, send_window_end=end)
    wrong = []
    looked_at = 0
    for changes, name in zones_by_changes().items():
        zone = load_zone(name)
        for number, day in enumerate(days_to_look_at(changes)):
            order_id = f"N-{number}"
            plan = SendPlan(policy, name, "nordic-gear", order_id, Step.PRODUCT_1)
            timetable = Timetable.of(settings, zone, merchant_id="nordic-gear", order_id=order_id, step="product_1")
            slot = slot_of_day(plan, day)
            planned = slot_from(plan, day, now=LONG_AGO)
            looked_at += 1
            is_inside = timetable.opening(day) <= slot < timetable.closing(day) if slot else True
            allowed = timetable.slot(day) if timetable.opening(day) < timetable.closing(day) else None
            if slot != allowed or not is_inside or not timetable.is_open(planned):
                wrong.append((name, day, slot, allowed, planned))
    assert wrong == []
    assert looked_at > 1000


instants = st.datetimes(datetime(2024, 1, 1), datetime(2030, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - Hypothesis adds the zone
times = st.builds(time, st.integers(0, 23), st.integers(0, 59))
windows = st.tuples(times, times).filter(lambda pair: pair[0] != pair[1]).map(sorted)
plans = st.builds(
    lambda window, days, zone, order_id: SendPlan(
        make_policy(send_window_start=window[0], send_window_end=window[1], send_days=tuple(days)),
        zone,
        "nordic-gear",
        order_id,
        Step.PRODUCT_2,
    ),
    windows,
    st.sets(st.sampled_from(WEEKDAYS), min_size=1),
    st.sampled_from(ALL_ZONES),
    st.sampled_from([f"N-{number}" for number in range(50)]),
)


def timetable_of(plan: SendPlan) -> Timetable:
    policy = plan.policy
    settings = {
        "send_window_start": f"{policy.send_window_start:%H:%M}",
        "send_window_end": f"{policy.send_window_end:%H:%M}",
        "send_days": list(policy.send_days),
    }
    return Timetable.of(
        settings, load_zone(plan.zone), merchant_id=plan.merchant_id, order_id=plan.order_id, step=plan.step.value
    )


@law(max_examples=250)
@given(plans, instants, st.integers(-3, 400))
def test_plan_is_never_in_the_past_and_always_inside_a_window(plan: SendPlan, now: datetime, ahead: int) -> None:
    day = now.date() + timedelta(days=ahead)
    planned = slot_from(plan, day, now=now)
    assert planned >= now
    assert timetable_of(plan).is_open(planned)
    assert planned == timetable_of(plan).plan(day, now)


@law(max_examples=250)
@given(plans, instants)
def test_next_slot_and_next_window_lie_ahead_and_inside(plan: SendPlan, now: datetime) -> None:
    slot, opening = next_slot(plan, now=now), next_window_start(plan.policy, plan.zone, now=now)
    assert slot > now
    assert opening > now
    assert timetable_of(plan).is_open(slot)
    assert is_window_open(plan.policy, plan.zone, opening)
    assert not is_window_open(plan.policy, plan.zone, opening - timedelta(seconds=1))


@law(max_examples=150)
@given(plans, instants, st.integers(0, 30), st.integers(0, 30))
def test_later_day_never_gives_an_earlier_plan(plan: SendPlan, now: datetime, one: int, other: int) -> None:
    earlier, later = (slot_from(plan, now.date() + timedelta(days=days), now=now) for days in sorted((one, other)))
    assert earlier <= later


def test_local_day_is_that_of_the_wall_clock_around_every_change() -> None:
    wrong = []
    for changes, name in zones_by_changes().items():
        zone = load_zone(name)
        for changed_at, _ in changes:
            for instant in (changed_at - SECOND, *(changed_at + timedelta(hours=hour) for hour in range(-24, 25))):
                day = local_day(instant, name)
                if day != instant.astimezone(zone).date():
                    wrong.append((name, instant, day))
    assert wrong == []
