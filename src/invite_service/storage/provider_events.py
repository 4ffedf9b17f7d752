"""What providers told later: kept once each, found to be about a message, and looked at until nothing is left to do.

Instants are real time. An event is looked for by the attempt's id that most providers hand back; by the provider's own
id of the message only among the messages to the address it tells, so that no index on `attempts` has to follow
each message that is sent.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from invite_service.domain.invitation import Channel, Step
from invite_service.domain.merchant import MerchantId
from invite_service.domain.message import Notice
from invite_service.domain.notice import NoticeStatus
from invite_service.domain.provider_event import EventKind
from invite_service.domain.receipt import OutcomeWord
from invite_service.storage.contacts import LOCK_CONTACTS, ContactKeys
from invite_service.storage.driver import Driver, Row

ADD_EVENTS: Final = """
INSERT INTO provider_events (
    merchant_id, id, provider, event_id, kind, raw_kind, reason, attempt_id, provider_message_id, contact_key,
    occurred_at, received_at, look_at
)
SELECT $1, given.*
FROM unnest(
    $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::uuid[], $9::text[], $10::bytea[],
    $11::timestamptz[], $12::timestamptz[], $13::timestamptz[]
) AS given
ON CONFLICT (merchant_id, provider, event_id) DO NOTHING
RETURNING id
"""

# One probe of an index for each merchant.
LIST_MERCHANTS_WITH_PENDING: Final = """
SELECT merchants.id
FROM merchants
WHERE EXISTS (
    SELECT FROM provider_events AS e
    WHERE e.merchant_id = merchants.id AND e.look_at IS NOT NULL AND e.look_at <= $1
)
"""

_PENDING_COLUMNS: Final = (
    "id, provider, kind, reason, attempt_id, provider_message_id, contact_key, occurred_at, received_at"
)

TAKE_PENDING: Final = f"""
SELECT {_PENDING_COLUMNS}
FROM provider_events
WHERE merchant_id = $1 AND look_at IS NOT NULL AND look_at <= $2
ORDER BY look_at, id
LIMIT $3
FOR UPDATE SKIP LOCKED
"""  # noqa: S608 - built from the constant above

TAKE_ONE: Final = f"""
SELECT {_PENDING_COLUMNS}
FROM provider_events
WHERE merchant_id = $1 AND id = $2 AND look_at IS NOT NULL
ORDER BY id
FOR UPDATE SKIP LOCKED
"""  # noqa: S608 - built from the constant above

_ATTEMPT_COLUMNS: Final = (
    "a.id, a.invitation_id, a.step, a.channel, a.provider, a.asked_at, a.product_ids, a.ended_at, a.outcome, a.delivery"
)

FIND_ATTEMPTS: Final = f"""
SELECT {_ATTEMPT_COLUMNS}
FROM attempts AS a
WHERE a.merchant_id = $1 AND a.id = ANY($2::uuid[])
"""  # noqa: S608 - built from the constant above

# One that waits for another try is told of by nobody.
FIND_NOTICES: Final = """
SELECT n.id, n.invitation_id, n.notice, n.channel, n.provider, n.created_at, n.status, n.ended_at
FROM notices AS n
WHERE n.merchant_id = $1 AND n.id = ANY($2::uuid[]) AND n.started_at IS NOT NULL AND n.status <> 'waiting'
"""

FIND_ATTEMPT_BY_ADDRESS: Final = f"""
SELECT {_ATTEMPT_COLUMNS}
FROM attempts AS a
WHERE a.merchant_id = $1
  AND a.invitation_id = ANY(ARRAY(
      SELECT i.id FROM invitations AS i WHERE i.merchant_id = $1 AND i.contact_key = $2
  ))
  AND a.provider = $3 AND a.provider_message_id = $4
ORDER BY a.id DESC
LIMIT 1
"""  # noqa: S608 - built from the constant above

FIND_LAST_BY_CONTACT: Final = """
SELECT i.id FROM invitations AS i WHERE i.merchant_id = $1 AND i.contact_key = $2 ORDER BY i.id DESC LIMIT 1
"""

SETTLE: Final = """
UPDATE provider_events
SET look_at = NULL, invitation_id = given.invitation_id,
    attempt_id = coalesce(given.attempt_id, provider_events.attempt_id),
    contact_key = coalesce(provider_events.contact_key, given.contact_key)
FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::bytea[]) AS given (id, invitation_id, attempt_id, contact_key)
WHERE provider_events.merchant_id = $1 AND provider_events.id = given.id
"""

POSTPONE: Final = """
UPDATE provider_events
SET look_at = given.look_at
FROM unnest($2::uuid[], $3::timestamptz[]) AS given (id, look_at)
WHERE provider_events.merchant_id = $1 AND provider_events.id = given.id AND provider_events.look_at IS NOT NULL
"""

SET_DELIVERIES: Final = """
UPDATE attempts
SET delivery = given.delivery, delivery_at = given.delivery_at
FROM unnest($2::uuid[], $3::text[], $4::timestamptz[]) AS given (id, delivery, delivery_at)
WHERE attempts.merchant_id = $1 AND attempts.id = given.id
"""

COUNT_SOFT_BOUNCES: Final = """
SELECT count(*)
FROM provider_events AS e
WHERE e.merchant_id = $1 AND e.contact_key = $2 AND e.kind = 'bounced_soft' AND e.invitation_id IS NOT NULL
  AND e.occurred_at > (
      SELECT max(last.occurred_at)
      FROM provider_events AS last
      WHERE last.merchant_id = $1 AND last.contact_key = $2 AND last.kind = 'bounced_soft'
  ) - $3::interval
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewProviderEvent:
    """An event to be kept."""

    provider: str
    event_id: str
    kind: EventKind
    raw_kind: str
    reason: str
    attempt_id: UUID | None
    provider_message_id: str | None
    contact: str | None
    """Normalised; only its key is kept."""
    occurred_at: datetime
    received_at: datetime
    look_at: datetime | None
    """None where there is nothing to do about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingEvent:
    """An event that something is left to do about."""

    id: UUID
    provider: str
    kind: EventKind
    reason: str
    attempt_id: UUID | None
    provider_message_id: str | None
    contact_key: bytes | None
    occurred_at: datetime
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldAttempt:
    """The try that an event is about, or the notice, which is tried under one id."""

    id: UUID
    invitation_id: UUID
    step: Step | Notice
    channel: Channel
    provider: str
    asked_at: datetime
    """On the merchant's clock."""
    product_ids: tuple[str, ...]
    ended_at: datetime | None
    outcome: OutcomeWord | None
    delivery: EventKind | None
    """The latest news of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """An event that nothing is left to do about, and what it was found to be about."""

    event_id: UUID
    invitation_id: UUID | None = None
    attempt_id: UUID | None = None
    contact_key: bytes | None = None


class ProviderEventStore:
    """A merchant's provider events."""

    def __init__(self, driver: Driver, keys: ContactKeys, *, new_id: Callable[[], UUID]) -> None:
        self._driver = driver
        self._keys = keys
        self._new_id = new_id

    async def add(self, merchant_id: MerchantId, events: Sequence[NewProviderEvent]) -> dict[UUID, EventKind]:
        """Keep events, those that are there already left alone, and give the new ones' kinds by their ids."""
        if not events:
            return {}
        rows = [
            (
                self._new_id(),
                event.provider,
                event.event_id,
                event.kind,
                event.raw_kind,
                event.reason,
                event.attempt_id,
                event.provider_message_id,
                self._keys.find_key(event.contact),
                event.occurred_at,
                event.received_at,
                event.look_at,
            )
            for event in events
        ]
        added = await self._driver.fetch(ADD_EVENTS, merchant_id, *map(list, zip(*rows, strict=True)))
        new_ids = {row[0] for row in added}
        return {row[0]: event.kind for row, event in zip(rows, events, strict=True) if row[0] in new_ids}

    async def list_merchants_with_pending(self, *, real_now: datetime) -> list[MerchantId]:
        """List merchants with events to look at now."""
        return [MerchantId(row[0]) for row in await self._driver.fetch(LIST_MERCHANTS_WITH_PENDING, real_now)]

    async def take_pending(self, merchant_id: MerchantId, *, real_now: datetime, limit: int) -> list[PendingEvent]:
        """Lock events to look at that nobody else looks at, the longest due first."""
        return [_pending(row) for row in await self._driver.fetch(TAKE_PENDING, merchant_id, real_now, limit)]

    async def take(self, merchant_id: MerchantId, event_id: UUID) -> PendingEvent | None:
        """Lock one event; None where nothing is left to do about it, or somebody is about to."""
        row = await self._driver.fetchrow(TAKE_ONE, merchant_id, event_id)
        return _pending(row) if row is not None else None

    async def find_attempts(self, merchant_id: MerchantId, events: Sequence[PendingEvent]) -> dict[UUID, ToldAttempt]:
        """Find the tries that events are about, by the events' ids; the provider must be the one that was called."""
        wanted = {event.attempt_id for event in events if event.attempt_id is not None}
        rows = await self._driver.fetch(FIND_ATTEMPTS, merchant_id, list(wanted)) if wanted else ()
        known = {row["id"]: _attempt(row) for row in rows}
        others = wanted - known.keys()
        notices = await self._driver.fetch(FIND_NOTICES, merchant_id, list(others)) if others else ()
        known |= {row["id"]: _notice(row) for row in notices}
        found = {}
        for event in events:
            attempt = known.get(event.attempt_id) if event.attempt_id is not None else None
            if attempt is None and event.provider_message_id is not None and event.contact_key is not None:
                row = await self._driver.fetchrow(
                    FIND_ATTEMPT_BY_ADDRESS, merchant_id, event.contact_key, event.provider, event.provider_message_id
                )
                attempt = _attempt(row) if row is not None else None
            if attempt is not None and attempt.provider == event.provider:
                found[event.id] = attempt
        return found

    async def find_last_invitation(self, merchant_id: MerchantId, contact_key: bytes) -> UUID | None:
        """Find the invitation that was made last for a contact."""
        invitation_id: UUID | None = await self._driver.fetchval(FIND_LAST_BY_CONTACT, merchant_id, contact_key)
        return invitation_id

    async def settle(self, merchant_id: MerchantId, settled: Collection[Settled]) -> None:
        """Note that nothing is left to do about events, and what they were about."""
        if settled:
            rows = ((item.event_id, item.invitation_id, item.attempt_id, item.contact_key) for item in settled)
            columns = zip(*rows, strict=True)
            await self._driver.execute(SETTLE, merchant_id, *map(list, columns))

    async def postpone(self, merchant_id: MerchantId, looks: Collection[tuple[UUID, datetime]]) -> None:
        """Note when to look at events again."""
        if looks:
            await self._driver.execute(POSTPONE, merchant_id, *map(list, zip(*looks, strict=True)))

    async def set_deliveries(
        self, merchant_id: MerchantId, deliveries: Collection[tuple[UUID, EventKind, datetime]]
    ) -> None:
        """Note the latest news of tries, each named once: of which, what, and when it happened."""
        if deliveries:
            columns = zip(*sorted(deliveries), strict=True)
            await self._driver.execute(SET_DELIVERIES, merchant_id, *map(list, columns))

    async def count_soft_bounces(self, merchant_id: MerchantId, contact_key: bytes, *, span: timedelta) -> int:
        """Count the soft bounces of an address within a span that ends with the last one.

        The caller holds the contact's lock: two that are counted at once would not see each other.
        """
        count: int = await self._driver.fetchval(COUNT_SOFT_BOUNCES, merchant_id, contact_key, span)
        return count

    async def lock_contact(self, merchant_id: MerchantId, contact_key: bytes) -> None:
        """Lock the contact that an event is about, as `ContactStore.lock` does."""
        await self._driver.fetch(LOCK_CONTACTS, merchant_id, [contact_key])

    def key_of(self, contact: str) -> bytes:
        """Give the key that a normalised contact is known by."""
        return self._keys.key(contact)


def _pending(row: Row) -> PendingEvent:
    return PendingEvent(**dict(row.items()) | {"kind": EventKind(row["kind"])})


def _attempt(row: Row) -> ToldAttempt:
    return ToldAttempt(
        id=row["id"],
        invitation_id=row["invitation_id"],
        step=Step(row["step"]),
        channel=Channel(row["channel"]),
        provider=row["provider"],
        asked_at=row["asked_at"],
        product_ids=tuple(row["product_ids"]),
        ended_at=row["ended_at"],
        outcome=OutcomeWord(row["outcome"]) if row["outcome"] is not None else None,
        delivery=EventKind(row["delivery"]) if row["delivery"] is not None else None,
    )


def _notice(row: Row) -> ToldAttempt:
    return ToldAttempt(
        id=row["id"],
        invitation_id=row["invitation_id"],
        step=Notice(row["notice"]),
        channel=Channel(row["channel"]),
        provider=row["provider"],
        asked_at=row["created_at"],
        product_ids=(),
        ended_at=row["ended_at"],
        outcome=OutcomeWord.UNKNOWN if row["status"] == NoticeStatus.IN_DOUBT else None,
        delivery=None,
    )
