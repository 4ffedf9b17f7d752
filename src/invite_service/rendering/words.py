"""Figures in the words of a language: instants of a zone, days, numbers, lists."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_time
from babel.lists import format_list
from babel.numbers import format_percent

from invite_service.rendering.texts import Texts

MAX_NAMED: Final = 10
"""Items of a list that a sentence names; of longer ones it tells how many more there are."""


class Words:
    """Writes figures for the texts of one language; instants are read on the clock of one zone."""

    def __init__(self, texts: Texts, *, zone: str) -> None:
        self.texts = texts
        self._locale = texts.locale
        self._zone = ZoneInfo(zone)

    def instant(self, instant: datetime) -> str:
        """Write a day and the time of day."""
        local = instant.astimezone(self._zone)
        return self.texts("instant", date=self.day(instant), time=format_time(local, "short", locale=self._locale))

    def day(self, instant: datetime) -> str:
        """Write the day of an instant."""
        return self.date(instant.astimezone(self._zone).date())

    def date(self, day: date) -> str:
        """Write a day of the calendar."""
        return self.texts.day(day)

    def number(self, number: float) -> str:
        """Write a number with its separators."""
        return self.texts.number(number)

    def percent(self, percent: float) -> str:
        """Write a share of a hundred."""
        return format_percent(percent / 100, locale=self._locale)

    def days(self, days: int) -> str:
        """Write a number of days."""
        return self.count("days", days)

    def count(self, key: str, count: int) -> str:
        """Write a text in the form that its number takes."""
        return self.texts(key, count=count, number=self.number(count))

    def quoted(self, text: str) -> str:
        """Write somebody else's word."""
        return self.texts("quoted", text=text)

    def listed(self, items: Sequence[str]) -> str:
        """Write a list, its end counted where it is long."""
        named = list(items[:MAX_NAMED])
        if len(items) > MAX_NAMED:
            named.append(self.count("more", len(items) - MAX_NAMED))
        return format_list(named, locale=self._locale)

    def language(self, tag: str) -> str:
        """Write the name of a language, or its tag where it has no name here."""
        try:
            return Locale.parse(tag, sep="-").get_display_name(self._locale) or tag
        except (ValueError, UnknownLocaleError):
            return tag
