"""Replies: what merchants say to reviews, one to each."""

from collections.abc import Collection
from typing import Final
from uuid import UUID

from invite_service.domain.merchant import MerchantId
from invite_service.domain.notice import Reply
from invite_service.storage.driver import Driver

FIND_REPLIES: Final = """
SELECT rating_id, text, created_at, created_by, updated_at
FROM replies
WHERE merchant_id = $1 AND rating_id = ANY($2::uuid[])
"""

SAVE_REPLY: Final = """
INSERT INTO replies (merchant_id, rating_id, text, created_at, created_by, updated_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (merchant_id, rating_id) DO UPDATE SET text = EXCLUDED.text, updated_at = EXCLUDED.updated_at
"""

DELETE_REPLY: Final = "DELETE FROM replies WHERE merchant_id = $1 AND rating_id = $2 RETURNING rating_id"


class ReplyStore:
    """A merchant's replies; the rating's lock keeps two of them from meeting."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def find(self, merchant_id: MerchantId, rating_ids: Collection[UUID]) -> dict[UUID, Reply]:
        """Find the replies to ratings, by the rating's id."""
        rows = await self._driver.fetch(FIND_REPLIES, merchant_id, list(rating_ids))
        return {
            row["rating_id"]: Reply(
                rating_id=row["rating_id"],
                text=row["text"],
                created_at=row["created_at"],
                created_by=row["created_by"],
                updated_at=row["updated_at"],
            )
            for row in rows
        }

    async def save(self, merchant_id: MerchantId, reply: Reply) -> None:
        """Write a reply, in the place of an earlier one."""
        await self._driver.execute(
            SAVE_REPLY,
            merchant_id,
            reply.rating_id,
            reply.text,
            reply.created_at,
            reply.created_by,
            reply.updated_at,
        )

    async def delete(self, merchant_id: MerchantId, rating_id: UUID) -> bool:
        """Withdraw a reply; False where there is none."""
        return await self._driver.fetchval(DELETE_REPLY, merchant_id, rating_id) is not None
