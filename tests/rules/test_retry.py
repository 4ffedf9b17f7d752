"""Trying again (RULES.md section 7): 1, 5, 15 and 60 minutes, then hourly, twelve tries, inside the window."""

from datetime import time, timedelta
from typing import Any

import pytest

from invite_service.rules.sending import GiveUp, RetryAt, decide_rate_limit, decide_retry
from tests.rules.builders import FIRST_SLOT, at, make_invitation, make_policy

ALL_DAY = make_policy(send_window_start=time(0), send_window_end=time(23, 59))


@pytest.mark.parametrize(
    ("tries", "minutes"),
    [(0, 1), (1, 5), (2, 15), (3, 60), (4, 60), (5, 60), (6, 60), (7, 60), (8, 60), (9, 60), (10, 60)],
)
def test_try_that_did_not_leave_is_repeated_after_a_while(tries: int, minutes: int) -> None:
    now = at("2026-03-16 03:00")
    decided = decide_retry(make_invitation(tries=tries), plan=ALL_DAY, now=now)
    assert decided == RetryAt(now + timedelta(minutes=minutes), tries + 1)


@pytest.mark.parametrize("tries", [11, 12, 40])
def test_twelfth_try_was_the_last(tries: int) -> None:
    decided = decide_retry(make_invitation(tries=tries), plan=ALL_DAY, now=FIRST_SLOT)
    assert decided == GiveUp("provider_unavailable")


INSIDE: dict[str, tuple[dict[str, Any], str, str]] = {
    "inside the window": ({}, "2026-03-16 10:10:57", "2026-03-16 10:11:57"),
    "just before its end": ({}, "2026-03-16 10:58:59", "2026-03-16 10:59:59"),
    "at its end": ({}, "2026-03-16 10:59", "2026-03-17 09:00"),
    "send now": ({"send_now": True}, "2026-03-16 10:59", "2026-03-16 11:00"),
    "rescheduled to this day": ({"rescheduled_to": at("2026-03-16 00:00").date()}, "2026-03-16 10:30",
                                "2026-03-16 10:31"),
    "rescheduled, and its window ends": ({"rescheduled_to": at("2026-03-16 00:00").date()}, "2026-03-16 10:59:30",
                                         "2026-03-17 09:00"),
    "rescheduled to a day of no window": ({"rescheduled_to": at("2026-03-15 00:00").date()}, "2026-03-15 10:30",
                                          "2026-03-15 10:31"),
    "rescheduled to one, and its window ends": ({"rescheduled_to": at("2026-03-15 00:00").date()},
                                                "2026-03-15 20:00", "2026-03-16 09:00"),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "now", "expected"), INSIDE.values(), ids=INSIDE)
def test_retry_stays_inside_the_window(changes: dict[str, Any], now: str, expected: str) -> None:
    on_weekdays = make_policy(send_days=("mon", "tue", "wed", "thu", "fri"))
    decided = decide_retry(make_invitation(**changes), plan=on_weekdays, now=at(now))
    assert decided == RetryAt(at(expected), 1)


@pytest.mark.parametrize(
    ("retry_after", "expected"),
    [
        (None, "2026-03-16 10:10:58"),
        (timedelta(0), "2026-03-16 10:10:58"),
        (timedelta(milliseconds=300), "2026-03-16 10:10:58"),
        (timedelta(seconds=90), "2026-03-16 10:12:27"),
        (timedelta(hours=3), "2026-03-17 09:00"),
    ],
)
def test_rate_limit_waits_as_the_provider_says_at_least_a_second_and_counts_no_try(
    retry_after: timedelta | None, expected: str
) -> None:
    decided = decide_rate_limit(make_invitation(tries=3), plan=make_policy(), retry_after=retry_after, now=FIRST_SLOT)
    assert decided == RetryAt(at(expected), 3)


def test_rate_limit_never_gives_up() -> None:
    decided = decide_rate_limit(make_invitation(tries=11), plan=ALL_DAY, retry_after=None, now=FIRST_SLOT)
    assert decided == RetryAt(FIRST_SLOT + timedelta(seconds=1), 11)
