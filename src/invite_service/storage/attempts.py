"""Attempts: one row per try, written before the provider is called and closed once, and what each ended in.

The statement that closes attempts also writes what became of their invitations, what the timeline says of it, and the
attempts that are opened next, so that a group of messages costs one round trip and one commit.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from invite_service.domain.channel import Price
from invite_service.domain.invitation import Channel, Invitation, Step
from invite_service.domain.merchant import MerchantId
from invite_service.domain.receipt import Receipt
from invite_service.domain.timeline import TimelineEntry
from invite_service.rules.slots import local_day
from invite_service.storage.driver import Driver, Row
from invite_service.storage.response_periods import shard_of
from invite_service.storage.statements import json_text

# `kept` comes before all else: rows of `invitations` are locked before those of `attempts`, sorted by id.
# The token guards the right to start, not the truth: an attempt is closed by its id alone, and an outcome that is
# known after all replaces a "nobody knows".
# Rows are found by their keys and judged once they are locked. OFFSET 0 keeps the planner from walking the index of the
# few rows that are `sending` instead: it is full of dead entries.
# Keys are looked for in arrays of the rows that are sent: of an array that is a parameter the planner knows the length,
# finds that a plan for a short one is cheaper than the one it keeps, and makes it anew each time, for 1.3 ms.
# Attempts are looked for by both their keys: while the table is new to the planner it takes any index on it for as good
# as any other, and one that was of use for the merchant alone would read all that this merchant ever sent.
# A hold that was put on, or taken off, during the call stays as it is now.
# An invitation's first message is counted by day and month where none had left before, as the row stands under its
# lock; and after every other row was locked, because many transactions want the same day.
# What was not held any more, and could not be opened, is the answer: as a rule there is none.
RECORD: Final = """
WITH given AS MATERIALIZED (
    SELECT *
    FROM json_to_recordset($2::text::json) AS given (
        invitation_id uuid, status text, next_step text, send_at timestamptz, next_attempt_at timestamptz,
        send_now boolean, rescheduled_to date, message_count smallint, first_sent_at timestamptz,
        last_sent_at timestamptz, last_message_at timestamptz, tries smallint, ended_reason text,
        asked_ids text[], sent_on date,
        attempt_id uuid, outcome text, attempt_reason text, provider_message_id text, raw_answer text,
        price numeric, currency text,
        entry_id uuid, at timestamptz, actor text, event text, reason text, data jsonb
    )
),
opening AS MATERIALIZED (
    SELECT *
    FROM json_to_recordset($3::text::json) AS opening (
        id uuid, invitation_id uuid, step text, channel text, language text, provider text, message_id text,
        idempotency_key text, content_hash text, product_ids text[], asked_at timestamptz
    )
),
kept AS MATERIALIZED (
    SELECT locked.id, locked.first_sent_at IS NULL AS is_unsent
    FROM (
        SELECT i.id, i.status, i.lease_token, i.first_sent_at
        FROM invitations AS i
        WHERE i.merchant_id = $1 AND i.id = ANY(ARRAY(SELECT given.invitation_id FROM given))
        ORDER BY i.id
        OFFSET 0
        FOR NO KEY UPDATE
    ) AS locked
    WHERE $5::uuid IS NULL OR (locked.status = 'sending' AND locked.lease_token = $5::uuid)
),
closed AS (
    UPDATE attempts AS a
    SET ended_at = $4, outcome = given.outcome, reason = given.attempt_reason,
        provider_message_id = given.provider_message_id, raw_answer = given.raw_answer, price = given.price,
        currency = given.currency
    FROM given
    WHERE a.merchant_id = $1 AND a.id = ANY(ARRAY(SELECT given.attempt_id FROM given))
      AND a.invitation_id = ANY(ARRAY(SELECT given.invitation_id FROM given)) AND a.id = given.attempt_id
      AND (SELECT count(*) FROM kept) >= 0
      AND (a.ended_at IS NULL OR a.outcome = 'unknown')
),
changed AS (
    UPDATE invitations AS i
    SET status = given.status, next_step = given.next_step, send_at = given.send_at,
        next_attempt_at = CASE WHEN i.held_at IS NULL THEN given.next_attempt_at END,
        held_at = CASE WHEN given.status IN ('scheduled', 'in_doubt') THEN i.held_at END,
        send_now = given.send_now, rescheduled_to = given.rescheduled_to, message_count = given.message_count,
        first_sent_at = given.first_sent_at, last_sent_at = given.last_sent_at,
        last_message_at = given.last_message_at, tries = given.tries, ended_reason = given.ended_reason,
        lease_token = NULL, lease_until = NULL
    FROM given
    JOIN kept ON kept.id = given.invitation_id
    WHERE i.merchant_id = $1 AND i.id = given.invitation_id
    RETURNING i.id
),
asked AS (
    UPDATE invitation_products AS p
    SET asked = p.asked OR p.product_id = ANY(given.asked_ids),
        brought_by = CASE WHEN p.product_id = ANY(given.asked_ids) THEN p.brought_by ELSE '{}' END
    FROM given
    JOIN kept ON kept.id = given.invitation_id
    WHERE p.merchant_id = $1 AND p.invitation_id = given.invitation_id AND given.asked_ids IS NOT NULL
),
told AS (
    INSERT INTO timeline_entries (merchant_id, id, invitation_id, at, actor, event, reason, data)
    SELECT $1, given.entry_id, given.invitation_id, given.at, given.actor, given.event, given.reason, given.data
    FROM given
    JOIN kept ON kept.id = given.invitation_id
    WHERE given.entry_id IS NOT NULL
),
held AS MATERIALIZED (
    SELECT locked.id
    FROM (
        SELECT i.id, i.status, i.lease_token
        FROM invitations AS i
        WHERE i.merchant_id = $1 AND i.id = ANY(ARRAY(SELECT opening.invitation_id FROM opening))
        ORDER BY i.id
        OFFSET 0
        FOR KEY SHARE
    ) AS locked
    WHERE locked.status = 'sending' AND locked.lease_token = $5::uuid
),
opened AS (
    INSERT INTO attempts (
        merchant_id, id, invitation_id, step, channel, language, provider, message_id, idempotency_key, content_hash,
        product_ids, asked_at, started_at
    )
    SELECT $1, opening.id, opening.invitation_id, opening.step, opening.channel, opening.language, opening.provider,
           opening.message_id, opening.idempotency_key, decode(opening.content_hash, 'hex'), opening.product_ids,
           opening.asked_at, $4
    FROM opening
    JOIN held ON held.id = opening.invitation_id
    RETURNING invitation_id
),
counted AS (
    INSERT INTO response_periods AS stored (merchant_id, unit, starts_on, shard, sent, ratings)
    SELECT $1, units.unit, date_trunc(units.unit, given.sent_on::timestamp)::date, $6::int2, count(*), 0
    FROM given
    JOIN kept ON kept.id = given.invitation_id AND kept.is_unsent
    CROSS JOIN (VALUES ('day'), ('month')) AS units (unit)
    WHERE given.sent_on IS NOT NULL
      AND (SELECT count(*) FROM changed) >= 0 AND (SELECT count(*) FROM opened) >= 0
    GROUP BY 2, 3
    ORDER BY 2, 3
    ON CONFLICT (merchant_id, unit, starts_on, shard) DO UPDATE SET sent = stored.sent + EXCLUDED.sent
)
SELECT given.invitation_id, true AS is_of_given
FROM given
WHERE NOT EXISTS (SELECT FROM changed WHERE changed.id = given.invitation_id)
UNION ALL
SELECT opening.invitation_id, false
FROM opening
WHERE NOT EXISTS (SELECT FROM opened WHERE opened.invitation_id = opening.invitation_id)
"""

LIST_OPEN: Final = """
SELECT id, invitation_id, step, channel, provider, asked_at, product_ids
FROM attempts
WHERE merchant_id = $1 AND invitation_id = ANY($2::uuid[]) AND ended_at IS NULL
"""

FIND_LAST: Final = """
SELECT id, invitation_id, step, channel, provider, asked_at, product_ids
FROM attempts
WHERE merchant_id = $1 AND invitation_id = $2
ORDER BY id DESC
LIMIT 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A try that was written down before its call began."""

    id: UUID
    invitation_id: UUID
    step: Step
    channel: Channel
    provider: str
    asked_at: datetime
    """On the merchant's clock: when the customer was, or may have been, written to."""
    product_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAttempt(Attempt):
    """A try about to be made, with what it takes to recognise its message later."""

    language: str
    message_id: str
    idempotency_key: str
    content_hash: str
    """SHA-256 in hexadecimal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedAttempt:
    """How a try ended."""

    attempt_id: UUID
    receipt: Receipt
    price: Price | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What became of one claimed invitation; without an entry nothing happened to it but that it was claimed."""

    invitation: Invitation
    entry: TimelineEntry | None = None
    closed: ClosedAttempt | None = None
    asked_ids: tuple[str, ...] | None = None
    """The products a message which left, or may have left, asked about; None where that changes nothing."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a statement did of what it was asked to do."""

    recorded_ids: frozenset[UUID]
    """Invitations that were still held; of the others only the attempts were closed."""
    opened_ids: frozenset[UUID]
    """Invitations whose attempt is open now; no call may be made for another."""


class AttemptStore:
    """A merchant's attempts."""

    def __init__(self, driver: Driver, *, new_id: Callable[[], UUID]) -> None:
        self._driver = driver
        self._new_id = new_id

    async def record(
        self,
        merchant_id: MerchantId,
        recordings: Sequence[Recording],
        openings: Sequence[NewAttempt] = (),
        *,
        token: UUID | None,
        real_now: datetime,
        zone: str,
    ) -> Recorded:
        """Close attempts, write what became of their invitations, and open the next attempts.

        Only invitations still held under the token are changed, and only for them attempts are opened. Without a
        token the caller has locked the invitations in this transaction, and nothing can be opened. `zone` is the
        merchant's, by whose days what left is counted.
        """
        rows = await self._driver.fetch(
            RECORD,
            merchant_id,
            json_text([self._recording_row(recording, zone) for recording in recordings]),
            json_text([_opening_row(opening) for opening in openings]),
            real_now,
            token,
            shard_of(self._new_id()),
        )
        lost = {(row[0], row[1]) for row in rows}
        recorded_ids = (recording.invitation.id for recording in recordings)
        opened_ids = (opening.invitation_id for opening in openings)
        return Recorded(
            recorded_ids=frozenset(one for one in recorded_ids if (one, True) not in lost),
            opened_ids=frozenset(one for one in opened_ids if (one, False) not in lost),
        )

    async def list_open(self, merchant_id: MerchantId, invitation_ids: Collection[UUID]) -> list[Attempt]:
        """List the tries of these invitations that were begun and not closed."""
        if not invitation_ids:
            return []
        rows = await self._driver.fetch(LIST_OPEN, merchant_id, list(invitation_ids))
        return [_attempt(row) for row in rows]

    async def find_last(self, merchant_id: MerchantId, invitation_id: UUID) -> Attempt | None:
        """Find the invitation's latest try: of one in doubt, the try nobody knows the end of."""
        row = await self._driver.fetchrow(FIND_LAST, merchant_id, invitation_id)
        return _attempt(row) if row is not None else None

    def _recording_row(self, recording: Recording, zone: str) -> dict[str, object]:
        invitation, entry, closed = recording.invitation, recording.entry, recording.closed
        row: dict[str, object] = {
            "invitation_id": invitation.id,
            "status": invitation.status,
            "next_step": invitation.next_step,
            "send_at": invitation.send_at,
            "next_attempt_at": invitation.next_attempt_at,
            "send_now": invitation.send_now,
            "rescheduled_to": invitation.rescheduled_to,
            "message_count": invitation.message_count,
            "first_sent_at": invitation.first_sent_at,
            "last_sent_at": invitation.last_sent_at,
            "last_message_at": invitation.last_message_at,
            "tries": invitation.tries,
            "ended_reason": invitation.ended_reason,
            "asked_ids": recording.asked_ids,
            "sent_on": local_day(invitation.first_sent_at, zone) if invitation.first_sent_at is not None else None,
        }
        if closed is not None:
            row |= _closed_row(closed)
        if entry is not None:
            row |= {
                "entry_id": self._new_id(),
                "at": entry.at,
                "actor": entry.actor,
                "event": entry.event,
                "reason": entry.reason,
                "data": dict(entry.data),
            }
        return row


def _closed_row(closed: ClosedAttempt) -> dict[str, object]:
    receipt, price = closed.receipt, closed.price
    return {
        "attempt_id": closed.attempt_id,
        "outcome": receipt.outcome,
        "attempt_reason": receipt.reason,
        "provider_message_id": receipt.provider_message_id,
        "raw_answer": receipt.raw_answer or None,
        "price": str(price.amount) if price is not None else None,
        "currency": price.currency if price is not None else None,
    }


def _opening_row(opening: NewAttempt) -> dict[str, object]:
    return {
        "id": opening.id,
        "invitation_id": opening.invitation_id,
        "step": opening.step,
        "channel": opening.channel,
        "language": opening.language,
        "provider": opening.provider,
        "message_id": opening.message_id,
        "idempotency_key": opening.idempotency_key,
        "content_hash": opening.content_hash,
        "product_ids": opening.product_ids,
        "asked_at": opening.asked_at,
    }


def _attempt(row: Row) -> Attempt:
    return Attempt(
        id=row["id"],
        invitation_id=row["invitation_id"],
        step=Step(row["step"]),
        channel=Channel(row["channel"]),
        provider=row["provider"],
        asked_at=row["asked_at"],
        product_ids=tuple(row["product_ids"]),
    )
