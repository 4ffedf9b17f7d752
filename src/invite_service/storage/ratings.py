"""Ratings and their reviews; both are counted in the transaction that changes them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from invite_service.domain.errors import RatingNotFoundError
from invite_service.domain.feedback import PublishState, RatedKind, Rating, RatingFilter, ShownRating
from invite_service.domain.listing import ALWAYS
from invite_service.domain.merchant import MerchantId
from invite_service.domain.notice import Reply
from invite_service.domain.publishing import RejectReason
from invite_service.rules.averages import StarCounts
from invite_service.storage.choosing import Conditions, Slice
from invite_service.storage.driver import Driver, Row
from invite_service.storage.rating_changes import RatingChange, write_rating_changes
from invite_service.storage.totals import STARS

_LEAST_ID: Final = UUID(int=0)

_COLUMNS: Final = """ratings.id, ratings.invitation_id, ratings.product_id, ratings.stars, ratings.state, reviews.text,
    reviews.state AS review_state, reviews.created_at AS reviewed_at, ratings.publish_at, ratings.held_since,
    ARRAY(
        SELECT id FROM review_pictures WHERE merchant_id = $1 AND rating_id = ratings.id ORDER BY id
    ) AS picture_ids,
    COALESCE(ratings.is_fixed, false) AS is_fixed, COALESCE(reviews.is_fixed, false) AS is_review_fixed,
    ratings.reject_reason, ratings.moved_from, ratings.created_at, ratings.updated_at"""

_WITH_REVIEWS: Final = "LEFT JOIN reviews ON reviews.merchant_id = $1 AND reviews.rating_id = ratings.id"

LIST_OF_INVITATION: Final = f"""
SELECT {_COLUMNS}
FROM ratings {_WITH_REVIEWS}
WHERE ratings.merchant_id = $1 AND ratings.invitation_id = $2
ORDER BY ratings.id
"""  # noqa: S608 - built from the constants above

LIST_BY_ID: Final = f"""
SELECT {_COLUMNS}
FROM ratings {_WITH_REVIEWS}
WHERE ratings.merchant_id = $1 AND ratings.id = ANY($2::uuid[])
ORDER BY ratings.id
"""  # noqa: S608 - built from the constants above

LIST_SHOWN: Final = f"""
SELECT {_COLUMNS}, reviews.displayed_name, reviews.language, replies.text AS reply_text,
    replies.created_at AS replied_at, replies.created_by AS replied_by, replies.updated_at AS reply_updated_at
FROM ratings {_WITH_REVIEWS}
LEFT JOIN replies ON replies.merchant_id = $1 AND replies.rating_id = ratings.id
WHERE ratings.merchant_id = $1{{conditions}}
ORDER BY ratings.created_at {{direction}}, ratings.id {{direction}}
LIMIT $2
"""  # noqa: S608 - built from the constants above

# Locking and reading are two statements: a row that was waited for would be joined with the review as it stood before.
LOCK_OF_INVITATION: Final = """
SELECT id FROM ratings WHERE merchant_id = $1 AND invitation_id = $2 ORDER BY id FOR NO KEY UPDATE
"""

LOCK_RATING: Final = "SELECT id FROM ratings WHERE merchant_id = $1 AND id = $2 ORDER BY id FOR NO KEY UPDATE"

LOCK_DUE: Final = """
SELECT id FROM ratings
WHERE merchant_id = $1 AND publish_at IS NOT NULL AND publish_at <= $2
ORDER BY publish_at, id
LIMIT $3
FOR NO KEY UPDATE SKIP LOCKED
"""

# Each merchant by its own clock.
LIST_MERCHANTS_WITH_DUE: Final = """
SELECT merchants.id
FROM merchants
WHERE EXISTS (
    SELECT 1
    FROM ratings
    WHERE ratings.merchant_id = merchants.id AND ratings.publish_at IS NOT NULL
        AND ratings.publish_at <= $1::timestamptz + merchants.clock_offset
)
"""

COUNT_REJECTED: Final = """
SELECT reject_reason, count(*)
FROM ratings
WHERE merchant_id = $1 AND reject_reason IS NOT NULL
GROUP BY reject_reason
"""

COUNT_STARS: Final = f"""
SELECT ratings.product_id = '' AS of_service, ratings.state,
    {", ".join(f"count(*) FILTER (WHERE ratings.stars = {stars})" for stars in range(1, len(STARS) + 1))}
FROM ratings {_WITH_REVIEWS}
WHERE ratings.merchant_id = $1{{conditions}}
GROUP BY 1, 2
"""  # noqa: S608 - built from the constants above


class RatingStore:
    """A merchant's ratings. Locks are taken after those on invitations (DESIGN.md section 4)."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def list_of_invitation(
        self, merchant_id: MerchantId, invitation_id: UUID, *, lock: bool = False
    ) -> list[Rating]:
        """List what was left on an invitation, in the order in which it was first left."""
        if lock:
            await self._driver.fetch(LOCK_OF_INVITATION, merchant_id, invitation_id)
        rows = await self._driver.fetch(LIST_OF_INVITATION, merchant_id, invitation_id)
        return [rating_from_row(row) for row in rows]

    async def get(self, merchant_id: MerchantId, rating_id: UUID, *, lock: bool = False) -> Rating:
        """Get a rating.

        Raises:
            RatingNotFoundError: the merchant has none of that id.
        """
        if lock:
            await self._driver.fetch(LOCK_RATING, merchant_id, rating_id)
        found = await self.list_by_id(merchant_id, [rating_id])
        if not found:
            raise RatingNotFoundError("No rating of that id exists.")
        return found[0]

    async def list_by_id(self, merchant_id: MerchantId, rating_ids: Sequence[UUID]) -> list[Rating]:
        """List ratings by their ids; unknown ones are left out."""
        return [rating_from_row(row) for row in await self._driver.fetch(LIST_BY_ID, merchant_id, rating_ids)]

    async def get_shown(self, merchant_id: MerchantId, rating_id: UUID) -> ShownRating:
        """Get a rating as lists have it; raises like `get`."""
        conditions = Conditions(merchant_id, [1])
        conditions.add("ratings.id = {}", rating_id)
        found = await self._list_shown(conditions, ascending=True)
        if not found:
            raise RatingNotFoundError("No rating of that id exists.")
        return found[0]

    async def list_shown(self, merchant_id: MerchantId, chosen: RatingFilter, *, part: Slice) -> list[ShownRating]:
        """List ratings by when they were first left."""
        conditions = _ratings_chosen(merchant_id, chosen, part)
        return await self._list_shown(conditions, ascending=part.ascending)

    async def find_merchants_with_due(self, real_now: datetime) -> list[MerchantId]:
        """Find the merchants of whom something pending is to be published by now; locks nothing."""
        return [MerchantId(row["id"]) for row in await self._driver.fetch(LIST_MERCHANTS_WITH_DUE, real_now)]

    async def lock_due(self, merchant_id: MerchantId, *, due_by: datetime, limit: int) -> list[Rating]:
        """Lock the first ratings to be published by an instant of the merchant's time, but for those others hold."""
        locked = await self._driver.fetch(LOCK_DUE, merchant_id, due_by, limit)
        return await self.list_by_id(merchant_id, [row["id"] for row in locked]) if locked else []

    async def save(self, merchant_id: MerchantId, changes: Sequence[RatingChange], *, zone: str) -> None:
        """Write ratings that this transaction has locked, or that are new to an invitation it has, and count them.

        `zone` is the merchant's, by whose days new ones are counted.
        """
        await write_rating_changes(self._driver, merchant_id, changes, zone=zone)

    async def count_stars(
        self, merchant_id: MerchantId, chosen: RatingFilter
    ) -> dict[RatedKind, dict[PublishState, StarCounts]]:
        """Count the stars of chosen ratings one by one, for what no counter is kept of."""
        conditions = Conditions(merchant_id)
        _choose(conditions, chosen)
        found: dict[RatedKind, dict[PublishState, StarCounts]] = {}
        statement = COUNT_STARS.format(conditions=conditions)
        for of_service, state, *stars in await self._driver.fetch(statement, *conditions.parameters):
            kind = RatedKind.SERVICE if of_service else RatedKind.PRODUCT
            found.setdefault(kind, {})[PublishState(state)] = StarCounts(*stars)
        return found

    async def count_rejected(self, merchant_id: MerchantId) -> dict[RejectReason, int]:
        """Count the ratings of which stars or text were rejected, by why."""
        rows = await self._driver.fetch(COUNT_REJECTED, merchant_id)
        return {RejectReason(reason): count for reason, count in rows}

    async def _list_shown(self, conditions: Conditions, *, ascending: bool) -> list[ShownRating]:
        statement = LIST_SHOWN.format(conditions=conditions, direction="ASC" if ascending else "DESC")
        return [_shown(row) for row in await self._driver.fetch(statement, *conditions.parameters)]


def _ratings_chosen(merchant_id: MerchantId, chosen: RatingFilter, part: Slice) -> Conditions:
    conditions = Conditions(merchant_id, [part.limit])
    conditions.add_part("(ratings.created_at, ratings.id)", [chosen.created], part, least_id=_LEAST_ID)
    _choose(conditions, replace(chosen, created=ALWAYS))
    return conditions


def _choose(conditions: Conditions, chosen: RatingFilter) -> None:
    conditions.add_span("ratings.created_at", chosen.created)
    if chosen.kind is not None:
        conditions.add(f"ratings.product_id {'=' if chosen.kind is RatedKind.SERVICE else '<>'} ''")
    if chosen.product_ids is not None:
        conditions.add("ratings.product_id = ANY({}::text[])", list(chosen.product_ids))
    if chosen.invitation_id is not None:
        conditions.add("ratings.invitation_id = {}", chosen.invitation_id)
    if chosen.stars:
        conditions.add("ratings.stars = ANY({}::int2[])", list(chosen.stars))
    if chosen.state is not None:
        conditions.add("ratings.state = {}", chosen.state)
    if chosen.review_state is not None:
        conditions.add(
            "ratings.id IN (SELECT r.rating_id FROM reviews r WHERE r.merchant_id = $1 AND r.state = {})",
            chosen.review_state,
        )
    if chosen.has_review is not None:
        conditions.add(f"reviews.rating_id IS {'NOT ' if chosen.has_review else ''}NULL")


def rating_from_row(row: Row) -> Rating:
    """Make a rating of a row that has _COLUMNS first."""
    (
        rating_id,
        invitation_id,
        product_id,
        stars,
        state,
        review_text,
        review_state,
        reviewed_at,
        publish_at,
        held_since,
        picture_ids,
        is_fixed,
        is_review_fixed,
        reject_reason,
        moved_from,
        created_at,
        updated_at,
        *_,
    ) = row
    return Rating(
        id=rating_id,
        invitation_id=invitation_id,
        product_id=product_id or None,
        stars=stars,
        state=PublishState(state),
        review_text=review_text,
        review_state=PublishState(review_state) if review_state is not None else None,
        reviewed_at=reviewed_at,
        picture_ids=tuple(picture_ids),
        publish_at=publish_at,
        held_since=held_since,
        is_fixed=is_fixed,
        is_review_fixed=is_review_fixed,
        reject_reason=RejectReason(reject_reason) if reject_reason is not None else None,
        moved_from=moved_from,
        created_at=created_at,
        updated_at=updated_at,
    )


def _shown(row: Row) -> ShownRating:
    reply = None
    if row["reply_text"] is not None:
        reply = Reply(
            rating_id=row["id"],
            text=row["reply_text"],
            created_at=row["replied_at"],
            created_by=row["replied_by"],
            updated_at=row["reply_updated_at"],
        )
    return ShownRating(
        rating_from_row(row), displayed_name=row["displayed_name"], language=row["language"], reply=reply
    )
