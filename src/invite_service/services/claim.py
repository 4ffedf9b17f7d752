"""One merchant's claimed batch: under whose rules, by which clock and under which lease, and how it is recorded."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

import structlog

from invite_service.domain.branding import Branding
from invite_service.domain.channel import UNSET_CHANNEL, ChannelState, Price
from invite_service.domain.decision import JsonFigure
from invite_service.domain.invitation import Channel, Invitation
from invite_service.domain.merchant import Merchant
from invite_service.domain.policy import Policy
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.domain.suppression import SuppressionReason, SuppressionSource
from invite_service.domain.timeline import TimelineEntry, TimelineEvent
from invite_service.domain.webhook import WebhookKind
from invite_service.rendering.own_texts import OwnTexts
from invite_service.rules.circuits import OPEN_FOR
from invite_service.rules.paces import Pace, compute_pace
from invite_service.services.conclusions import WORKER, Conclusion, Tried, settle_late
from invite_service.services.webhooks import announce
from invite_service.storage.attempts import NewAttempt, Recorded
from invite_service.storage.database import Database
from invite_service.storage.errors import TransactionConflictError
from invite_service.storage.sending import Lease

log = structlog.get_logger()

LEASE_SECONDS: Final = 60
"""How long a claim holds unless it is renewed; longer than any provider call may take."""

SETTLE_TRIES: Final = 3
"""A deadlock is the only reason for a second."""

_DEAD_ADDRESS: Final[Mapping[Channel, SuppressionReason]] = {
    Channel.EMAIL: SuppressionReason.HARD_BOUNCE,
    Channel.SMS: SuppressionReason.SMS_UNDELIVERABLE,
}


class Turn(Protocol):
    """The turn in which a batch is sent; the worker's dispatcher gives them out."""

    @property
    def must_end(self) -> bool:
        """Whether nothing further may be started."""

    def announce_more(self, *, after: float = 0.0) -> None:
        """Take note that more is due than one batch, or that more may be claimed after so many seconds."""


class WholeTurn:
    """A turn that nobody waits for: all of a batch may be started."""

    must_end = False

    def announce_more(self, *, after: float = 0.0) -> None:
        """Take no note: whoever asked for the batch asks again."""


@dataclass(frozen=True, slots=True)
class Account:
    """What sending for a merchant goes by, as it was when the batch was claimed."""

    merchant: Merchant
    policy: Policy
    """The current version."""
    branding: Branding
    """With the senders that the merchant's channels name."""
    own_texts: OwnTexts
    """At the current version."""
    channels: Mapping[Channel, ChannelState]
    """Those of which anything is known."""
    read_at: float
    """When it was read, on the event loop's clock."""

    def is_paused(self, channel: Channel) -> bool:
        """Say whether nothing may leave by a channel."""
        return self.state_of(channel).pause is not None

    def state_of(self, channel: Channel) -> ChannelState:
        """Tell what the merchant set for a channel, and whether it is paused."""
        return self.channels.get(channel, UNSET_CHANNEL)

    def is_shared(self, channel: Channel) -> bool:
        """Say whether messages leave through the installation's provider, which all merchants without one share."""
        return not self.merchant.sandbox and self.state_of(channel).settings.provider is None

    def pace_of(self, channel: Channel) -> Pace | None:
        """Tell how fast the merchant's own messages may leave; None: as fast as they are taken."""
        settings = self.state_of(channel).settings
        return compute_pace(max_per_second=settings.max_per_second, max_per_hour=settings.max_per_hour)

    def price_of(self, channel: Channel) -> Price | None:
        """Tell what an accepted message costs the merchant; None where that is not counted per message."""
        return self.state_of(channel).settings.price_of(channel)


class Observer(Protocol):
    """Who counts what providers answer; the metrics of a process."""

    def __call__(self, receipt: Receipt, channel: Channel, *, seconds: float) -> None:
        """Count one answer and the time it took."""


class Claim:
    """What was claimed at once for one merchant, and the ways to record what becomes of it."""

    def __init__(
        self,
        account: Account,
        token: UUID,
        *,
        database: Database,
        clock: Callable[[], datetime],
        new_id: Callable[[], UUID],
        time_of: Callable[[Invitation], datetime] | None = None,
    ) -> None:
        """Take charge of a claim; `time_of` tells the merchant's time for an invitation where it is not simply now."""
        self.account = account
        self.token = token
        self._database = database
        self._clock = clock
        self._new_id = new_id
        self._time_of = time_of

    @property
    def merchant(self) -> Merchant:
        """Whose invitations they are."""
        return self.account.merchant

    def real_now(self) -> datetime:
        """Tell the time."""
        return self._clock()

    def merchant_now(self, invitation: Invitation) -> datetime:
        """Tell the merchant's time as it counts for this invitation."""
        return self._time_of(invitation) if self._time_of is not None else self.merchant.now(self._clock())

    async def record(self, conclusions: Sequence[Conclusion], openings: Sequence[NewAttempt] = ()) -> Recorded:
        """Record in one statement what ended and what begins."""
        async with self._database.autocommit() as stores:
            return await stores.attempts.record(
                self.merchant.id,
                [conclusion.recording for conclusion in conclusions],
                openings,
                token=self.token,
                real_now=self._clock(),
                zone=self.merchant.time_zone,
            )

    async def renew(self, invitation_ids: Sequence[UUID]) -> None:
        """Renew the lease on invitations whose calls take long."""
        lease = Lease(self.token, self._clock() + timedelta(seconds=LEASE_SECONDS))
        async with self._database.autocommit() as stores:
            await stores.sending.renew_leases(self.merchant.id, invitation_ids, lease=lease)

    async def settle(self, tried: Tried, receipt: Receipt, *, price: Price | None) -> None:
        """Record an answer to an invitation that others took out of our hands meanwhile."""
        for _ in range(SETTLE_TRIES):
            with contextlib.suppress(TransactionConflictError):
                await self._settle(tried, receipt, price=price)
                break
        log.info("Recorded a late answer", invitation_id=str(tried.invitation.id), outcome=receipt.outcome)

    async def _settle(self, tried: Tried, receipt: Receipt, *, price: Price | None) -> None:
        now = self.merchant_now(tried.invitation)
        async with self._database.transaction() as stores:
            for current in await stores.invitations.lock(self.merchant.id, [tried.invitation.id]):
                recording = settle_late(current, tried, receipt, price=price, now=now)
                if recording is not None:
                    await stores.attempts.record(
                        self.merchant.id,
                        [recording],
                        token=None,
                        real_now=self._clock(),
                        zone=self.merchant.time_zone,
                    )

    async def take_note(self, tried: Tried, receipt: Receipt) -> None:
        """Do what an answer means beyond its message: pause the channel, suppress the address."""
        if receipt.outcome is OutcomeWord.MISCONFIGURED:
            await self.pause_channel(tried.invitation.channel, reason=receipt.reason)
        if receipt.suppress_address:
            invitation = tried.invitation
            await self.suppress(invitation.contact, invitation.channel, at=self.merchant_now(invitation))

    async def suppress(self, contact: str, channel: Channel, *, at: datetime) -> None:
        """Suppress an address at which a provider says that nothing arrives, `at` being the merchant's time."""
        async with self._database.transaction() as stores:
            await stores.suppressions.add(
                self.merchant.id, [contact], _DEAD_ADDRESS[channel], source=SuppressionSource.PROVIDER_ANSWER, at=at
            )

    async def open_circuit(self, channel: Channel, *, provider: str, reason: str) -> datetime | None:
        """Leave a provider alone for a while, and say until when; None where others found the same before."""
        now = self._clock()
        async with self._database.transaction() as stores:
            opened = await stores.circuits.open(
                self.merchant.id,
                channel,
                provider=provider,
                version=self.account.state_of(channel).settings.version,
                reason=reason,
                real_now=now,
                durations=OPEN_FOR,
            )
            if opened is None:
                return None
            openings, until = opened
            data: dict[str, JsonFigure] = {
                "channel": channel.value,
                "provider": provider,
                "openings": openings,
                "until": until.isoformat(),
            }
            await stores.timeline.add(self.merchant.id, [self._circuit_entry(now, opened=reason, data=data)])
        log.warning("Opened a circuit", merchant_id=self.merchant.id, provider=provider, reason=reason, until=until)
        return until

    async def close_circuit(self, channel: Channel) -> None:
        """Let all messages of a channel leave again."""
        now = self._clock()
        async with self._database.transaction() as stores:
            version = self.account.state_of(channel).settings.version
            closed = await stores.circuits.close(self.merchant.id, channel, version=version, real_now=now)
            if closed is None or not closed[0]:
                return
            data: dict[str, JsonFigure] = {"channel": channel.value, "provider": closed[1]}
            await stores.timeline.add(self.merchant.id, [self._circuit_entry(now, data=data)])
        log.info("Closed a circuit", merchant_id=self.merchant.id, provider=closed[1])

    async def rest_channel(self, channel: Channel, *, provider: str, until: datetime) -> None:
        """Tell all workers until when a provider asked to wait: this merchant, or all who share it."""
        async with self._database.autocommit() as stores:
            if self.account.is_shared(channel):
                await stores.paces.rest_shared(channel, until=until)
                return
            version = self.account.state_of(channel).settings.version
            await stores.circuits.rest(self.merchant.id, channel, provider=provider, version=version, until=until)

    def _circuit_entry(
        self, now: datetime, *, opened: str | None = None, data: Mapping[str, JsonFigure]
    ) -> TimelineEntry:
        return TimelineEntry(
            at=self.merchant.now(now),
            actor=WORKER,
            event=TimelineEvent.CIRCUIT_CLOSED if opened is None else TimelineEvent.CIRCUIT_OPENED,
            reason=opened,
            data=data,
        )

    async def pause_channel(self, channel: Channel, *, reason: str) -> None:
        """Pause a channel of the merchant until its settings are put right (RULES.md section 7)."""
        now = self._clock()
        async with self._database.transaction() as stores:
            version = self.account.state_of(channel).settings.version
            if not await stores.sending.pause_channel(
                self.merchant.id, channel, version=version, real_now=now, reason=reason
            ):
                return
            entry = TimelineEntry(
                at=self.merchant.now(now),
                actor=WORKER,
                event=TimelineEvent.CHANNEL_PAUSED,
                reason=reason,
                data={"channel": channel.value},
            )
            await stores.timeline.add(self.merchant.id, [entry])
            told: dict[str, JsonFigure] = {"channel": channel.value, "reason": reason}
            await announce(
                stores, self.merchant, WebhookKind.CHANNEL_PAUSED, told, event_id=self._new_id(), real_now=now
            )
        log.warning("Paused a channel", merchant_id=self.merchant.id, channel=channel, reason=reason)
