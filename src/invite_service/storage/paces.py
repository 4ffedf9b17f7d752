"""The buckets that keep the pace of what leaves, shared by all workers; instants are real time.

A bucket is refilled when somebody takes of it, by the time since. Where the clocks of workers differ the latest counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from invite_service.domain.channel import Bucket
from invite_service.domain.invitation import Channel
from invite_service.domain.merchant import MerchantId
from invite_service.rules.paces import Pace
from invite_service.storage.driver import Driver, Row
from invite_service.storage.sending import Lease

# The bucket is locked before anything is claimed, and gives as many tokens as messages were. Without a bucket nothing
# is claimed and no row comes back.
CLAIM_DUE_PACED: Final = """
WITH bucket AS (
    SELECT least(
        $8::float8, p.tokens + $7::float8 * greatest(0, extract(epoch FROM $9::timestamptz - p.refilled_at))
    ) AS tokens
    FROM send_paces AS p
    WHERE p.merchant_id = $1 AND p.channel = $6
    ORDER BY p.channel
    FOR UPDATE
), due AS (
    SELECT i.id
    FROM invitations AS i
    WHERE i.merchant_id = $1 AND i.status = 'scheduled' AND i.next_attempt_at IS NOT NULL AND i.next_attempt_at <= $2
      AND i.channel = $6
    ORDER BY i.next_attempt_at, i.id
    LIMIT coalesce((SELECT greatest(0, least($3::float8, floor(bucket.tokens))) FROM bucket), 0)::bigint
    FOR UPDATE SKIP LOCKED
), claimed AS (
    UPDATE invitations
    SET status = 'sending', lease_token = $4, lease_until = $5
    WHERE invitations.merchant_id = $1 AND invitations.id = ANY(ARRAY(SELECT due.id FROM due))
    RETURNING invitations.id
), taken AS (
    UPDATE send_paces AS p
    SET tokens = bucket.tokens - counted.count, refilled_at = greatest(p.refilled_at, $9)
    FROM bucket, (SELECT count(*) AS count FROM claimed) AS counted
    WHERE p.merchant_id = $1 AND p.channel = $6
    RETURNING p.tokens, p.refilled_at
)
SELECT taken.tokens, taken.refilled_at, ARRAY(SELECT claimed.id FROM claimed) AS ids FROM taken
"""

# One message's token, which nobody claimed it with; the bucket's lock is held no longer than the statement.
TAKE_ONE: Final = """
WITH bucket AS (
    SELECT least(
        $4::float8, p.tokens + $3::float8 * greatest(0, extract(epoch FROM $5::timestamptz - p.refilled_at))
    ) AS tokens, greatest(p.refilled_at, $5) AS refilled_at
    FROM send_paces AS p
    WHERE p.merchant_id = $1 AND p.channel = $2
    ORDER BY p.channel
    FOR UPDATE
), taken AS (
    UPDATE send_paces AS p
    SET tokens = bucket.tokens - 1, refilled_at = bucket.refilled_at
    FROM bucket
    WHERE p.merchant_id = $1 AND p.channel = $2 AND bucket.tokens >= 1
    RETURNING p.channel
)
SELECT bucket.tokens, bucket.refilled_at, EXISTS (SELECT FROM taken) AS is_taken FROM bucket
"""

ADD_BUCKET: Final = """
INSERT INTO send_paces (merchant_id, channel, tokens, refilled_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING
"""

# Of all merchants, so that no claim's transaction may lock it: a statement of its own takes all that is wanted, or
# nothing, and what is not used is given back.
TAKE_SHARED: Final = """
UPDATE provider_paces AS p
SET tokens = least(
        $3::float8, p.tokens + $2::float8 * greatest(0, extract(epoch FROM $4::timestamptz - p.refilled_at))
    ) - $5::int,
    refilled_at = greatest(p.refilled_at, $4)
WHERE p.channel = $1 AND least(
        $3::float8, p.tokens + $2::float8 * greatest(0, extract(epoch FROM $4::timestamptz - p.refilled_at))
    ) >= $5::int
RETURNING p.tokens, p.refilled_at
"""

# What comes back while the provider asked to wait is gone: nothing may leave meanwhile.
GIVE_BACK_SHARED: Final = """
UPDATE provider_paces SET tokens = tokens + $2::int WHERE channel = $1 AND refilled_at <= $3
"""

ADD_SHARED_BUCKET: Final = """
INSERT INTO provider_paces (channel, tokens, refilled_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING
"""

REST_SHARED: Final = """
INSERT INTO provider_paces AS p (channel, tokens, refilled_at)
VALUES ($1, 0, $2)
ON CONFLICT (channel) DO UPDATE SET tokens = 0, refilled_at = greatest(p.refilled_at, excluded.refilled_at)
"""


@dataclass(frozen=True, slots=True)
class PacedClaim:
    """What was claimed, and the bucket after it."""

    ids: Sequence[UUID]
    bucket: Bucket


class PaceStore:
    """The buckets of merchants' channels, and those of the installation's own providers."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def claim_due(
        self,
        merchant_id: MerchantId,
        channel: Channel,
        *,
        pace: Pace,
        now: datetime,
        real_now: datetime,
        limit: int,
        lease: Lease,
    ) -> PacedClaim:
        """Claim of one channel as SendingStore.claim_due does, and no more than its bucket has tokens."""
        arguments = (
            *(merchant_id, now, limit, lease.token, lease.until, channel),
            *(pace.per_second, pace.burst, real_now),
        )
        row = await self._driver.fetchrow(CLAIM_DUE_PACED, *arguments)
        if row is None:
            await self._driver.execute(ADD_BUCKET, merchant_id, channel, pace.burst, real_now)
            row = await self._driver.fetchrow(CLAIM_DUE_PACED, *arguments)
        assert row is not None
        return PacedClaim(row["ids"], bucket_from_row(row))

    async def take(self, merchant_id: MerchantId, channel: Channel, *, pace: Pace, real_now: datetime) -> Bucket | None:
        """Take one token of a merchant's channel; where it has none, give the bucket as it is."""
        arguments = (merchant_id, channel, pace.per_second, pace.burst, real_now)
        row = await self._driver.fetchrow(TAKE_ONE, *arguments)
        if row is None:
            await self._driver.execute(ADD_BUCKET, merchant_id, channel, pace.burst, real_now)
            row = await self._driver.fetchrow(TAKE_ONE, *arguments)
        assert row is not None
        return None if row["is_taken"] else bucket_from_row(row)

    async def add_shared(self, channel: Channel, *, pace: Pace, real_now: datetime) -> None:
        """Make the bucket of the installation's provider, full, where there is none."""
        await self._driver.execute(ADD_SHARED_BUCKET, channel, pace.burst, real_now)

    async def take_shared(self, channel: Channel, count: int, *, pace: Pace, real_now: datetime) -> Bucket | None:
        """Take tokens of the installation's provider and give the bucket after it; None where it has not so many."""
        row = await self._driver.fetchrow(TAKE_SHARED, channel, pace.per_second, pace.burst, real_now, count)
        return None if row is None else bucket_from_row(row)

    async def give_back_shared(self, channel: Channel, count: int, *, real_now: datetime) -> None:
        """Give tokens back that were taken just now and that no message was claimed for."""
        await self._driver.execute(GIVE_BACK_SHARED, channel, count, real_now)

    async def rest_shared(self, channel: Channel, *, until: datetime) -> None:
        """Note until when the installation's provider asked to wait; nothing of any merchant leaves before."""
        await self._driver.execute(REST_SHARED, channel, until)


def bucket_from_row(row: Row) -> Bucket:
    """Make a bucket of its two columns."""
    return Bucket(row["tokens"], row["refilled_at"])
