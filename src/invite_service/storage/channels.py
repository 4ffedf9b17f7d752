"""Channels: whether a merchant's channel is paused, and why."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from invite_service.domain.invitation import Channel
from invite_service.domain.merchant import MerchantId
from invite_service.storage.driver import Driver

FIND_PAUSE: Final = """
SELECT paused_at, paused_reason FROM channels
WHERE merchant_id = $1 AND channel = $2 AND paused_at IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class ChannelPause:
    """Since when nothing leaves by a channel (real time), and why."""

    paused_at: datetime
    reason: str


class ChannelStore:
    """The merchants' channels; one without a row is open."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def find_pause(self, merchant_id: MerchantId, channel: Channel) -> ChannelPause | None:
        """Find out since when and why a channel is paused; None when it is open."""
        row = await self._driver.fetchrow(FIND_PAUSE, merchant_id, channel)
        return None if row is None else ChannelPause(row["paused_at"], row["paused_reason"])
