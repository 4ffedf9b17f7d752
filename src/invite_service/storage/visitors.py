"""What visitors of a shop say about its reviews: rows of review_votes and review_reports, and counts by address.

The rating's lock keeps two visitors of one review from meeting here.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final
from uuid import UUID

from invite_service.domain.merchant import MerchantId
from invite_service.domain.publishing import RejectReason
from invite_service.domain.visitor import ReviewReport, Votes
from invite_service.storage.choosing import Conditions, Slice
from invite_service.storage.driver import Driver

FIND_VOTE: Final = """
SELECT is_helpful FROM review_votes WHERE merchant_id = $1 AND rating_id = $2 AND visitor_key = $3
"""

SAVE_VOTE: Final = """
INSERT INTO review_votes (merchant_id, rating_id, visitor_key, is_helpful, voted_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (merchant_id, rating_id, visitor_key) DO UPDATE
SET is_helpful = EXCLUDED.is_helpful, voted_at = EXCLUDED.voted_at
"""

FIND_VOTES: Final = """
SELECT COALESCE(helpful_count, 0), COALESCE(unhelpful_count, 0) FROM ratings WHERE merchant_id = $1 AND id = $2
"""

# A count of nobody is NULL: such rows stay out of the index that the most helpful ones are read from.
ADD_VOTES: Final = """
UPDATE ratings
SET helpful_count = NULLIF(COALESCE(helpful_count, 0) + $3, 0),
    unhelpful_count = NULLIF(COALESCE(unhelpful_count, 0) + $4, 0)
WHERE merchant_id = $1 AND id = $2
"""

FIND_REPORT: Final = """
SELECT id FROM review_reports WHERE merchant_id = $1 AND rating_id = $2 AND visitor_key = $3
"""

COUNT_REPORTS: Final = """
SELECT count(*) FROM (
    SELECT FROM review_reports WHERE merchant_id = $1 AND rating_id = $2 LIMIT $3
) AS counted
"""

ADD_REPORT: Final = """
INSERT INTO review_reports (merchant_id, id, rating_id, visitor_key, reason, comment, reported_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""

LIST_REPORTS: Final = """
SELECT id, rating_id, reason, comment, reported_at
FROM review_reports
WHERE merchant_id = $1{conditions}
ORDER BY reported_at {direction}, id {direction}
LIMIT $2
"""

COUNT_ADDRESS: Final = """
INSERT INTO address_counts AS stored (merchant_id, day, rating_id, address_key, votes, reports)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (merchant_id, day, rating_id, address_key) DO UPDATE
SET votes = stored.votes + EXCLUDED.votes, reports = stored.reports + EXCLUDED.reports
RETURNING votes, reports
"""

LIST_MERCHANTS_WITH_PAST_COUNTS: Final = """
SELECT a.merchant_id FROM address_counts a WHERE a.day < $1 GROUP BY a.merchant_id
"""

DELETE_PAST_COUNTS: Final = "DELETE FROM address_counts WHERE merchant_id = $1 AND day < $2"

_LEAST_ID: Final = UUID(int=0)


class VisitorStore:
    """What visitors say about a merchant's reviews."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def find_vote(self, merchant_id: MerchantId, rating_id: UUID, visitor_key: bytes) -> bool | None:
        """Find whether a visitor found a review helpful; None for one who has not said."""
        found: bool | None = await self._driver.fetchval(FIND_VOTE, merchant_id, rating_id, visitor_key)
        return found

    async def save_vote(
        self,
        merchant_id: MerchantId,
        rating_id: UUID,
        visitor_key: bytes,
        *,
        is_helpful: bool,
        was: bool | None,
        at: datetime,
    ) -> None:
        """Write and count a vote on a rating that is locked; `was` is what the visitor said before."""
        await self._driver.execute(SAVE_VOTE, merchant_id, rating_id, visitor_key, is_helpful, at)
        helpful, unhelpful = (int(is_helpful is word) - int(was is word) for word in (True, False))
        await self._driver.execute(ADD_VOTES, merchant_id, rating_id, helpful, unhelpful)

    async def find_votes(self, merchant_id: MerchantId, rating_id: UUID) -> Votes:
        """Find the votes on a rating, which exists."""
        row = await self._driver.fetchrow(FIND_VOTES, merchant_id, rating_id)
        assert row is not None
        return Votes(*row)

    async def has_reported(self, merchant_id: MerchantId, rating_id: UUID, visitor_key: bytes) -> bool:
        """Say whether a visitor reported a review already."""
        return await self._driver.fetchval(FIND_REPORT, merchant_id, rating_id, visitor_key) is not None

    async def count_reports(self, merchant_id: MerchantId, rating_id: UUID, *, up_to: int) -> int:
        """Count the reports of a review, no further than a number."""
        count: int = await self._driver.fetchval(COUNT_REPORTS, merchant_id, rating_id, up_to)
        return count

    async def add_report(self, merchant_id: MerchantId, report: ReviewReport, visitor_key: bytes) -> None:
        """Keep a report of a visitor who has not reported the review before."""
        await self._driver.execute(
            ADD_REPORT,
            merchant_id,
            report.id,
            report.rating_id,
            visitor_key,
            report.reason,
            report.comment,
            report.reported_at,
        )

    async def list_reports(
        self, merchant_id: MerchantId, *, rating_id: UUID | None, part: Slice
    ) -> Sequence[ReviewReport]:
        """List reports by when they came; only those of one rating where that is asked for."""
        conditions = Conditions(merchant_id, [part.limit])
        conditions.add_part("(reported_at, id)", [], part, least_id=_LEAST_ID)
        if rating_id is not None:
            conditions.add("rating_id = {}", rating_id)
        statement = LIST_REPORTS.format(conditions=conditions, direction="ASC" if part.ascending else "DESC")
        return [
            ReviewReport(
                id=report_id,
                rating_id=reported,
                reason=RejectReason(reason),
                comment=comment,
                reported_at=reported_at,
            )
            for report_id, reported, reason, comment, reported_at in await self._driver.fetch(
                statement, *conditions.parameters
            )
        ]

    async def count_address(
        self,
        merchant_id: MerchantId,
        rating_id: UUID,
        address_key: bytes,
        *,
        day: date,
        votes: int = 0,
        reports: int = 0,
    ) -> tuple[int, int]:
        """Count what came from an address on a day, and tell how many votes and reports on a review that makes."""
        row = await self._driver.fetchrow(COUNT_ADDRESS, merchant_id, day, rating_id, address_key, votes, reports)
        assert row is not None
        return row["votes"], row["reports"]

    async def list_merchants_with_past_counts(self, today: date) -> list[MerchantId]:
        """List the merchants that have counts of days before."""
        rows = await self._driver.fetch(LIST_MERCHANTS_WITH_PAST_COUNTS, today)
        return [MerchantId(row["merchant_id"]) for row in rows]

    async def delete_past_counts(self, merchant_id: MerchantId, today: date) -> None:
        """Forget the addresses of days before."""
        await self._driver.execute(DELETE_PAST_COUNTS, merchant_id, today)
