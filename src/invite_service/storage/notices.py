"""Notices and replies: rows of notices, each sent once, and of replies, one to a review."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from invite_service.domain.channel import Price
from invite_service.domain.errors import NoticeNotFoundError
from invite_service.domain.invitation import Channel
from invite_service.domain.merchant import MerchantId
from invite_service.domain.message import Message, Notice
from invite_service.domain.notice import NewNotice, NoticeRecord, NoticeStatus, QueuedNotice
from invite_service.domain.receipt import Receipt
from invite_service.storage.choosing import Conditions, Slice
from invite_service.storage.driver import Driver, Row

NO_NOTICE: Final = "No notice of that id exists."

NOTICE_COLUMNS: Final = (
    "id",
    "notice",
    "channel",
    "invitation_id",
    "rating_id",
    "created_at",
    "status",
    "tries",
    "next_attempt_at",
    "reason",
)
"""What a row needs for `notice_of`."""

_COLUMNS: Final = ", ".join(NOTICE_COLUMNS)

# One voucher for each invitation, however many reviews its customer writes.
ADD_NOTICE: Final = """
INSERT INTO notices (
    merchant_id, id, notice, invitation_id, rating_id, created_at, status, tries, next_attempt_at, channel
)
SELECT $1, $2, $3, i.id, $5, $6, 'waiting', 0, $7, CASE WHEN $3 = 'support_alert' THEN 'email' ELSE i.channel END
FROM invitations AS i
WHERE i.merchant_id = $1 AND i.id = $4
ON CONFLICT (merchant_id, invitation_id) WHERE notice = 'voucher' DO NOTHING
RETURNING id
"""

LIST_MERCHANTS_WITH_DUE: Final = """
SELECT n.merchant_id
FROM notices AS n
WHERE n.merchant_id <> ALL($3::text[]) AND n.channel = $2 AND n.status = 'waiting' AND n.next_attempt_at <= $1
GROUP BY n.merchant_id
"""

CLAIM_DUE: Final = f"""
WITH due AS (
    SELECT n.id
    FROM notices AS n
    WHERE n.merchant_id = $1 AND n.channel = $2 AND n.status = 'waiting' AND n.next_attempt_at <= $3
    ORDER BY n.next_attempt_at, n.id
    LIMIT $4
    FOR UPDATE SKIP LOCKED
)
UPDATE notices
SET status = 'sending', lease_token = $5, lease_until = $6
WHERE notices.merchant_id = $1 AND notices.id = ANY(ARRAY(SELECT due.id FROM due))
RETURNING {_COLUMNS}
"""  # noqa: S608 - built from the constant above

START: Final = """
UPDATE notices SET started_at = $4, lease_until = $5, provider = $6, message_id = $7, content_hash = $8
WHERE merchant_id = $1 AND id = $2 AND status = 'sending' AND lease_token = $3
RETURNING id
"""

FINISH: Final = """
UPDATE notices
SET status = $3, reason = $4, tries = $5, next_attempt_at = $6, ended_at = $7, provider_message_id = $8,
    price = $9, currency = $10, started_at = CASE WHEN $3 = 'waiting' THEN NULL ELSE started_at END,
    lease_token = NULL, lease_until = NULL
WHERE merchant_id = $1 AND id = $2 AND (lease_token = $11 OR status = 'in_doubt')
RETURNING id
"""

# They wait as they did before they were leased, so that the first of them stay first.
GIVE_BACK: Final = """
UPDATE notices SET status = 'waiting', lease_token = NULL, lease_until = NULL
WHERE merchant_id = $1 AND id = ANY($2::uuid[]) AND status = 'sending' AND lease_token = $3
"""

RETRY: Final = """
UPDATE notices
SET status = $3, reason = $4, tries = $5, next_attempt_at = $6, started_at = NULL, ended_at = NULL
WHERE merchant_id = $1 AND id = $2
"""

END_DOUBT: Final = f"""
UPDATE notices SET status = 'sent', reason = $3
WHERE merchant_id = $1 AND id = $2 AND status = 'in_doubt'
RETURNING {_COLUMNS}
"""  # noqa: S608 - built from the constant above

# What a process that is gone had started may have left; what it had not is for anybody to send.
EXPIRE: Final = f"""
WITH expired AS (
    SELECT n.id
    FROM notices AS n
    WHERE n.merchant_id = $1 AND n.status = 'sending' AND n.lease_until < $2
    ORDER BY n.id
    FOR UPDATE SKIP LOCKED
)
UPDATE notices
SET status = CASE WHEN started_at IS NULL THEN 'waiting' ELSE 'in_doubt' END,
    reason = CASE WHEN started_at IS NULL THEN reason ELSE 'lease_expired' END,
    ended_at = CASE WHEN started_at IS NULL THEN ended_at ELSE $2 END,
    lease_token = NULL, lease_until = NULL
WHERE notices.merchant_id = $1 AND notices.id = ANY(ARRAY(SELECT expired.id FROM expired))
RETURNING {_COLUMNS}
"""  # noqa: S608 - built from the constant above

LIST_MERCHANTS_WITH_EXPIRED: Final = """
SELECT n.merchant_id
FROM notices AS n
WHERE n.merchant_id IS NOT NULL AND n.status = 'sending' AND n.lease_until < $1
GROUP BY n.merchant_id
"""

_RECORD_COLUMNS: Final = f"{_COLUMNS}, started_at, ended_at, provider, message_id, provider_message_id, price, currency"

FIND_NOTICE: Final = f"""
SELECT {_RECORD_COLUMNS} FROM notices WHERE merchant_id = $1 AND id = $2
"""  # noqa: S608 - built from the constants above

LOCK_NOTICE: Final = f"""
SELECT {_COLUMNS} FROM notices WHERE merchant_id = $1 AND id = $2 ORDER BY id FOR NO KEY UPDATE
"""  # noqa: S608 - built from the constant above

LIST_NOTICES: Final = f"""
SELECT {_RECORD_COLUMNS} FROM notices
WHERE merchant_id = $1{{conditions}}
ORDER BY created_at {{direction}}, id {{direction}}
LIMIT $2
"""  # noqa: S608 - built from the constants above

FIND_VOUCHER: Final = """
SELECT o.discount_code, o.discount_description
FROM invitation_orders AS j
JOIN orders AS o ON o.merchant_id = $1 AND o.order_id = j.order_id
WHERE j.merchant_id = $1 AND j.invitation_id = $2 AND o.discount_code IS NOT NULL AND o.outcome <> 'cancelled'
ORDER BY o.purchased_at, o.order_id
LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Voucher:
    """What an order brought to be given after a review."""

    code: str
    description: str | None


HAS_VOUCHER: Final = "SELECT 1 FROM notices WHERE merchant_id = $1 AND notice = 'voucher' LIMIT 1"


class NoticeStore:
    """A merchant's notices."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def add(self, merchant_id: MerchantId, notice: NewNotice) -> bool:
        """Queue a notice; False for a second voucher of an invitation."""
        added = await self._driver.fetchval(
            ADD_NOTICE,
            merchant_id,
            notice.id,
            notice.notice,
            notice.invitation_id,
            notice.rating_id,
            notice.created_at,
            notice.next_attempt_at,
        )
        return added is not None

    async def find_merchants_with_due(
        self, channel: Channel, *, real_now: datetime, except_for: Sequence[MerchantId]
    ) -> list[MerchantId]:
        """Find the merchants, but for some, who have notices to send by a channel by now; locks nothing."""
        rows = await self._driver.fetch(LIST_MERCHANTS_WITH_DUE, real_now, channel, except_for)
        return [MerchantId(row["merchant_id"]) for row in rows]

    async def find_merchants_with_expired(self, real_now: datetime) -> list[MerchantId]:
        """Find the merchants of whom a lease has run out; locks nothing."""
        rows = await self._driver.fetch(LIST_MERCHANTS_WITH_EXPIRED, real_now)
        return [MerchantId(row["merchant_id"]) for row in rows]

    async def claim_due(
        self,
        merchant_id: MerchantId,
        channel: Channel,
        *,
        real_now: datetime,
        limit: int,
        token: UUID,
        until: datetime,
    ) -> list[QueuedNotice]:
        """Lease the first notices that are due by a channel, but for those others are at."""
        rows = await self._driver.fetch(CLAIM_DUE, merchant_id, channel, real_now, limit, token, until)
        return sorted((notice_of(row) for row in rows), key=lambda notice: notice.id)

    async def give_back(self, merchant_id: MerchantId, notice_ids: Sequence[UUID], *, token: UUID) -> None:
        """End the leases of notices of which no call has begun."""
        await self._driver.execute(GIVE_BACK, merchant_id, notice_ids, token)

    async def end_doubt(self, merchant_id: MerchantId, notice_id: UUID, *, reason: str) -> QueuedNotice | None:
        """Note that a notice in doubt has left, and give it; None where it is in none."""
        row = await self._driver.fetchrow(END_DOUBT, merchant_id, notice_id, reason)
        return None if row is None else notice_of(row)

    async def start(
        self,
        merchant_id: MerchantId,
        notice_id: UUID,
        *,
        token: UUID,
        real_now: datetime,
        until: datetime,
        provider: str,
        message: Message,
    ) -> bool:
        """Write down that a call is about to begin; False where the lease is not ours any more."""
        started = await self._driver.fetchval(
            START,
            merchant_id,
            notice_id,
            token,
            real_now,
            until,
            provider,
            message.message_id,
            message.content_hash(),
        )
        return started is not None

    async def finish(
        self,
        merchant_id: MerchantId,
        notice: QueuedNotice,
        *,
        token: UUID,
        real_now: datetime,
        receipt: Receipt | None = None,
        price: Price | None = None,
    ) -> bool:
        """Write what became of a notice; False where the lease has gone to somebody else.

        One that waits again has no start any more. An answer is written also where the lease ended during the call.
        """
        finished = await self._driver.fetchval(
            FINISH,
            merchant_id,
            notice.id,
            notice.status,
            notice.reason,
            notice.tries,
            notice.next_attempt_at,
            None if notice.status is NoticeStatus.WAITING else real_now,
            receipt.provider_message_id if receipt is not None else None,
            price.amount if price is not None else None,
            price.currency if price is not None else None,
            token,
        )
        return finished is not None

    async def expire(self, merchant_id: MerchantId, *, real_now: datetime) -> list[QueuedNotice]:
        """Settle what processes that are gone held, and give what is in doubt or waits again."""
        return [notice_of(row) for row in await self._driver.fetch(EXPIRE, merchant_id, real_now)]

    async def list_(self, merchant_id: MerchantId, *, status: NoticeStatus | None, part: Slice) -> list[NoticeRecord]:
        """List notices by when they were queued; only those of a status where that is asked for."""
        conditions = Conditions(merchant_id, [part.limit])
        if status is not None:
            conditions.add("status = {}", status)
        conditions.add_part("(created_at, id)", [], part, least_id=UUID(int=0))
        direction = "ASC" if part.ascending else "DESC"
        statement = LIST_NOTICES.format(conditions=conditions, direction=direction)
        return [_record(row) for row in await self._driver.fetch(statement, *conditions.parameters)]

    async def get(self, merchant_id: MerchantId, notice_id: UUID) -> NoticeRecord:
        """Get a notice.

        Raises:
            NoticeNotFoundError: the merchant has none of that id.
        """
        row = await self._driver.fetchrow(FIND_NOTICE, merchant_id, notice_id)
        if row is None:
            raise NoticeNotFoundError(NO_NOTICE)
        return _record(row)

    async def lock(self, merchant_id: MerchantId, notice_id: UUID) -> QueuedNotice:
        """Lock a notice.

        Raises:
            NoticeNotFoundError: the merchant has none of that id.
        """
        row = await self._driver.fetchrow(LOCK_NOTICE, merchant_id, notice_id)
        if row is None:
            raise NoticeNotFoundError(NO_NOTICE)
        return notice_of(row)

    async def retry(self, merchant_id: MerchantId, notice: QueuedNotice) -> None:
        """Write a locked notice as it waits again, as if no call had begun."""
        await self._driver.execute(
            RETRY, merchant_id, notice.id, notice.status, notice.reason, notice.tries, notice.next_attempt_at
        )

    async def has_voucher(self, merchant_id: MerchantId) -> bool:
        """Say whether a voucher ever followed a review."""
        return await self._driver.fetchval(HAS_VOUCHER, merchant_id) is not None

    async def find_voucher(self, merchant_id: MerchantId, invitation_id: UUID) -> Voucher | None:
        """Find the voucher that the first live order of an invitation brought; None where none did."""
        row = await self._driver.fetchrow(FIND_VOUCHER, merchant_id, invitation_id)
        return None if row is None else Voucher(row["discount_code"], row["discount_description"])


def _record(row: Row) -> NoticeRecord:
    price = row["price"]
    return NoticeRecord(
        notice=notice_of(row),
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        provider=row["provider"],
        message_id=row["message_id"],
        provider_message_id=row["provider_message_id"],
        price=None if price is None else Price(price, row["currency"]),
    )


def notice_of(row: Row) -> QueuedNotice:
    """Read a notice from a row that has its columns."""
    return QueuedNotice(
        id=row["id"],
        notice=Notice(row["notice"]),
        channel=Channel(row["channel"]),
        invitation_id=row["invitation_id"],
        rating_id=row["rating_id"],
        created_at=row["created_at"],
        status=NoticeStatus(row["status"]),
        tries=row["tries"],
        next_attempt_at=row["next_attempt_at"],
        reason=row["reason"],
    )
