"""Ratings, their reviews, and the counters of both products and service that are kept in the same transaction."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from invite_service.domain.feedback import PublishState, Rating
from invite_service.domain.merchant import MerchantId
from invite_service.rules.averages import StarCounts
from invite_service.storage.driver import Driver, Row
from invite_service.storage.statements import Given, Share, Writing, instant, text

SERVICE: Final = ""
"""Stands for the service in the product_id of ratings and totals; no product has an empty id."""

ALL_PRODUCTS: Final = "*"
"""Stands for the sum over all products in the product_id of totals."""

LIST_RATINGS: Final = """
SELECT ratings.id, ratings.invitation_id, ratings.product_id, ratings.stars, ratings.state, reviews.text,
    reviews.state AS review_state, ratings.created_at, ratings.updated_at
FROM ratings
LEFT JOIN reviews ON reviews.merchant_id = $1 AND reviews.rating_id = ratings.id
WHERE ratings.merchant_id = $1 AND ratings.invitation_id = $2
ORDER BY ratings.id
"""

# What one invitation's ratings are is decided under the invitation's lock, so that a row here is never contended.
SAVE_RATINGS: Final = Share(
    "saved_ratings",
    (
        Given("id", "uuid"),
        Given("invitation_id", "uuid"),
        text("product_id"),
        Given("stars", "int2"),
        text("state"),
        instant("created_at"),
        instant("updated_at"),
    ),
    """
    INSERT INTO ratings AS stored (merchant_id, {names})
    SELECT $1, {values} FROM {rows}
    ORDER BY given.id
    ON CONFLICT (merchant_id, id) DO UPDATE
    SET stars = EXCLUDED.stars, state = EXCLUDED.state, updated_at = EXCLUDED.updated_at
    RETURNING 1
    """,
)

SAVE_REVIEWS: Final = Share(
    "saved_reviews",
    (
        Given("rating_id", "uuid"),
        text("text"),
        text("displayed_name"),
        text("language"),
        text("state"),
        instant("created_at"),
        instant("updated_at"),
    ),
    """
    INSERT INTO reviews AS stored (merchant_id, {names})
    SELECT $1, {values} FROM {rows}
    ON CONFLICT (merchant_id, rating_id) DO UPDATE
    SET text = EXCLUDED.text, state = EXCLUDED.state, displayed_name = EXCLUDED.displayed_name,
        updated_at = EXCLUDED.updated_at
    RETURNING 1
    """,
)

_STARS: Final = ("stars_1", "stars_2", "stars_3", "stars_4", "stars_5")

# Sorted, so that two transactions that count at the same time meet in the same order. The sums over all products are
# rows that many transactions want: this is the last statement of a transaction that has one.
ADD_TO_TOTALS: Final = Share(
    "added_totals",
    (text("product_id"), text("state"), *(Given(name, "int8") for name in _STARS)),
    f"""
    INSERT INTO rating_totals AS stored (merchant_id, {{names}})
    SELECT $1, {{values}} FROM {{rows}}
    ORDER BY given.product_id, given.state
    ON CONFLICT (merchant_id, product_id, state) DO UPDATE
    SET {", ".join(f"{name} = stored.{name} + EXCLUDED.{name}" for name in _STARS)}
    RETURNING 1
    """,  # noqa: S608 - built from the constant above
)

FIND_TOTALS: Final = f"""
SELECT product_id, state, {", ".join(_STARS)}
FROM rating_totals
WHERE merchant_id = $1 AND product_id = ANY($2::text[])
"""  # noqa: S608 - built from the constant above


@dataclass(frozen=True, slots=True, kw_only=True)
class RatingChange:
    """A rating as it is to be, and as it stood before (None for a new one)."""

    rating: Rating
    stored: Rating | None
    displayed_name: str
    """The name its review is shown with."""
    language: str
    """The language its review is taken to be in."""


class RatingStore:
    """A merchant's ratings. Locks are taken after those on invitations (DESIGN.md section 4)."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def list_of_invitation(self, merchant_id: MerchantId, invitation_id: UUID) -> list[Rating]:
        """List what was left on an invitation, in the order in which it was first left."""
        return [rating_from_row(row) for row in await self._driver.fetch(LIST_RATINGS, merchant_id, invitation_id)]

    async def save(self, merchant_id: MerchantId, changes: Sequence[RatingChange]) -> None:
        """Write ratings of one invitation, which this transaction has locked, and count them."""
        writing = Writing()
        writing.add(SAVE_RATINGS, (_rating_row(change.rating) for change in changes))
        writing.add(SAVE_REVIEWS, (row for change in changes for row in _review_rows(change)))
        await writing.run(self._driver, merchant_id)
        counting = Writing()
        counting.add(ADD_TO_TOTALS, _total_rows(changes))
        await counting.run(self._driver, merchant_id)

    async def find_totals(
        self, merchant_id: MerchantId, product_ids: Collection[str | None]
    ) -> dict[str | None, dict[PublishState, StarCounts]]:
        """Find the counters of products and, for None, of the service; what was never rated is left out."""
        keys = {_key(product_id): product_id for product_id in product_ids}
        found: dict[str | None, dict[PublishState, StarCounts]] = {}
        for key, state, *stars in await self._driver.fetch(FIND_TOTALS, merchant_id, list(keys)):
            found.setdefault(keys[key], {})[PublishState(state)] = StarCounts(*stars)
        return found

    async def find_product_total(self, merchant_id: MerchantId) -> Mapping[PublishState, StarCounts]:
        """Find the counters over all products together."""
        rows = await self._driver.fetch(FIND_TOTALS, merchant_id, [ALL_PRODUCTS])
        return {PublishState(state): StarCounts(*stars) for _, state, *stars in rows}


def rating_from_row(row: Row) -> Rating:
    """Make a rating of a row of LIST_RATINGS."""
    rating_id, invitation_id, product_id, stars, state, review_text, review_state, created_at, updated_at = row
    return Rating(
        id=rating_id,
        invitation_id=invitation_id,
        product_id=product_id or None,
        stars=stars,
        state=PublishState(state),
        review_text=review_text,
        review_state=PublishState(review_state) if review_state is not None else None,
        created_at=created_at,
        updated_at=updated_at,
    )


def _rating_row(rating: Rating) -> tuple[object, ...]:
    return (
        rating.id,
        rating.invitation_id,
        rating.product_id or SERVICE,
        rating.stars,
        rating.state,
        rating.created_at,
        rating.updated_at,
    )


def _review_rows(change: RatingChange) -> Iterable[tuple[object, ...]]:
    """Write the review where it is new or changed; its dates are its own."""
    rating, stored = change.rating, change.stored
    if rating.review_text is None:
        return
    if stored is not None and (stored.review_text, stored.review_state) == (rating.review_text, rating.review_state):
        return
    yield (
        rating.id,
        rating.review_text,
        change.displayed_name,
        change.language,
        rating.review_state,
        rating.updated_at,
        rating.updated_at,
    )


def _total_rows(changes: Iterable[RatingChange]) -> Iterable[tuple[object, ...]]:
    """Add up what the changes take from the counters and bring to them; what changes nothing is left out."""
    differences: dict[tuple[str, PublishState], list[int]] = {}
    for change in changes:
        for rating, sign in ((change.stored, -1), (change.rating, 1)):
            if rating is None:
                continue
            keys = [_key(rating.product_id)] if rating.product_id is None else [_key(rating.product_id), ALL_PRODUCTS]
            for key in keys:
                differences.setdefault((key, rating.state), [0] * len(_STARS))[rating.stars - 1] += sign
    return [(key, state, *stars) for (key, state), stars in differences.items() if any(stars)]


def _key(product_id: str | None) -> str:
    """Write a product's id as totals know it: one that begins like ALL_PRODUCTS is told apart by doubling the sign."""
    if product_id is None:
        return SERVICE
    return ALL_PRODUCTS + product_id if product_id.startswith(ALL_PRODUCTS) else product_id
