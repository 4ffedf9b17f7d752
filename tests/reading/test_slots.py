from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.reading.contacts import read_email, read_phone
from tests.reading.languages import choose_language, read_language
from tests.reading.slots import WEEKDAYS, Timetable, is_drawn_for_service
from tests.reading.zones import first_instant

OSLO = ZoneInfo("Europe/Oslo")
SPRING = date(2026, 3, 29)
"""Clocks in Oslo go from 02:00 to 03:00, at 01:00 UTC."""
AUTUMN = date(2026, 10, 25)
"""Clocks in Oslo go from 03:00 back to 02:00, at 01:00 UTC."""


def timetable(start: str, end: str, *, spread: int = 0, zone: ZoneInfo = OSLO, days: str = "") -> Timetable:
    weekdays = frozenset(days.split()) or frozenset(WEEKDAYS)
    return Timetable(zone, time.fromisoformat(start), time.fromisoformat(end), weekdays, timedelta(seconds=spread))


def wall(text: str) -> datetime:
    return datetime.fromisoformat(text)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_wall_time_in_a_gap_is_the_first_instant_after_it() -> None:
    assert first_instant(wall("2026-03-29T02:10"), OSLO) == utc("2026-03-29T01:00:00")


def test_wall_time_that_exists_twice_is_the_earlier() -> None:
    assert first_instant(wall("2026-10-25T02:30"), OSLO) == utc("2026-10-25T00:30:00")


def test_half_hour_gap_ends_at_its_own_transition() -> None:
    # Lord Howe Island: on 2026-10-04 02:00 (+10:30) becomes 02:30 (+11), at 15:30 UTC of the day before.
    assert first_instant(wall("2026-10-04T02:15"), ZoneInfo("Australia/Lord_Howe")) == utc("2026-10-03T15:30:00")


def test_slot_in_a_gap_moves_to_its_end_when_the_window_still_is_open() -> None:
    assert timetable("01:00", "04:00", spread=5400).slot(SPRING) == utc("2026-03-29T01:00:00")


def test_slot_in_a_gap_that_reaches_the_windows_end_makes_the_day_not_allowed() -> None:
    late = timetable("01:30", "02:30", spread=2700)
    early = timetable("01:30", "02:30", spread=600)

    assert (late.slot(SPRING), late.is_allowed(SPRING)) == (None, False)
    assert (early.slot(SPRING), early.is_allowed(SPRING)) == (utc("2026-03-29T00:40:00"), True)


def test_window_whose_end_falls_into_a_gap_closes_after_it() -> None:
    table = timetable("01:30", "02:30", spread=600)

    assert table.closing(SPRING) == utc("2026-03-29T01:00:00")
    assert table.is_open(utc("2026-03-29T00:59:59"))
    assert not table.is_open(utc("2026-03-29T01:00:00"))


def test_window_in_the_doubled_hour_lasts_to_the_first_occurrence_of_its_end() -> None:
    # 02:00-02:30 is open in the first pass only; 02:00-03:00 ends at the one 03:00 there is.
    half, whole = timetable("02:00", "02:30"), timetable("02:00", "03:00")

    assert (half.opening(AUTUMN), half.closing(AUTUMN)) == (utc("2026-10-25T00:00:00"), utc("2026-10-25T00:30:00"))
    assert (whole.opening(AUTUMN), whole.closing(AUTUMN)) == (utc("2026-10-25T00:00:00"), utc("2026-10-25T02:00:00"))


def test_day_that_never_was_is_not_allowed() -> None:
    # Samoa leapt over 2011-12-30 to the other side of the date line.
    apia = timetable("10:00", "12:00", spread=60, zone=ZoneInfo("Pacific/Apia"))

    assert not apia.is_allowed(date(2011, 12, 30))
    assert apia.plan(date(2011, 12, 30), utc("2011-12-01T00:00:00")) == utc("2011-12-30T20:01:00")


def test_past_slot_outside_the_window_takes_the_next_allowed_day() -> None:
    table = timetable("10:00", "12:00", spread=60, days="tue thu")

    # 2026-03-02 is a Monday, so being inside the hours of its window does not count.
    assert table.plan(date(2026, 2, 20), utc("2026-03-02T10:00:00")) == utc("2026-03-03T09:01:00")


def test_next_slot_is_never_now_itself() -> None:
    table = timetable("10:00", "12:00", spread=60)

    assert table.next_slot(utc("2026-03-02T09:01:00")) == utc("2026-03-03T09:01:00")
    assert table.next_slot(utc("2026-03-02T09:00:59")) == utc("2026-03-02T09:01:00")


def test_next_opening_counts_today_before_the_window() -> None:
    table = timetable("10:00", "12:00")

    assert table.next_opening(utc("2026-03-02T06:00:00")) == utc("2026-03-02T09:00:00")
    assert table.next_opening(utc("2026-03-02T09:00:00")) == utc("2026-03-03T09:00:00")


def test_raising_the_percentage_never_moves_an_order_to_product() -> None:
    for number in range(50):
        drawn = [is_drawn_for_service("shop", f"order-{number}", percent) for percent in range(101)]

        assert drawn == sorted(drawn)
        assert (drawn[0], drawn[100]) == (False, True)


@pytest.mark.parametrize(
    ("tag", "language"),
    [
        ("EN_us", "en"),
        ("nb-NO", "nb"),
        ("nn", "nb"),
        ("NO", "nb"),
        ("pt", "pt-BR"),
        ("pt_PT", "pt-BR"),
        ("cz-CZ", "cs"),
        ("dk_DK", "da"),
        ("br", "pt-BR"),
        ("br-FR", None),
        ("SE", "sv"),
        ("se-NO", None),
        ("uk", None),
        ("", None),
        (None, None),
    ],
)
def test_language_tag_is_read_as_one_supported_language(tag: str | None, language: str | None) -> None:
    assert read_language(tag) == language


def test_fixed_language_wins_and_fallback_comes_last() -> None:
    chosen = [
        choose_language(*words) for words in (("de", "nb", "en"), ("automatic", "nb", "en"), ("automatic", "uk", "fi"))
    ]

    assert chosen == ["de", "nb", "fi"]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("  Kari@Example.NO ", "kari@example.no"),
        ("kari+a.b@gmail.com", "kari+a.b@gmail.com"),
        ("kari@blåbær.no", "kari@xn--blbr-roah.no"),
        ("A\u030asa@example.no", "\u00e5sa@example.no"),
        ("kari@", None),
        ("kari", None),
        ("", None),
        (None, None),
    ],
)
def test_email_is_normalised_or_absent(text: str | None, address: str | None) -> None:
    assert read_email(text) == address


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("+47 912 34 567", "+4791234567"),
        ("+22 33", None),
        ("+4722334455", None),
        ("+12025550123", "+12025550123"),
        ("91234567", None),
        ("+18005551234", None),
        (None, None),
    ],
)
def test_phone_that_cannot_take_sms_is_absent(text: str | None, number: str | None) -> None:
    assert read_phone(text) == number
