"""Tokens for messages that leave one at a time, of the same buckets that batches are claimed by (gates.py)."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from invite_service.domain.channel import ChannelState
from invite_service.domain.invitation import Channel
from invite_service.domain.merchant import Merchant
from invite_service.rules.paces import MARGIN, Pace, compute_pace, judge_rest
from invite_service.storage.database import Database


class Pacing:
    """Lets single messages leave as fast as their merchant and the installation's provider may."""

    def __init__(self, database: Database, *, shared: Mapping[Channel, Pace], clock: Callable[[], datetime]) -> None:
        """Make it for the paces of the installation's own providers; `clock` tells real time."""
        self._database = database
        self._shared = shared
        self._clock = clock

    async def take(self, merchant: Merchant, channel: Channel, state: ChannelState) -> datetime | None:
        """Take a token of each bucket that a message needs one of; where one is empty, tell when to come again.

        The installation's bucket is of all merchants, so that it is taken in a statement of its own, outside of any
        transaction, and given back where the merchant's has nothing.
        """
        if merchant.sandbox:
            return None
        own = compute_pace(max_per_second=state.settings.max_per_second, max_per_hour=state.settings.max_per_hour)
        is_shared = state.settings.provider is None
        shared = self._shared.get(channel) if is_shared else None
        real_now = self._clock()
        rest = judge_rest(state.shared_bucket, real_now=real_now) if is_shared else None
        if rest is not None:
            return rest.until
        if own is None and shared is None:
            return None
        async with self._database.autocommit() as stores:
            if shared is not None:
                if state.shared_bucket is None:
                    await stores.paces.add_shared(channel, pace=shared, real_now=real_now)
                if await stores.paces.take_shared(channel, 1, pace=shared, real_now=real_now) is None:
                    return real_now + timedelta(seconds=1 / shared.per_second) + MARGIN
            if own is None:
                return None
            bucket = await stores.paces.take(merchant.id, channel, pace=own, real_now=real_now)
            if bucket is None:
                return None
            if shared is not None:
                await stores.paces.give_back_shared(channel, 1, real_now=real_now)
        missing = timedelta(seconds=max(0.0, 1 - bucket.tokens) / own.per_second)
        return max(bucket.refilled_at + missing, real_now) + MARGIN
