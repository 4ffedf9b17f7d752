"""Channels: what a merchant set for them, whether they are paused, and what the last check said."""

from collections.abc import Mapping
from typing import Final

from invite_service.domain.channel import (
    ChannelCheck,
    ChannelPause,
    ChannelSettings,
    ChannelState,
    Price,
    SealedOptions,
)
from invite_service.domain.invitation import Channel
from invite_service.domain.merchant import MerchantId
from invite_service.domain.receipt import OutcomeWord
from invite_service.storage.circuits import circuit_from_row
from invite_service.storage.driver import Driver, Row
from invite_service.storage.paces import bucket_from_row

READ_CHANNELS: Final = """
SELECT coalesce(pauses.channel, settings.channel, circuits.channel, shared.channel) AS channel,
       pauses.paused_at, pauses.paused_reason,
       settings.version, settings.provider, settings.key_id, settings.sealed_options, settings.options_updated_at,
       settings.from_address, settings.from_name, settings.reply_to, settings.sms_price, settings.sms_currency,
       settings.records_engagement, settings.max_per_second, settings.max_per_hour,
       settings.updated_at, settings.checked_at, settings.check_outcome, settings.check_reason,
       circuits.provider AS circuit_provider, circuits.settings_version AS circuit_version, circuits.openings,
       circuits.reason AS circuit_reason, circuits.open_until, circuits.trial_until, circuits.rests_until,
       shared.tokens, shared.refilled_at
FROM (
    SELECT channel, paused_at, paused_reason FROM channels WHERE merchant_id = $1 AND paused_at IS NOT NULL
) AS pauses
FULL JOIN (
    SELECT * FROM channel_settings WHERE merchant_id = $1
) AS settings ON settings.channel = pauses.channel
FULL JOIN (
    SELECT * FROM provider_circuits WHERE merchant_id = $1
) AS circuits ON circuits.channel = coalesce(pauses.channel, settings.channel)
FULL JOIN provider_paces AS shared
    ON shared.channel = coalesce(pauses.channel, settings.channel, circuits.channel)
"""

# Settings once made are never deleted, so that a version never comes back. A check is of the settings that were tried.
SAVE_SETTINGS: Final = """
INSERT INTO channel_settings AS s (
    merchant_id, channel, version, provider, key_id, sealed_options, options_updated_at, from_address, from_name,
    reply_to, sms_price, sms_currency, updated_at, records_engagement, max_per_second, max_per_hour
)
VALUES ($1, $2, $3 + 1, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
ON CONFLICT (merchant_id, channel) DO UPDATE
SET version = excluded.version, provider = excluded.provider, key_id = excluded.key_id,
    sealed_options = excluded.sealed_options, options_updated_at = excluded.options_updated_at,
    from_address = excluded.from_address, from_name = excluded.from_name, reply_to = excluded.reply_to,
    sms_price = excluded.sms_price, sms_currency = excluded.sms_currency, updated_at = excluded.updated_at,
    records_engagement = excluded.records_engagement, max_per_second = excluded.max_per_second,
    max_per_hour = excluded.max_per_hour,
    checked_at = NULL, check_outcome = NULL, check_reason = NULL
WHERE s.version = $3
RETURNING s.version
"""

SAVE_CHECK: Final = """
INSERT INTO channel_settings AS s (merchant_id, channel, version, checked_at, check_outcome, check_reason)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (merchant_id, channel) DO UPDATE
SET checked_at = excluded.checked_at, check_outcome = excluded.check_outcome, check_reason = excluded.check_reason
WHERE s.version = excluded.version
RETURNING s.version
"""

RESEAL: Final = """
UPDATE channel_settings SET key_id = $3, sealed_options = $4
WHERE merchant_id = $1 AND channel = $2 AND sealed_options = $5
RETURNING channel
"""

LIST_MERCHANTS_WITH_PROVIDERS: Final = """
SELECT s.merchant_id
FROM channel_settings AS s
WHERE s.merchant_id > $1 AND s.provider IS NOT NULL
GROUP BY s.merchant_id
ORDER BY s.merchant_id
LIMIT $2
"""

LIST_MERCHANTS_NOT_UNDER_KEY: Final = """
SELECT s.merchant_id
FROM channel_settings AS s
WHERE s.merchant_id > $1 AND s.key_id <> $3
GROUP BY s.merchant_id
ORDER BY s.merchant_id
LIMIT $2
"""


class ChannelStore:
    """The merchants' channels; of one without a row nothing was ever set, and it is open."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def read(self, merchant_id: MerchantId) -> Mapping[Channel, ChannelState]:
        """Read those of a merchant's channels of which anything is known."""
        rows = await self._driver.fetch(READ_CHANNELS, merchant_id)
        return {Channel(row["channel"]): _state(row) for row in rows}

    async def save(
        self, merchant_id: MerchantId, channel: Channel, settings: ChannelSettings, *, replacing: int
    ) -> bool:
        """Save settings in the place of version `replacing`, which the caller has read; False where it is gone."""
        price = settings.sms_price
        saved = await self._driver.fetchval(
            SAVE_SETTINGS,
            merchant_id,
            channel,
            replacing,
            settings.provider,
            settings.options.key_id if settings.options is not None else None,
            settings.options.sealed if settings.options is not None else None,
            settings.options_updated_at,
            settings.from_address,
            settings.from_name,
            settings.reply_to,
            price.amount if price is not None else None,
            price.currency if price is not None else None,
            settings.updated_at,
            settings.records_engagement,
            settings.max_per_second,
            settings.max_per_hour,
        )
        return saved is not None

    async def save_check(self, merchant_id: MerchantId, channel: Channel, check: ChannelCheck, *, version: int) -> bool:
        """Save what a check of the settings of a version said; False where they were changed meanwhile."""
        saved = await self._driver.fetchval(
            SAVE_CHECK, merchant_id, channel, version, check.at, check.outcome, check.reason
        )
        return saved is not None

    async def reseal(
        self, merchant_id: MerchantId, channel: Channel, options: SealedOptions, *, replacing: SealedOptions
    ) -> bool:
        """Put the same options under another key; False where they were changed meanwhile."""
        changed = await self._driver.fetchval(
            RESEAL, merchant_id, channel, options.key_id, options.sealed, replacing.sealed
        )
        return changed is not None

    async def list_merchants_with_providers(self, *, after: str, limit: int) -> list[MerchantId]:
        """List merchants with a provider of their own by id, at most `limit` of those that come after `after`."""
        rows = await self._driver.fetch(LIST_MERCHANTS_WITH_PROVIDERS, after, limit)
        return [MerchantId(row["merchant_id"]) for row in rows]

    async def list_merchants_not_under(self, key_id: str, *, after: str, limit: int) -> list[MerchantId]:
        """List merchants with options under another key by id, at most `limit` of those that come after `after`."""
        rows = await self._driver.fetch(LIST_MERCHANTS_NOT_UNDER_KEY, after, limit, key_id)
        return [MerchantId(row["merchant_id"]) for row in rows]


def _state(row: Row) -> ChannelState:
    return ChannelState(
        settings=_settings(row) if row["version"] is not None else ChannelSettings(),
        pause=ChannelPause(row["paused_at"], row["paused_reason"]) if row["paused_at"] is not None else None,
        check=ChannelCheck(row["checked_at"], OutcomeWord(row["check_outcome"]), row["check_reason"])
        if row["checked_at"] is not None
        else None,
        circuit=circuit_from_row(row) if row["circuit_version"] == (row["version"] or 0) else None,
        shared_bucket=bucket_from_row(row) if row["refilled_at"] is not None else None,
    )


def _settings(row: Row) -> ChannelSettings:
    return ChannelSettings(
        version=row["version"],
        provider=row["provider"],
        options=SealedOptions(row["key_id"], row["sealed_options"]) if row["key_id"] is not None else None,
        options_updated_at=row["options_updated_at"],
        from_address=row["from_address"],
        from_name=row["from_name"],
        reply_to=row["reply_to"],
        sms_price=Price(row["sms_price"], row["sms_currency"]) if row["sms_price"] is not None else None,
        records_engagement=row["records_engagement"] is True,
        max_per_second=row["max_per_second"],
        max_per_hour=row["max_per_hour"],
        updated_at=row["updated_at"],
    )
