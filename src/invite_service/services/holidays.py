"""Public holidays of countries and their regions, from the `holidays` package, for counting working days."""

import asyncio
from collections.abc import Callable
from datetime import date, datetime
from functools import lru_cache
from importlib import import_module
from types import ModuleType
from typing import Protocol

from invite_service.domain.errors import Fault
from invite_service.domain.publishing import PublishingSettings
from invite_service.rules.working_days import add_working_days


class _Calendar(Protocol):
    """The holidays of one place; years are worked out when they are first asked for."""

    def __contains__(self, day: date) -> bool: ...


@lru_cache(maxsize=256)
def _load(country: str, region: str | None) -> _Calendar:
    calendar: _Calendar = _package().country_holidays(country, subdiv=region)
    return calendar


def _package() -> ModuleType:
    """Import the package when it is first needed: several MiB that most processes never are asked for."""
    return import_module("holidays")


def check_holidays(settings: PublishingSettings) -> list[Fault]:
    """Name a country or region whose holidays are not known."""
    if settings.holiday_country is None:
        return []
    regions = _package().list_supported_countries().get(settings.holiday_country)
    if regions is None:
        detail = "Must be a country whose holidays are known, by its ISO 3166 alpha-2 code."
        return [Fault("/holiday_country", "unknown_country", detail)]
    if settings.holiday_region is not None and settings.holiday_region not in regions:
        detail = f"Must be of {', '.join(regions)}." if regions else "That country has no regions."
        return [Fault("/holiday_region", "unknown_region", detail)]
    return []


async def end_of_hold_by(settings: PublishingSettings, *, zone: str) -> Callable[[datetime], datetime]:
    """Give what tells when a hold that began at an instant ends, by the settings' working days and holidays.

    The first use of a country takes a tenth of a second or two, which goes beside the event loop.
    """
    country = settings.holiday_country
    calendar = await asyncio.to_thread(_load, country, settings.holiday_region) if country is not None else None

    def end_of_hold(began_at: datetime) -> datetime:
        return add_working_days(
            began_at,
            settings.support_hold_working_days,
            zone=zone,
            working_days=settings.working_days,
            is_holiday=lambda day: calendar is not None and day in calendar,
        )

    return end_of_hold
