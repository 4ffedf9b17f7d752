"""What provider events do: to a message's delivery, to a doubt, to an address, and to the customer behind it.

Most only say that a message arrived: those are taken many at once. One that closes something, or ends a doubt, has a
transaction of its own, in which locks are taken in the order of DESIGN.md section 4.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog

from invite_service.bell import Bell
from invite_service.domain.decision import JsonFigure
from invite_service.domain.invitation import Invitation, InvitationStatus
from invite_service.domain.merchant import Merchant
from invite_service.domain.message import Notice
from invite_service.domain.provider_event import EventKind
from invite_service.domain.receipt import OutcomeWord
from invite_service.domain.suppression import (
    NewSuppression,
    Subject,
    SubjectKind,
    SuppressionReason,
    SuppressionSource,
)
from invite_service.domain.timeline import TimelineEntry, TimelineEvent
from invite_service.rules.deliveries import (
    PROVES_IT_LEFT,
    SOFT_BOUNCE_SPAN,
    TOLD,
    closes_address,
    closes_customer,
    replaces_delivery,
)
from invite_service.rules.suppressions import decide_reach
from invite_service.services.conclusions import PROVIDER
from invite_service.services.doubts import end_doubt
from invite_service.services.notice_ends import end_notice_doubt
from invite_service.services.suppressing import close_customer
from invite_service.storage.database import Database
from invite_service.storage.provider_events import PendingEvent, Settled, ToldAttempt
from invite_service.storage.stores import Stores

log = structlog.get_logger()

BATCH: Final = 200
"""Events taken at once."""

OPEN_SECONDS: Final = 5.0
"""After which an event is looked at again whose message is just being handed over."""

KEPT_FOR: Final = timedelta(days=3)
"""How long an event is looked for a message of."""

_FIRST_LOOK: Final = timedelta(seconds=2)
_LAST_LOOK: Final = timedelta(hours=1)
_AFTER_FAILURE: Final = timedelta(minutes=1)

_MAY_CLOSE: Final = frozenset(
    {
        EventKind.BOUNCED_HARD,
        EventKind.BOUNCED_SOFT,
        EventKind.COMPLAINED,
        EventKind.UNSUBSCRIBED,
        EventKind.STOPPED,
    }
)


@dataclass(slots=True)
class _Batch:
    """What is written about events that close nothing."""

    settled: list[Settled] = field(default_factory=list)
    looks: list[tuple[UUID, datetime]] = field(default_factory=list)
    deliveries: dict[UUID, tuple[EventKind, datetime]] = field(default_factory=dict)
    entries: list[TimelineEntry] = field(default_factory=list)
    alone: list[UUID] = field(default_factory=list)
    """Events that need a transaction of their own."""


class EventEffects:
    """Does what is left to do about a merchant's events."""

    def __init__(self, database: Database, *, bell: Bell, clock: Callable[[], datetime]) -> None:
        """Make it; `clock` tells real time."""
        self._database = database
        self._bell = bell
        self._clock = clock

    async def apply(self, merchant: Merchant, event_id: UUID) -> None:
        """Do what one event asks for; one whose message is not known yet is left for later."""
        try:
            await self._apply_alone(merchant, event_id)
        except Exception as error:
            log.warning("Failed to apply a provider event", merchant_id=merchant.id, error=type(error).__name__)
            await self._postpone(merchant, event_id)

    async def apply_due(self, merchant: Merchant) -> int:
        """Do what is due about at most BATCH of the merchant's events, and say of how many."""
        real_now = self._clock()
        async with self._database.transaction() as stores:
            events = await stores.provider_events.take_pending(merchant.id, real_now=real_now, limit=BATCH)
            attempts = await stores.provider_events.find_attempts(merchant.id, events)
            batch = _sort(events, attempts, now=merchant.now(real_now), real_now=real_now)
            await _write(stores, merchant, batch)
        for event_id in batch.alone:
            await self.apply(merchant, event_id)
        return len(events)

    async def _apply_alone(self, merchant: Merchant, event_id: UUID) -> None:
        real_now = self._clock()
        now = merchant.now(real_now)
        async with self._database.transaction() as stores:
            event = await stores.provider_events.take(merchant.id, event_id)
            if event is None:
                return
            attempt = (await stores.provider_events.find_attempts(merchant.id, [event])).get(event.id)
            if event.kind is EventKind.STOPPED:
                await _stop(stores, merchant, event, attempt, now=now)
                return
            batch = _sort([event], {event.id: attempt} if attempt is not None else {}, now=now, real_now=real_now)
            if batch.alone and attempt is not None:
                is_settled = await _close(stores, merchant, event, attempt, now=now)
                batch = _Batch()
                _note(batch, event, attempt, now=now)
            else:
                is_settled = False
            await _write(stores, merchant, batch)
        if is_settled:
            # Its second message is planned now, perhaps for today.
            self._bell.ring(merchant.id)

    async def _postpone(self, merchant: Merchant, event_id: UUID) -> None:
        async with self._database.transaction() as stores:
            await stores.provider_events.postpone(merchant.id, [(event_id, self._clock() + _AFTER_FAILURE)])


def _sort(
    events: Sequence[PendingEvent], attempts: dict[UUID, ToldAttempt], *, now: datetime, real_now: datetime
) -> _Batch:
    """Say what is written of events, and which of them need a transaction of their own."""
    batch = _Batch()
    for event in events:
        attempt = attempts.get(event.id)
        if event.kind is EventKind.STOPPED:
            batch.alone.append(event.id)
        elif attempt is None:
            _look_later(batch, event, real_now=real_now)
        elif attempt.ended_at is None:
            # What the call is going to say of the message comes first.
            batch.looks.append((event.id, real_now + timedelta(seconds=OPEN_SECONDS)))
        elif event.kind in _MAY_CLOSE or _may_end_doubt(event, attempt):
            batch.alone.append(event.id)
        else:
            _note(batch, event, attempt, now=now)
    return batch


def _look_later(batch: _Batch, event: PendingEvent, *, real_now: datetime) -> None:
    age = real_now - event.received_at
    if age >= KEPT_FOR:
        batch.settled.append(Settled(event_id=event.id))
    else:
        batch.looks.append((event.id, real_now + min(max(age, _FIRST_LOOK), _LAST_LOOK)))


def _may_end_doubt(event: PendingEvent, attempt: ToldAttempt) -> bool:
    return attempt.outcome is OutcomeWord.UNKNOWN and event.kind in PROVES_IT_LEFT


def _note(batch: _Batch, event: PendingEvent, attempt: ToldAttempt, *, now: datetime) -> None:
    """Note what became of the message, in its attempt and in the timeline."""
    current = batch.deliveries.get(attempt.id, (attempt.delivery, event.occurred_at))[0]
    if replaces_delivery(event.kind, current):
        batch.deliveries[attempt.id] = (event.kind, event.occurred_at)
    if event.kind in TOLD:
        batch.entries.append(_reported(event, attempt, now=now))
    batch.settled.append(
        Settled(event_id=event.id, invitation_id=attempt.invitation_id, attempt_id=attempt.id, contact_key=None)
    )


async def _write(stores: Stores, merchant: Merchant, batch: _Batch) -> None:
    deliveries = [(attempt_id, kind, at) for attempt_id, (kind, at) in batch.deliveries.items()]
    await stores.provider_events.set_deliveries(merchant.id, deliveries)
    await stores.timeline.add(merchant.id, batch.entries)
    await stores.provider_events.postpone(merchant.id, batch.looks)
    await stores.provider_events.settle(merchant.id, batch.settled)


async def _close(
    stores: Stores, merchant: Merchant, event: PendingEvent, attempt: ToldAttempt, *, now: datetime
) -> bool:
    """Close the address or the customer, end a doubt, and say whether there was one."""
    invitation = await stores.invitations.get(merchant.id, attempt.invitation_id)
    closing = closes_customer(event.kind)
    if attempt.step is Notice.SUPPORT_ALERT:
        # It went to the merchant's own support, of whose address the customer knows nothing.
        pass
    elif invitation.status is InvitationStatus.ERASED:
        # Every channel to the customer is closed for good, and no contact is known any more.
        pass
    elif closing is not None:
        reason, source = closing
        told = _suppressed(invitation, reason, source, actor=PROVIDER, now=now)
        await close_customer(stores, merchant.id, invitation, reason, source=source, told=told)
    elif event.kind in _MAY_CLOSE:
        await _close_address(stores, merchant, event, attempt, invitation, now=now)
    if not _may_end_doubt(event, attempt):
        return False
    if isinstance(attempt.step, Notice):
        await end_notice_doubt(stores, merchant, attempt.id, reason=event.kind.value, now=now)
        return False
    return await end_doubt(stores, merchant, attempt, reason=event.kind.value, now=now)


async def _close_address(
    stores: Stores,
    merchant: Merchant,
    event: PendingEvent,
    attempt: ToldAttempt,
    invitation: Invitation,
    *,
    now: datetime,
) -> None:
    """Suppress the address that bounced, which is the one it was sent to: since then another may have been told."""
    key = event.contact_key or stores.provider_events.key_of(invitation.contact)
    await stores.provider_events.lock_contact(merchant.id, key)
    await stores.provider_events.settle(
        merchant.id, [Settled(event_id=event.id, invitation_id=invitation.id, attempt_id=attempt.id, contact_key=key)]
    )
    count = await stores.provider_events.count_soft_bounces(merchant.id, key, span=SOFT_BOUNCE_SPAN)
    reason = closes_address(event.kind, attempt.channel, soft_bounces=count)
    if reason is None:
        return
    kind = SubjectKind.EMAIL if "@" in invitation.contact else SubjectKind.PHONE
    source = SuppressionSource.PROVIDER_EVENT
    new = NewSuppression(
        subject=Subject(kind, None, key),
        reason=reason,
        channel=decide_reach(kind, reason, None),
        source=source,
        created_at=now,
    )
    if await stores.suppressions.enter(merchant.id, [new]):
        await stores.timeline.add(merchant.id, [_suppressed(invitation, reason, source, actor=PROVIDER, now=now)])


async def _stop(
    stores: Stores, merchant: Merchant, event: PendingEvent, attempt: ToldAttempt | None, *, now: datetime
) -> None:
    """Take a STOP by SMS: of the customer who was invited last at that number, else of the number alone."""
    key = event.contact_key
    invitation_id = attempt.invitation_id if attempt is not None else None
    if invitation_id is None and key is not None:
        invitation_id = await stores.provider_events.find_last_invitation(merchant.id, key)
    reason, source = SuppressionReason.UNSUBSCRIBED, SuppressionSource.SMS_STOP
    if invitation_id is not None:
        invitation = await stores.invitations.get(merchant.id, invitation_id)
        if invitation.status is not InvitationStatus.ERASED:
            told = _suppressed(invitation, reason, source, actor="customer", now=now)
            await close_customer(stores, merchant.id, invitation, reason, source=source, told=told)
    if key is not None:
        subject = Subject(SubjectKind.PHONE, None, key)
        new = NewSuppression(subject=subject, reason=reason, channel=None, source=source, created_at=now)
        await stores.suppressions.enter(merchant.id, [new])
    await stores.provider_events.settle(merchant.id, [Settled(event_id=event.id, invitation_id=invitation_id)])


def _suppressed(
    invitation: Invitation, reason: SuppressionReason, source: SuppressionSource, *, actor: str, now: datetime
) -> TimelineEntry:
    return TimelineEntry(
        at=now,
        actor=actor,
        event=TimelineEvent.CONTACTS_SUPPRESSED,
        invitation_id=invitation.id,
        reason=reason.value,
        data={"source": source.value},
    )


def _reported(event: PendingEvent, attempt: ToldAttempt, *, now: datetime) -> TimelineEntry:
    data: dict[str, JsonFigure] = {
        "notice" if isinstance(attempt.step, Notice) else "step": attempt.step.value,
        "channel": attempt.channel.value,
        "provider": event.provider,
        "attempt_id": str(attempt.id),
        "occurred_at": event.occurred_at.isoformat(),
    }
    if event.reason:
        data["detail"] = event.reason
    return TimelineEntry(
        at=now,
        actor=PROVIDER,
        event=TimelineEvent.DELIVERY_REPORTED,
        invitation_id=attempt.invitation_id,
        reason=event.kind.value,
        data=data,
    )
