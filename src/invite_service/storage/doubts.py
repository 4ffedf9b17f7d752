"""Messages in doubt: what there is to ask their providers about."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from invite_service.domain.invitation import Channel
from invite_service.domain.merchant import MerchantId
from invite_service.storage.driver import Driver

LIST_MERCHANTS_IN_DOUBT: Final = """
SELECT merchants.id
FROM merchants
WHERE EXISTS (
    SELECT FROM invitations WHERE invitations.merchant_id = merchants.id AND invitations.status = 'in_doubt'
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """The last attempt of an invitation in doubt."""

    id: UUID
    invitation_id: UUID
    contact: str = field(repr=False)
    channel: Channel
    provider: str
    message_id: str
    content_hash: str
    """As `Message.content_hash` made it."""
    started_at: datetime
    """Real time."""
    asked_at: datetime
    """On the merchant's clock."""
    product_ids: tuple[str, ...]


class DoubtStore:
    """A merchant's messages in doubt."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def find_merchants(self) -> list[MerchantId]:
        """Find the merchants who have messages in doubt; locks nothing."""
        return [MerchantId(row["id"]) for row in await self._driver.fetch(LIST_MERCHANTS_IN_DOUBT)]

    async def list_(self, merchant_id: MerchantId, *, since: datetime, limit: int) -> list[Doubt]:
        """List the attempts in doubt that began after a real instant, the oldest first."""
        return [
            Doubt(
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
