"""Windows, slots and plans: RULES.md section 6, from 'spread' to 'Second step'."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from hashlib import sha256
from typing import Any
from zoneinfo import ZoneInfo

from .zones import first_instant, local_day

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def first_eight_bytes(text: str) -> int:
    """Return the first eight bytes, big-endian, of the text's SHA-256."""
    return int.from_bytes(sha256(text.encode()).digest()[:8], "big")


def is_drawn_for_service(merchant_id: str, order_id: str, service_percent: int) -> bool:
    """Draw the kind of an order (section 6, first line)."""
    bucket = first_eight_bytes(f"{merchant_id}:{order_id}") % 10_000
    return bucket < service_percent * 100


@dataclass(frozen=True)
class Timetable:
    """The slots of one step of one order: a daily window, allowed weekdays, a zone and the spread."""

    zone: ZoneInfo
    start: time
    end: time
    weekdays: frozenset[str]
    spread: timedelta

    @classmethod
    def of(cls, policy: dict[str, Any], zone: ZoneInfo, *, merchant_id: str, order_id: str, step: str) -> "Timetable":
        """Build the timetable of a step by one version of the policy."""
        start = time.fromisoformat(policy["send_window_start"])
        end = time.fromisoformat(policy["send_window_end"])
        length = (end.hour * 60 + end.minute) * 60 - (start.hour * 60 + start.minute) * 60
        spread = first_eight_bytes(f"{merchant_id}:{order_id}:{step}") % length
        return cls(zone, start, end, frozenset(policy["send_days"]), timedelta(seconds=spread))

    def opening(self, day: date) -> datetime:
        """Return the first instant of the day's window."""
        return first_instant(datetime.combine(day, self.start), self.zone)

    def closing(self, day: date) -> datetime:
        """Return the instant at which the day's window is over."""
        return first_instant(datetime.combine(day, self.end), self.zone)

    def slot(self, day: date) -> datetime | None:
        """Return the day's slot, send_days aside; None when a gap carries it to the window's end.

        first_instant already answers a time inside a gap with the first instant after it.
        """
        instant = first_instant(datetime.combine(day, self.start) + self.spread, self.zone)
        return instant if instant < self.closing(day) else None

    def is_allowed(self, day: date) -> bool:
        """Say whether the day is in send_days, its window has an instant and the slot is before its end."""
        if WEEKDAYS[day.weekday()] not in self.weekdays:
            return False
        return self.opening(day) < self.closing(day) and self.slot(day) is not None

    def allowed_days(self, first: date) -> Iterator[date]:
        """Yield the allowed days from this one on."""
        day = first
        while True:
            if self.is_allowed(day):
                yield day
            day += timedelta(days=1)

    def is_open(self, now: datetime) -> bool:
        """Say whether now lies inside the window of an allowed day: start <= now < end as instants."""
        today = local_day(now, self.zone)
        return self.is_allowed(today) and self.opening(today) <= now < self.closing(today)

    def next_slot(self, now: datetime) -> datetime:
        """Return the first slot after now, today included."""
        for day in self.allowed_days(local_day(now, self.zone)):
            slot = self.slot(day)
            if slot is not None and slot > now:
                return slot
        raise AssertionError("the days never end")

    def next_opening(self, now: datetime) -> datetime:
        """Return the next start of an allowed day's window, today's when it is still to come."""
        for day in self.allowed_days(local_day(now, self.zone)):
            opening = self.opening(day)
            if opening > now:
                return opening
        raise AssertionError("the days never end")

    def plan(self, day: date, now: datetime) -> datetime:
        """Return send_at for a wished day: its slot or that of the next allowed day, never in the past."""
        slot = self.slot(next(self.allowed_days(day)))
        if slot is not None and slot > now:
            return slot
        if self.is_open(now):
            return now
        return self.next_slot(now)
