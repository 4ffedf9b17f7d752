"""How much of a merchant's backlog may be claimed now, by what is known of its providers.

What may not leave yet is left alone: it stays due and costs nothing, however much of it there is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from invite_service.domain.invitation import Channel
from invite_service.rules.circuits import TRIAL, Shut, Trial, judge_circuit
from invite_service.services.claim import Account
from invite_service.storage.sending import Lease
from invite_service.storage.stores import Stores

LOOK_AGAIN: Final = timedelta(seconds=5)
"""When to look again at a circuit whose trial another worker has."""


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
    now: datetime
    """On the merchant's clock; what is due by then is claimed."""
    real_now: datetime
    lease: Lease

    async def claim(self, limit: int) -> Claimed:
        """Claim at most `limit` messages, or of each channel where one of them does not let all through."""
        if not self.account.is_gated:
            ids = await self.stores.sending.claim_due(
                self.account.merchant.id, now=self.now, limit=limit, lease=self.lease
            )
            return Claimed(ids, is_full=len(ids) == limit)
        claimed = Claimed()
        for channel in Channel:
            claimed += await self._claim_channel(channel, limit)
        return claimed

    async def _claim_channel(self, channel: Channel, limit: int) -> Claimed:
        match judge_circuit(self.account.state_of(channel).circuit, real_now=self.real_now):
            case Shut(until=until):
                return Claimed(opens_at=until)
            case Trial():
                return await self._claim_trial(channel)
            case None:
                ids = await self._claim(channel, limit)
                return Claimed(ids, is_full=len(ids) == limit)

    async def _claim_trial(self, channel: Channel) -> Claimed:
        merchant_id, until = self.account.merchant.id, self.real_now + TRIAL
        version = self.account.state_of(channel).settings.version
        if not await self.stores.circuits.start_trial(
            merchant_id, channel, version=version, real_now=self.real_now, until=until
        ):
            return Claimed(opens_at=self.real_now + LOOK_AGAIN)
        ids = await self._claim(channel, 1)
        if not ids:
            await self.stores.circuits.end_trial(merchant_id, channel, until=until)
            return Claimed()
        return Claimed(ids, trials={channel: until})

    async def _claim(self, channel: Channel, limit: int) -> list[UUID]:
        return await self.stores.sending.claim_due_of(
            self.account.merchant.id, channel, now=self.now, limit=limit, lease=self.lease
        )
