"""What stars and text of a rating said before its customer changed them: rows are added, and never changed."""

from typing import Final
from uuid import UUID

from invite_service.domain.feedback import ReviewVersion
from invite_service.domain.merchant import MerchantId
from invite_service.storage.driver import Driver
from invite_service.storage.statements import Given, Share, instant, text

# The rating is locked, so that two of them never number the same version.
ADD_VERSIONS: Final = Share(
    "added_review_versions",
    (Given("rating_id", "uuid"), Given("stars", "int2"), text("text"), instant("at"), text("actor")),
    """
    INSERT INTO review_versions (merchant_id, version, {names})
    SELECT $1, 1 + COALESCE(
        (
            SELECT max(earlier.version) FROM review_versions AS earlier
            WHERE earlier.merchant_id = $1 AND earlier.rating_id = given.rating_id
        ),
        0
    ), {values}
    FROM {rows}
    RETURNING 1
    """,
)

LIST_VERSIONS: Final = """
SELECT stars, text, at, actor
FROM review_versions
WHERE merchant_id = $1 AND rating_id = $2
ORDER BY version DESC
LIMIT $3
"""


class ReviewVersionStore:
    """What a merchant's customers said before; ratings write it as they change."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def list_newest(self, merchant_id: MerchantId, rating_id: UUID, *, limit: int) -> list[ReviewVersion]:
        """List what a rating said before its last change, the newest first."""
        rows = await self._driver.fetch(LIST_VERSIONS, merchant_id, rating_id, limit)
        return [ReviewVersion(*row) for row in rows]
