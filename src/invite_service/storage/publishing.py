"""Publishing settings: rows of publishing_settings, every saved version, and the values they stand for."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from enum import Enum
from typing import Any, Final

from invite_service.domain.merchant import MerchantId
from invite_service.domain.publishing import Approval, HoldScope, NameDisplay, PublishingSettings, PublishingVersion
from invite_service.storage.driver import Driver
from invite_service.storage.statements import json_text

_SETTINGS: Final = tuple(field.name for field in fields(PublishingSettings) if field.name != "version")

_ENUMS: Final[Mapping[str, type[Enum]]] = {
    "approval": Approval,
    "support_hold_scope": HoldScope,
    "review_name_display": NameDisplay,
}

# A version that is there already is somebody else's: whoever comes second has not seen it.
ADD_SETTINGS: Final = """
INSERT INTO publishing_settings (merchant_id, version, settings, created_at, created_by)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (merchant_id, version) DO NOTHING
RETURNING version
"""

FIND_SETTINGS: Final = """
SELECT version, settings FROM publishing_settings WHERE merchant_id = $1 ORDER BY version DESC LIMIT 1
"""

LIST_SETTINGS: Final = """
SELECT version, settings, created_at, created_by FROM publishing_settings
WHERE merchant_id = $1 AND ($2::int4 IS NULL OR version < $2)
ORDER BY version DESC
LIMIT $3
"""


class PublishingStore:
    """A merchant's publishing settings; a version never changes once it is saved."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def get(self, merchant_id: MerchantId) -> PublishingSettings:
        """Get the settings that hold now; version 0, with the defaults, where none were ever saved."""
        row = await self._driver.fetchrow(FIND_SETTINGS, merchant_id)
        return PublishingSettings() if row is None else publishing_from_json(row["version"], row["settings"])

    async def add(
        self, merchant_id: MerchantId, settings: PublishingSettings, *, created_at: datetime, created_by: str
    ) -> bool:
        """Save a version; False when there is one of that number already."""
        written = json_text(publishing_json(settings))
        version = await self._driver.fetchval(
            ADD_SETTINGS, merchant_id, settings.version, written, created_at, created_by
        )
        return version is not None

    async def list_versions(
        self, merchant_id: MerchantId, *, before: int | None, limit: int
    ) -> list[PublishingVersion]:
        """List versions, the newest first; those lower than `before` where that is given."""
        rows = await self._driver.fetch(LIST_SETTINGS, merchant_id, before, limit)
        return [
            PublishingVersion(
                publishing_from_json(row["version"], row["settings"]), row["created_at"], row["created_by"]
            )
            for row in rows
        ]


def publishing_json(settings: PublishingSettings) -> dict[str, Any]:
    """Write settings by their wire names (RULES.md section 2)."""
    return {name: getattr(settings, name) for name in _SETTINGS}


def publishing_from_json(version: int, settings: Mapping[str, Any]) -> PublishingSettings:
    """Read settings; one that is missing, because it is newer than the version, has its default."""
    return PublishingSettings(
        version=version, **{name: _value(name, settings[name]) for name in _SETTINGS if name in settings}
    )


def _value(name: str, value: Any) -> Any:
    if name in _ENUMS:
        return _ENUMS[name](value)
    return tuple(value) if isinstance(value, list) else value
