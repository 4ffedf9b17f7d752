"""Which pictures lie on the shelf, and the reviews they go with.

A picture without a rating is on its way to one, or taken down: what stays so for a while is removed from the shelf, and
then from here, so that nothing lies there that nobody knows of.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from invite_service.domain.merchant import MerchantId
from invite_service.storage.driver import Driver
from invite_service.storage.statements import Given, Share

ADD_PICTURES: Final = """
INSERT INTO review_pictures (merchant_id, id, stored_at) SELECT $1, id, $3 FROM unnest($2::uuid[]) AS id
"""

# The rating of a row without one is NULL; a picture that goes with another review stays where it is.
HANG_PICTURES: Final = Share(
    "hung_pictures",
    (Given("id", "uuid"), Given("rating_id", "uuid")),
    """
    UPDATE review_pictures AS stored SET rating_id = given.rating_id
    FROM {rows}
    WHERE stored.merchant_id = $1 AND stored.id = given.id
        AND (stored.rating_id IS NULL OR given.rating_id IS NULL)
    RETURNING 1
    """,
)

IS_PUBLISHED: Final = """
SELECT EXISTS (
    SELECT
    FROM review_pictures AS p
    JOIN ratings ON ratings.merchant_id = $1 AND ratings.id = p.rating_id AND ratings.state = 'published'
    JOIN reviews ON reviews.merchant_id = $1 AND reviews.rating_id = p.rating_id AND reviews.state = 'published'
    WHERE p.merchant_id = $1 AND p.id = $2
)
"""

LIST_LOOSE: Final = """
SELECT merchants.id AS merchant_id, loose.id
FROM merchants
CROSS JOIN LATERAL (
    SELECT p.id
    FROM review_pictures AS p
    WHERE p.merchant_id = merchants.id AND p.rating_id IS NULL AND p.stored_at <= $1
    LIMIT $2
) AS loose
LIMIT $2
"""

DELETE_PICTURE: Final = "DELETE FROM review_pictures WHERE merchant_id = $1 AND id = $2 AND rating_id IS NULL"


class LoosePicture(NamedTuple):
    """A picture that goes with no review."""

    merchant_id: MerchantId
    picture_id: UUID


class PictureStore:
    """The pictures of reviews."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def add(self, merchant_id: MerchantId, picture_ids: Sequence[UUID], *, real_now: datetime) -> None:
        """Note pictures before they are put on the shelf."""
        await self._driver.execute(ADD_PICTURES, merchant_id, list(picture_ids), real_now)

    async def is_published(self, merchant_id: MerchantId, picture_id: UUID) -> bool:
        """Say whether everybody may see a picture: its text and the stars are published."""
        is_published: bool = await self._driver.fetchval(IS_PUBLISHED, merchant_id, picture_id)
        return is_published

    async def list_loose(self, *, stored_by: datetime, limit: int) -> list[LoosePicture]:
        """List pictures of any merchant that go with no review, stored at a real instant or before."""
        rows = await self._driver.fetch(LIST_LOOSE, stored_by, limit)
        return [LoosePicture(MerchantId(row["merchant_id"]), row["id"]) for row in rows]

    async def delete(self, loose: LoosePicture) -> None:
        """Forget a picture that is not on the shelf any more; one that meanwhile goes with a review stays."""
        await self._driver.execute(DELETE_PICTURE, *loose)
