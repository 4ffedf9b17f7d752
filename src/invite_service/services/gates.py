"""How much of a merchant's backlog may be claimed now, by its pace and what is known of its providers.

What may not leave yet is left alone: it stays due and costs nothing, however much of it there is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from invite_service.domain.channel import Bucket
from invite_service.domain.invitation import Channel
from invite_service.rules.circuits import TRIAL, Shut, Trial, judge_circuit
from invite_service.rules.paces import MARGIN, Pace, judge_rest
from invite_service.services.claim import Account
from invite_service.services.lines import Lines
from invite_service.storage.sending import Lease
from invite_service.storage.stores import Stores

LOOK_AGAIN: Final = timedelta(seconds=5)
"""When to look again at a circuit whose trial another worker has, and for what is due by a channel of which nothing
was: finding that out passes over all that another channel keeps back."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """What was claimed, and what is known of the rest."""

    ids: Sequence[UUID] = ()
    is_full: bool = False
    """Whether more may be claimed at once."""
    trials: Mapping[Channel, datetime] = field(default_factory=dict)
    """Channels whose one trial is in the claim, with the instant until which it is ours."""
    opens_at: datetime | None = None
    """Real time at which something may be claimed that now may not; None where nothing was kept back."""

    def __add__(self, other: "Claimed") -> "Claimed":
        return Claimed(
            [*self.ids, *other.ids],
            is_full=self.is_full or other.is_full,
            trials={**self.trials, **other.trials},
            opens_at=min(filter(None, (self.opens_at, other.opens_at)), default=None),
        )


@dataclass(frozen=True, slots=True)
class Gates:
    """Claims for one merchant as much as its channels let through."""

    stores: Stores
    account: Account
    lines: Lines
    now: datetime
    """On the merchant's clock; what is due by then is claimed."""
    real_now: datetime
    lease: Lease

    async def claim(self, limit: int) -> Claimed:
        """Claim at most `limit` messages, or of each channel where one of them does not let all through."""
        merchant_id = self.account.merchant.id
        if not any(self._is_gated(channel) for channel in Channel):
            ids = await self.stores.sending.claim_due(merchant_id, now=self.now, limit=limit, lease=self.lease)
            return Claimed(ids, is_full=len(ids) == limit)
        by_channel = {channel: await self._claim_channel(channel, limit) for channel in Channel}
        claimed = sum(by_channel.values(), start=Claimed())
        if claimed.opens_at is not None:
            for channel, found in by_channel.items():
                is_empty = not found.ids and found.opens_at is None
                if is_empty and self.lines.find(merchant_id, channel, real_now=self.real_now) is None:
                    self.lines.leave_alone(merchant_id, channel, until=self.real_now + LOOK_AGAIN)
        return claimed

    def _is_gated(self, channel: Channel) -> bool:
        """Say whether a channel may not let through all that is due."""
        if self.account.merchant.sandbox:
            return False
        paces = (self.account.pace_of(channel), self._shared_pace(channel))
        circuit = self.account.state_of(channel).circuit
        return circuit is not None or paces != (None, None) or self._judge_rest(channel) is not None

    def _shared_pace(self, channel: Channel) -> Pace | None:
        return self.lines.paces.get(channel) if self.account.is_shared(channel) else None

    def _judge_rest(self, channel: Channel) -> Shut | None:
        if not self.account.is_shared(channel):
            return None
        return judge_rest(self.account.state_of(channel).shared_bucket, real_now=self.real_now)

    async def _claim_channel(self, channel: Channel, limit: int) -> Claimed:
        look = self.lines.find(self.account.merchant.id, channel, real_now=self.real_now)
        if look is not None:
            return Claimed(opens_at=look.at if look.is_kept_back else None)
        circuit = self.account.state_of(channel).circuit
        match self._judge_rest(channel) or judge_circuit(circuit, real_now=self.real_now):
            case Shut(until=until):
                return Claimed(opens_at=until)
            case Trial():
                return await self._claim_trial(channel)
            case None:
                return await self._claim(channel, limit)

    async def _claim_trial(self, channel: Channel) -> Claimed:
        merchant_id, until = self.account.merchant.id, self.real_now + TRIAL
        version = self.account.state_of(channel).settings.version
        if not await self.stores.circuits.start_trial(
            merchant_id, channel, version=version, real_now=self.real_now, until=until
        ):
            return Claimed(opens_at=self.real_now + LOOK_AGAIN)
        claimed = await self._claim(channel, 1)
        if not claimed.ids:
            await self.stores.circuits.end_trial(merchant_id, channel, until=until)
            return claimed
        return replace(claimed, is_full=False, trials={channel: until})

    async def _claim(self, channel: Channel, limit: int) -> Claimed:
        """Claim as fast as the paces let, that of all who share the installation's provider first."""
        pace = self._shared_pace(channel)
        if pace is None:
            return await self._claim_own(channel, limit)
        count, known = min(limit, pace.portion), self.account.state_of(channel).shared_bucket
        if known is None:
            await self.stores.paces.add_shared(channel, pace=pace, real_now=self.real_now)
        bucket = await self.stores.paces.take_shared(channel, count, pace=pace, real_now=self.real_now)
        if bucket is None:
            return Claimed(opens_at=self._line_up(channel, known or Bucket(0, self.real_now), pace=pace))
        claimed = await self._claim_own(channel, count)
        if len(claimed.ids) < count:
            unused = count - len(claimed.ids)
            await self.stores.paces.give_back_shared(channel, unused, real_now=self.real_now)
            return claimed
        if count == limit:
            return claimed
        return Claimed(claimed.ids, opens_at=self._line_up(channel, bucket, pace=pace))

    def _line_up(self, channel: Channel, bucket: Bucket, *, pace: Pace) -> datetime:
        return self.lines.line_up(self.account.merchant.id, channel, opens_at=self._next_opening(bucket, pace=pace))

    async def _claim_own(self, channel: Channel, limit: int) -> Claimed:
        merchant_id, pace = self.account.merchant.id, self.account.pace_of(channel)
        if pace is None:
            ids = await self.stores.sending.claim_due_of(
                merchant_id, channel, now=self.now, limit=limit, lease=self.lease
            )
            return Claimed(ids, is_full=len(ids) == limit)
        claimed = await self.stores.paces.claim_due(
            merchant_id, channel, pace=pace, now=self.now, real_now=self.real_now, limit=limit, lease=self.lease
        )
        if len(claimed.ids) == limit:
            return Claimed(claimed.ids, is_full=True)
        is_kept_back = claimed.bucket.tokens < 1
        return Claimed(claimed.ids, opens_at=self._next_opening(claimed.bucket, pace=pace) if is_kept_back else None)

    def _next_opening(self, bucket: Bucket, *, pace: Pace) -> datetime:
        """Tell when the bucket has a portion, by how it was when somebody last took of it."""
        return max(bucket.refilled_at + pace.wait(bucket.tokens), self.real_now + MARGIN)
