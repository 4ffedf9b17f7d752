"""Branding: one row a merchant, with a version that counts the changes."""

from dataclasses import fields
from datetime import datetime
from typing import Final, NamedTuple

from invite_service.domain.branding import Branding
from invite_service.domain.merchant import MerchantId
from invite_service.storage.driver import Driver, Row
from invite_service.storage.statements import json_text

_SETTINGS: Final = tuple(field.name for field in fields(Branding) if field.name != "version")

FIND_BRANDING: Final = "SELECT version, settings FROM branding WHERE merchant_id = $1"

# With the version of the merchant's texts, so that whoever shows either needs one look for both.
FIND_LOOK: Final = """
SELECT version, settings FROM branding WHERE merchant_id = $1
UNION ALL
(SELECT version, NULL FROM texts WHERE merchant_id = $1 ORDER BY version DESC LIMIT 1)
"""

# Version 0 is the branding that nobody has set: there is no row yet, so that inserting one is the change.
ADD_BRANDING: Final = """
INSERT INTO branding (merchant_id, version, settings, updated_at) VALUES ($1, 1, $2, $3)
ON CONFLICT (merchant_id) DO NOTHING
RETURNING version
"""

CHANGE_BRANDING: Final = """
UPDATE branding SET version = version + 1, settings = $2, updated_at = $3
WHERE merchant_id = $1 AND version = $4
RETURNING version
"""


class Look(NamedTuple):
    """What decides how a merchant's messages and pages look and read."""

    branding: Branding
    texts_version: int
    """Of the last change of any of its own texts; 0 where it has none."""


class BrandingStore:
    """How the merchants' messages and pages look."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def get(self, merchant_id: MerchantId) -> Branding:
        """Get a merchant's branding; version 0, with the defaults, where none was ever set."""
        row = await self._driver.fetchrow(FIND_BRANDING, merchant_id)
        return Branding() if row is None else _branding(row)

    async def get_look(self, merchant_id: MerchantId) -> Look:
        """Get a merchant's branding, as `get` does, and the version of its texts."""
        branding, texts_version = Branding(), 0
        for row in await self._driver.fetch(FIND_LOOK, merchant_id):
            if row["settings"] is None:
                texts_version = row["version"]
            else:
                branding = _branding(row)
        return Look(branding, texts_version)

    async def replace(self, merchant_id: MerchantId, branding: Branding, *, replacing: int, at: datetime) -> bool:
        """Save a branding in the place of version `replacing`; False when that is not the current one (any more)."""
        settings = json_text({name: getattr(branding, name) for name in _SETTINGS})
        if replacing == 0:
            return await self._driver.fetchval(ADD_BRANDING, merchant_id, settings, at) is not None
        return await self._driver.fetchval(CHANGE_BRANDING, merchant_id, settings, at, replacing) is not None


def _branding(row: Row) -> Branding:
    settings = {name: row["settings"][name] for name in _SETTINGS if name in row["settings"]}
    if settings.get("sites") is not None:
        settings["sites"] = tuple(settings["sites"])
    return Branding(version=row["version"], **settings)
