"""Messages in doubt: what there is to ask their providers about."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from invite_service.domain.invitation import Channel
from invite_service.domain.merchant import MerchantId
from invite_service.domain.message import Notice
from invite_service.domain.notice import QueuedNotice
from invite_service.storage.branding import BrandingStore
from invite_service.storage.driver import Driver, Row
from invite_service.storage.notices import NOTICE_COLUMNS, notice_of

LIST_MERCHANTS_IN_DOUBT: Final = """
SELECT merchants.id
FROM merchants
WHERE EXISTS (
    SELECT FROM invitations WHERE invitations.merchant_id = merchants.id AND invitations.status = 'in_doubt'
)
"""

LIST_MERCHANTS_WITH_NOTICES_IN_DOUBT: Final = """
SELECT merchants.id
FROM merchants
WHERE EXISTS (
    SELECT FROM notices WHERE notices.merchant_id = merchants.id AND notices.status = 'in_doubt'
)
"""

LIST_DOUBTS: Final = """
SELECT i.id AS invitation_id, i.contact, a.id, a.channel, a.provider, a.message_id, a.content_hash, a.started_at,
    a.asked_at, a.product_ids
FROM invitations AS i
CROSS JOIN LATERAL (
    SELECT t.id, t.channel, t.provider, t.message_id, t.content_hash, t.started_at, t.asked_at, t.product_ids
    FROM attempts AS t
    WHERE t.merchant_id = $1 AND t.invitation_id = i.id
    ORDER BY t.id DESC
    LIMIT 1
) AS a
WHERE i.merchant_id = $1 AND i.status = 'in_doubt' AND i.contact IS NOT NULL AND a.started_at >= $2
ORDER BY a.started_at, a.id
LIMIT $3
"""

# Those that a release before began have no Message-ID.
LIST_NOTICE_DOUBTS: Final = f"""
SELECT {", ".join(f"n.{column}" for column in NOTICE_COLUMNS)}, n.provider, n.message_id, n.content_hash, n.started_at,
    i.contact
FROM notices AS n
JOIN invitations AS i ON i.merchant_id = $1 AND i.id = n.invitation_id
WHERE n.merchant_id = $1 AND n.status = 'in_doubt' AND n.message_id IS NOT NULL AND n.started_at >= $2
  AND i.contact IS NOT NULL
ORDER BY n.started_at, n.id
LIMIT $3
"""  # noqa: S608 - built from constants


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A message of which nobody knows whether it left."""

    id: UUID
    """The attempt's, or the notice's."""
    contact: str = field(repr=False)
    channel: Channel
    provider: str
    message_id: str
    content_hash: str
    """As `Message.content_hash` made it."""
    started_at: datetime
    """Real time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptDoubt(Doubt):
    """The last attempt of an invitation in doubt."""

    invitation_id: UUID
    asked_at: datetime
    """On the merchant's clock."""
    product_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeDoubt(Doubt):
    """A notice in doubt."""

    notice: QueuedNotice


class DoubtStore:
    """A merchant's messages in doubt."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def find_merchants(self) -> list[MerchantId]:
        """Find the merchants who have messages in doubt; locks nothing."""
        rows = [
            *await self._driver.fetch(LIST_MERCHANTS_IN_DOUBT),
            *await self._driver.fetch(LIST_MERCHANTS_WITH_NOTICES_IN_DOUBT),
        ]
        return sorted({MerchantId(row["id"]) for row in rows})

    async def list_(self, merchant_id: MerchantId, *, since: datetime, limit: int) -> list[AttemptDoubt | NoticeDoubt]:
        """List what is in doubt and began after a real instant, the oldest first, of either kind so many."""
        attempts = await self._list_attempts(merchant_id, since=since, limit=limit)
        notices = await self._list_notices(merchant_id, since=since, limit=limit)
        return sorted([*attempts, *notices], key=lambda doubt: (doubt.started_at, doubt.id))

    async def _list_attempts(self, merchant_id: MerchantId, *, since: datetime, limit: int) -> list[AttemptDoubt]:
        return [
            AttemptDoubt(
                id=row["id"],
                invitation_id=row["invitation_id"],
                contact=row["contact"],
                channel=Channel(row["channel"]),
                provider=row["provider"],
                message_id=row["message_id"],
                content_hash=row["content_hash"].hex(),
                started_at=row["started_at"],
                asked_at=row["asked_at"],
                product_ids=tuple(row["product_ids"]),
            )
            for row in await self._driver.fetch(LIST_DOUBTS, merchant_id, since, limit)
        ]

    async def _list_notices(self, merchant_id: MerchantId, *, since: datetime, limit: int) -> list[NoticeDoubt]:
        rows = await self._driver.fetch(LIST_NOTICE_DOUBTS, merchant_id, since, limit)
        if not rows:
            return []
        support = (await BrandingStore(self._driver).get(merchant_id)).support_email
        doubts = []
        for row in rows:
            notice = notice_of(row)
            contact = support if notice.notice is Notice.SUPPORT_ALERT else row["contact"]
            if contact is not None:
                doubts.append(_notice_doubt(notice, row, contact=contact))
        return doubts


def _notice_doubt(notice: QueuedNotice, row: Row, *, contact: str) -> NoticeDoubt:
    return NoticeDoubt(
        id=notice.id,
        contact=contact,
        channel=notice.channel,
        provider=row["provider"],
        message_id=row["message_id"],
        content_hash=row["content_hash"],
        started_at=row["started_at"],
        notice=notice,
    )
