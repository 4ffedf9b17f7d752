"""Windows and slots (RULES.md section 6): gaps, doubled hours, and days on which a change of clocks leaves no place.

The order is A-1001 of nordic-gear, the step product_1: its second is 4257 of a window of two hours (7,200 seconds),
2937 of one of 89 minutes, 1857 of one of 50 minutes and 1377 of one of 119 minutes.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from invite_service.domain.invitation import Step
from invite_service.domain.policy import Policy
from invite_service.rules.slots import (
    SendPlan,
    _steady_offset,
    day_window,
    is_window_open,
    local_day,
    next_slot,
    next_window_start,
    rescheduled_slot,
    slot_from,
    slot_of_day,
)
from tests.rules.builders import at, make_policy

NEVER = datetime(2000, 1, 1, tzinfo=UTC)


def make_plan(
    start: str = "10:00", end: str = "12:00", *, zone: str = "Europe/Oslo", order_id: str = "A-1001", **policy: Any
) -> SendPlan:
    return SendPlan(make_window(start, end, **policy), zone, "nordic-gear", order_id, Step.PRODUCT_1)


def make_window(start: str = "10:00", end: str = "12:00", **policy: Any) -> Policy:
    return make_policy(send_window_start=time.fromisoformat(start), send_window_end=time.fromisoformat(end), **policy)


def wall(instant: datetime | None, zone: str) -> str | None:
    return None if instant is None else f"{instant.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S %z}"


OSLO_SLOTS = {
    "winter": ("2026-03-02", "10:00", "12:00", "2026-03-02 11:10:57 +0100"),
    "summer": ("2026-07-02", "10:00", "12:00", "2026-07-02 11:10:57 +0200"),
    "day of the gap, window elsewhere": ("2026-03-29", "10:00", "12:00", "2026-03-29 11:10:57 +0200"),
    "slot in the gap": ("2026-03-29", "01:30", "03:30", "2026-03-29 03:00:00 +0200"),
    "slot in the gap, window ends with it": ("2026-03-29", "01:30", "02:59", None),
    "window in the gap": ("2026-03-29", "02:05", "02:55", None),
    "whole gap is the window": ("2026-03-29", "02:00", "03:00", None),
    "window begins in the gap": ("2026-03-29", "02:30", "04:30", "2026-03-29 03:40:57 +0200"),
    "doubled hour is the earlier": ("2026-10-25", "02:00", "03:00", "2026-10-25 02:10:57 +0200"),
    "window around the doubled hour": ("2026-10-25", "01:30", "03:30", "2026-10-25 02:40:57 +0200"),
    "slot after the doubled hour": ("2026-10-25", "02:10", "04:10", "2026-10-25 03:20:57 +0100"),
    "window ends in the doubled hour": ("2026-10-25", "00:30", "02:30", "2026-10-25 01:40:57 +0200"),
}


@pytest.mark.parametrize(("day", "start", "end", "expected"), OSLO_SLOTS.values(), ids=OSLO_SLOTS)
def test_slot_of_a_day_in_oslo(day: str, start: str, end: str, expected: str | None) -> None:
    slot = slot_of_day(make_plan(start, end), date.fromisoformat(day))
    assert wall(slot, "Europe/Oslo") == expected


FOREIGN_SLOTS = {
    "half an hour, slot in the gap": (
        "Australia/Lord_Howe", "2026-10-04", "01:00", "03:00", "2026-10-04 02:30:00 +1100",
    ),
    "half an hour, window in the gap": ("Australia/Lord_Howe", "2026-10-04", "02:00", "02:30", None),
    "half an hour, window begins in the gap": (
        "Australia/Lord_Howe", "2026-10-04", "02:10", "04:10", "2026-10-04 03:20:57 +1100",
    ),
    "half an hour, doubled": ("Australia/Lord_Howe", "2026-04-05", "00:30", "02:30", "2026-04-05 01:40:57 +1100"),
    "half an hour, after it": ("Australia/Lord_Howe", "2026-04-05", "01:30", "03:30", "2026-04-05 02:40:57 +1030"),
    "a day that never was": ("Pacific/Apia", "2011-12-30", "10:00", "12:00", None),
    "the day after it": ("Pacific/Apia", "2011-12-31", "10:00", "12:00", "2011-12-31 11:10:57 +1400"),
    "midnight is skipped, slot in the gap": (
        "America/Sao_Paulo", "2018-11-04", "00:00", "00:30", None,
    ),
    "midnight is skipped, window begins in the gap": (
        "America/Sao_Paulo", "2018-11-04", "00:00", "02:00", "2018-11-04 01:10:57 -0200",
    ),
    "midnight comes twice": ("America/Sao_Paulo", "2018-02-17", "22:00", "23:59", "2018-02-17 22:22:57 -0200"),
    "no changes any more": ("America/Sao_Paulo", "2026-11-01", "00:00", "02:00", "2026-11-01 01:10:57 -0300"),
    "quarter-hour zone": ("Asia/Kathmandu", "2026-03-02", "10:00", "12:00", "2026-03-02 11:10:57 +0545"),
    "far east": ("Pacific/Kiritimati", "2026-03-02", "10:00", "12:00", "2026-03-02 11:10:57 +1400"),
}  # fmt: skip


@pytest.mark.parametrize(("zone", "day", "start", "end", "expected"), FOREIGN_SLOTS.values(), ids=FOREIGN_SLOTS)
def test_slot_of_a_day_elsewhere(zone: str, day: str, start: str, end: str, expected: str | None) -> None:
    slot = slot_of_day(make_plan(start, end, zone=zone), date.fromisoformat(day))
    assert wall(slot, zone) == expected


WINDOWS = {
    "plain": ("Europe/Oslo", "2026-03-02", "10:00", "12:00", "2026-03-02 09:00", "2026-03-02 11:00"),
    "begins in the gap": ("Europe/Oslo", "2026-03-29", "02:30", "03:30", "2026-03-29 01:00", "2026-03-29 01:30"),
    "ends in the gap": ("Europe/Oslo", "2026-03-29", "01:30", "02:30", "2026-03-29 00:30", "2026-03-29 01:00"),
    "swallowed": ("Europe/Oslo", "2026-03-29", "02:10", "02:50", "2026-03-29 01:00", "2026-03-29 01:00"),
    "doubled, both bounds the first": (
        "Europe/Oslo", "2026-10-25", "02:10", "02:50", "2026-10-25 00:10", "2026-10-25 00:50",
    ),
    "an hour longer than on the wall": (
        "Europe/Oslo", "2026-10-25", "01:00", "04:00", "2026-10-24 23:00", "2026-10-25 03:00",
    ),
    "an hour shorter than on the wall": (
        "Europe/Oslo", "2026-03-29", "01:00", "04:00", "2026-03-29 00:00", "2026-03-29 02:00",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("zone", "day", "start", "end", "opens", "closes"), WINDOWS.values(), ids=WINDOWS)
def test_window_of_a_day_as_instants(zone: str, day: str, start: str, end: str, opens: str, closes: str) -> None:
    policy = make_policy(send_window_start=time.fromisoformat(start), send_window_end=time.fromisoformat(end))
    window = day_window(policy, zone, date.fromisoformat(day))
    assert (window.start, window.end) == (at(opens), at(closes))


OPEN_AT = {
    "before": ("2026-03-02 08:59:59", False),
    "at its start": ("2026-03-02 09:00", True),
    "last second": ("2026-03-02 10:59:59", True),
    "at its end": ("2026-03-02 11:00", False),
    "on a day that is not allowed": ("2026-03-03 09:30", False),
}


@pytest.mark.parametrize(("now", "expected"), OPEN_AT.values(), ids=OPEN_AT)
def test_window_is_open_from_its_start_until_before_its_end_on_allowed_days(now: str, *, expected: bool) -> None:
    assert is_window_open(make_window(send_days=("mon", "wed")), "Europe/Oslo", at(now)) is expected


FIRST_PLANS = {
    "slot of the day": ("2026-03-16", {}, "2026-03-02 13:30", "2026-03-16 10:10:57"),
    "next allowed day": ("2026-03-07", {"send_days": ("tue", "thu")}, "2026-03-02 13:30", "2026-03-10 10:10:57"),
    "day swallowed by the gap": (
        "2026-03-29", {"start": "02:05", "end": "02:55"}, "2026-03-02 13:30", "2026-03-30 00:35:57",
    ),
    "slot swallowed, window not": (
        "2026-03-29", {"start": "01:30", "end": "02:59"}, "2026-03-02 13:30", "2026-03-30 00:18:57",
    ),
    "slot passed, inside the window: now": ("2026-03-02", {}, "2026-03-02 10:30", "2026-03-02 10:30"),
    "slot is now": ("2026-03-02", {}, "2026-03-02 10:10:57", "2026-03-02 10:10:57"),
    "long past, before today's window: today": ("2026-02-01", {}, "2026-03-02 08:00", "2026-03-02 10:10:57"),
    "long past, slot to come, inside the window: now": ("2026-02-01", {}, "2026-03-02 09:30", "2026-03-02 09:30"),
    "long past, after today's window: tomorrow": ("2026-02-01", {}, "2026-03-02 11:00", "2026-03-03 10:10:57"),
    "long past, inside the window of a day not allowed": (
        "2026-02-01", {"send_days": ("tue",)}, "2026-03-02 09:30", "2026-03-03 10:10:57",
    ),
    "inside the window of a day whose slot the gap took": (
        "2026-02-01", {"start": "01:30", "end": "02:59"}, "2026-03-29 00:45", "2026-03-30 00:18:57",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("day", "changes", "now", "expected"), FIRST_PLANS.values(), ids=FIRST_PLANS)
def test_plan_from_a_day_is_never_in_the_past(day: str, changes: dict[str, Any], now: str, expected: str) -> None:
    assert slot_from(make_plan(**changes), date.fromisoformat(day), now=at(now)) == at(expected)


NEXT_SLOTS = {
    "today, before the window": ("2026-03-02 08:00", {}, "2026-03-02 10:10:57"),
    "today, inside the window": ("2026-03-02 09:30", {}, "2026-03-02 10:10:57"),
    "at the slot: tomorrow": ("2026-03-02 10:10:57", {}, "2026-03-03 10:10:57"),
    "after the slot, inside the window: tomorrow": ("2026-03-02 10:30", {}, "2026-03-03 10:10:57"),
    "next allowed day": ("2026-03-02 10:30", {"send_days": ("mon",)}, "2026-03-09 10:10:57"),
}


@pytest.mark.parametrize(("now", "changes", "expected"), NEXT_SLOTS.values(), ids=NEXT_SLOTS)
def test_next_slot_is_the_first_after_now_and_never_now(now: str, changes: dict[str, Any], expected: str) -> None:
    assert next_slot(make_plan(**changes), now=at(now)) == at(expected)


NEXT_STARTS = {
    "later today": ("2026-03-02 08:00", {}, "2026-03-02 09:00"),
    "at the start: tomorrow": ("2026-03-02 09:00", {}, "2026-03-03 09:00"),
    "inside: tomorrow": ("2026-03-02 09:30", {}, "2026-03-03 09:00"),
    "next allowed day": ("2026-03-02 12:00", {"send_days": ("fri",)}, "2026-03-06 09:00"),
    "clocks go forward on the way": ("2026-03-28 12:00", {}, "2026-03-29 08:00"),
    "a swallowed window opens not": ("2026-03-29 00:00", {"start": "02:10", "end": "02:50"}, "2026-03-30 00:10"),
    "a start in the gap is the end of the gap": (
        "2026-03-29 00:00", {"start": "02:30", "end": "03:30"}, "2026-03-29 01:00",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("now", "changes", "expected"), NEXT_STARTS.values(), ids=NEXT_STARTS)
def test_next_window_start_is_that_of_the_next_allowed_day(now: str, changes: dict[str, Any], expected: str) -> None:
    assert next_window_start(make_window(**changes), "Europe/Oslo", now=at(now)) == at(expected)


RESCHEDULED = {
    "its slot": ("2026-03-20", {}, "2026-03-20 10:10:57"),
    "whatever send_days": ("2026-03-21", {"send_days": ("mon",)}, "2026-03-21 10:10:57"),
    "today, slot to come": ("2026-03-02", {}, "2026-03-02 10:10:57"),
    "yesterday": ("2026-03-01", {}, None),
    "first place in a window that the gap takes the slot of": (
        "2026-03-29", {"start": "01:30", "end": "02:59"}, "2026-03-29 00:30",
    ),
    "a window that the gap swallows": ("2026-03-29", {"start": "02:10", "end": "02:50"}, None),
}  # fmt: skip


@pytest.mark.parametrize(("day", "changes", "expected"), RESCHEDULED.values(), ids=RESCHEDULED)
def test_rescheduled_slot_is_that_of_the_day(day: str, changes: dict[str, Any], expected: str | None) -> None:
    slot = rescheduled_slot(make_plan(**changes), date.fromisoformat(day), now=at("2026-03-02 08:00"))
    assert slot == (None if expected is None else at(expected))


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-03-02 10:30", "2026-03-02 10:30"),
        ("2026-03-02 10:59:59", "2026-03-02 10:59:59"),
        ("2026-03-02 11:00", None),
    ],
)
def test_rescheduled_to_today_counts_until_the_windows_end(now: str, expected: str | None) -> None:
    slot = rescheduled_slot(make_plan(), date(2026, 3, 2), now=at(now))
    assert slot == (None if expected is None else at(expected))


@pytest.mark.parametrize("year", range(2024, 2031))
def test_every_day_of_a_year_in_oslo_has_its_slot_at_the_same_wall_time(year: int) -> None:
    plan = make_plan()
    days = [date(year, 1, 1) + timedelta(days=number) for number in range(365)]
    assert {wall(slot_of_day(plan, day), "Europe/Oslo") for day in days} == {
        f"{day} 11:10:57 {'+0200' if is_summer(day) else '+0100'}" for day in days
    }


def is_summer(day: date) -> bool:
    """Tell whether Oslo has summer time at noon: from the last Sunday in March to the last one in October."""
    return last_sunday(day.year, 3) <= day < last_sunday(day.year, 10)


def last_sunday(year: int, month: int) -> date:
    last = date(year, month, 31)
    return last - timedelta(days=(last.weekday() + 1) % 7)


def test_window_without_any_day_is_an_error_and_no_endless_search() -> None:
    broken = make_window(send_days=())
    with pytest.raises(ValueError, match="No send window within 400 days in zone Europe/Oslo"):
        next_window_start(broken, "Europe/Oslo", now=at("2026-03-02 08:00"))
    with pytest.raises(ValueError, match="No send window within 400 days"):
        slot_from(make_plan(send_days=()), date(2026, 3, 2), now=NEVER)


def test_local_day_is_the_zones() -> None:
    instant = at("2026-03-02 23:30")
    zones = ("Pacific/Kiritimati", "Europe/Oslo", "UTC", "Pacific/Pago_Pago")
    assert [local_day(instant, zone).isoformat() for zone in zones] == [
        "2026-03-03", "2026-03-03", "2026-03-02", "2026-03-02",
    ]  # fmt: skip


LOCAL_DAYS = {
    "before a day that Samoa skipped": ("2011-12-30 09:59:59", "Pacific/Apia", "2011-12-29"),
    "after a day that Samoa skipped": ("2011-12-30 10:00", "Pacific/Apia", "2011-12-31"),
    "before clocks go back over midnight": ("2026-10-25 00:30", "Atlantic/Azores", "2026-10-25"),
    "midnight comes again": ("2026-11-01 04:59:59", "America/Havana", "2026-11-01"),
    "last hour of a summer's day": ("2026-07-02 21:59:59", "Europe/Oslo", "2026-07-02"),
    "first hour of the next": ("2026-07-02 22:00", "Europe/Oslo", "2026-07-03"),
}


@pytest.mark.parametrize(("instant", "zone", "day"), LOCAL_DAYS.values(), ids=LOCAL_DAYS)
def test_local_day_is_read_on_the_wall_clock(instant: str, zone: str, day: str) -> None:
    elsewhere = at(instant).astimezone(ZoneInfo("Asia/Kolkata"))
    assert (local_day(at(instant), zone), local_day(elsewhere, zone)) == (date.fromisoformat(day),) * 2


def test_what_is_remembered_of_days_is_bounded() -> None:
    first = date(2000, 1, 1)
    for number in range(20_000):
        local_day(datetime.combine(first + timedelta(days=number), time(12), UTC), "Etc/UTC")
    assert _steady_offset.cache_info().currsize == _steady_offset.cache_info().maxsize == 4096
