"""Published reviews of products, one merchant's all together, for Google's product-review feed.

A slice is cut from published stars, whatever else they have: so each statement's work is bounded where few have a text.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from invite_service.domain.merchant import MerchantId
from invite_service.domain.product_feed import BoughtCodes, FeedReview
from invite_service.storage.driver import Driver, Row

# By LATERAL, LIMIT and arrays, so that texts and orders are looked up by their keys, whatever the planner knows.
READ_FEED: Final = """
SELECT r.created_at, r.id, v.rating_id IS NOT NULL AS is_shown, r.invitation_id, r.product_id, r.stars, v.text,
    v.displayed_name, v.language, p.name, p.url, p.brand,
    ARRAY(
        SELECT pictures.id FROM review_pictures AS pictures
        WHERE pictures.merchant_id = $1 AND pictures.rating_id = v.rating_id
        ORDER BY pictures.id
    ) AS picture_ids,
    v.rating_id IS NOT NULL AND (
        SELECT o.order_id
        FROM orders AS o
        WHERE o.merchant_id = $1 AND o.order_id = ANY(ARRAY(
            SELECT j.order_id FROM invitation_orders AS j
            WHERE j.merchant_id = $1 AND j.invitation_id = r.invitation_id
        )) AND o.discount_code IS NOT NULL AND o.outcome <> 'cancelled'
        LIMIT 1
    ) IS NOT NULL AS has_voucher,
    bought.codes
FROM (
    SELECT ratings.id, ratings.invitation_id, ratings.product_id, ratings.stars, ratings.created_at
    FROM ratings
    WHERE ratings.merchant_id = $1 AND ratings.state = 'published'
        AND (ratings.created_at, ratings.id) > ($2::timestamptz, $3::uuid)
    ORDER BY ratings.created_at, ratings.id
    LIMIT $4
) AS r
LEFT JOIN LATERAL (
    SELECT reviews.rating_id, reviews.text, reviews.displayed_name, reviews.language
    FROM reviews
    WHERE reviews.merchant_id = $1 AND reviews.rating_id = r.id AND reviews.state = 'published' AND r.product_id <> ''
    LIMIT 1
) AS v ON TRUE
LEFT JOIN products AS p ON p.merchant_id = $1 AND p.product_id = r.product_id AND v.rating_id IS NOT NULL
LEFT JOIN LATERAL (
    SELECT json_agg(json_build_array(l.gtin, l.mpn, l.sku) ORDER BY l.order_id, l.position) AS codes
    FROM invitation_products AS asked
    JOIN order_lines AS l
        ON l.merchant_id = $1 AND l.order_id = ANY(asked.brought_by) AND l.product_id = r.product_id
    WHERE asked.merchant_id = $1 AND asked.invitation_id = r.invitation_id AND asked.product_id = r.product_id
) AS bought ON v.rating_id IS NOT NULL
ORDER BY r.created_at, r.id
"""


class FeedPlace(NamedTuple):
    """A place in the feed, right after a rating."""

    at: datetime
    id: UUID


class FeedSlice(NamedTuple):
    """What a part of the feed holds, and where the next one begins; None where there is none."""

    reviews: Sequence[FeedReview]
    beyond: FeedPlace | None


class ProductFeedStore:
    """What Google's product-review feed tells of a merchant's reviews."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def read(self, merchant_id: MerchantId, beyond: FeedPlace, *, limit: int) -> FeedSlice:
        """Read the reviews among the next `limit` published ratings, the oldest first."""
        rows = await self._driver.fetch(READ_FEED, merchant_id, beyond.at, beyond.id, limit)
        reviews = [_review(row) for row in rows if row["is_shown"]]
        goes_on = len(rows) == limit
        return FeedSlice(reviews, FeedPlace(rows[-1]["created_at"], rows[-1]["id"]) if goes_on else None)


def _review(row: Row) -> FeedReview:
    return FeedReview(
        id=row["id"],
        invitation_id=row["invitation_id"],
        product_id=row["product_id"],
        stars=row["stars"],
        created_at=row["created_at"],
        text=row["text"],
        displayed_name=row["displayed_name"] or "",
        language=row["language"],
        picture_ids=tuple(row["picture_ids"]),
        has_voucher=row["has_voucher"],
        product_name=row["name"],
        product_url=row["url"],
        brand=row["brand"],
        codes=tuple(BoughtCodes(gtin=gtin, mpn=mpn, skus=tuple(skus)) for gtin, mpn, skus in row["codes"] or ()),
    )
