"""The channels of a merchant: opening one again that sending had to pause (RULES.md section 7)."""

from collections.abc import Callable
from datetime import datetime

from invite_service.bell import Bell
from invite_service.domain.invitation import Channel
from invite_service.domain.merchant import Merchant
from invite_service.domain.timeline import TimelineEntry, TimelineEvent
from invite_service.storage.channels import ChannelPause
from invite_service.storage.database import Database


class ChannelService:
    """Says whether channels are open, and opens them again."""

    def __init__(self, database: Database, *, bell: Bell, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._bell = bell
        self._clock = clock

    async def find_pause(self, merchant: Merchant, channel: Channel) -> ChannelPause | None:
        """Find out since when and why a channel is paused; None when it is open."""
        async with self._database.autocommit() as stores:
            return await stores.channels.find_pause(merchant.id, channel)

    async def resume(self, merchant: Merchant, channel: Channel, *, actor: str) -> bool:
        """Open a paused channel, by hand or after a successful check of its settings; False when it was open.

        What waited for it is due at once; may_send says whether its window is open or its deadline has passed.
        """
        now = merchant.now(self._clock())
        async with self._database.transaction() as stores:
            if not await stores.sending.resume_channel(merchant.id, channel):
                return False
            await stores.sending.hasten(merchant.id, channel, now=now)
            data = {"channel": channel.value}
            entry = TimelineEntry(at=now, actor=actor, event=TimelineEvent.CHANNEL_RESUMED, data=data)
            await stores.timeline.add(merchant.id, [entry])
        self._bell.ring(merchant.id)
        return True
