"""Writing ratings: the rating with its review, its pictures and its earlier versions, and the counters."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from invite_service.domain.feedback import Rating
from invite_service.domain.merchant import MerchantId
from invite_service.storage.driver import Driver
from invite_service.storage.pictures import HANG_PICTURES
from invite_service.storage.review_versions import ADD_VERSIONS
from invite_service.storage.statements import Given, Share, Writing, assignments, instant, text
from invite_service.storage.totals import SERVICE, count

_CHANGING: Final = (
    "product_id",
    "stars",
    "state",
    "publish_at",
    "held_since",
    "is_fixed",
    "reject_reason",
    "moved_from",
    "updated_at",
)

# What one invitation's ratings are is decided under the invitation's lock, so that a row here is never contended.
SAVE_RATINGS: Final = Share(
    "saved_ratings",
    (
        Given("id", "uuid"),
        Given("invitation_id", "uuid"),
        text("product_id"),
        Given("stars", "int2"),
        text("state"),
        instant("publish_at"),
        instant("held_since"),
        Given("is_fixed", "bool"),
        text("reject_reason"),
        text("moved_from"),
        instant("created_at"),
        instant("updated_at"),
    ),
    f"""
    INSERT INTO ratings AS stored (merchant_id, {{names}})
    SELECT $1, {{values}} FROM {{rows}}
    ORDER BY given.id
    ON CONFLICT (merchant_id, id) DO UPDATE
    SET {assignments(_CHANGING, source="EXCLUDED")}
    RETURNING 1
    """,  # noqa: S608 - built from the constant above
)

SAVE_REVIEWS: Final = Share(
    "saved_reviews",
    (
        Given("rating_id", "uuid"),
        text("text"),
        text("displayed_name"),
        text("language"),
        text("state"),
        Given("is_fixed", "bool"),
        instant("created_at"),
        instant("updated_at"),
    ),
    """
    INSERT INTO reviews AS stored (merchant_id, {names})
    SELECT $1, {values} FROM {rows}
    ON CONFLICT (merchant_id, rating_id) DO UPDATE
    SET text = EXCLUDED.text, state = EXCLUDED.state, is_fixed = EXCLUDED.is_fixed,
        displayed_name = EXCLUDED.displayed_name, updated_at = EXCLUDED.updated_at
    RETURNING 1
    """,
)

SET_REVIEW_STATES: Final = Share(
    "set_review_states",
    (Given("rating_id", "uuid"), text("state"), Given("is_fixed", "bool")),
    """
    UPDATE reviews SET state = given.state, is_fixed = given.is_fixed
    FROM {rows}
    WHERE reviews.merchant_id = $1 AND reviews.rating_id = given.rating_id
    RETURNING 1
    """,
)


@dataclass(frozen=True, slots=True)
class ReviewSigning:
    """What goes with a review that a customer wrote."""

    displayed_name: str
    """The name it is shown with."""
    language: str
    """The language it is taken to be in."""
    by: str
    """The actor who wrote it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RatingChange:
    """A rating as it is to be, and as it stood before (None for a new one)."""

    rating: Rating
    stored: Rating | None
    signing: ReviewSigning | None = None
    """Of what the customer left; None for a change that is the merchant's or the worker's, which writes no text."""


async def write_rating_changes(
    driver: Driver, merchant_id: MerchantId, changes: Sequence[RatingChange], *, zone: str
) -> None:
    """Write ratings that are locked or new, and count them; `zone` is the merchant's, by whose days new ones count."""
    writing = Writing()
    writing.add(SAVE_RATINGS, (_rating_row(change.rating) for change in changes))
    writing.add(SAVE_REVIEWS, (row for change in changes for row in _review_rows(change)))
    writing.add(SET_REVIEW_STATES, (row for change in changes for row in _state_rows(change)))
    writing.add(HANG_PICTURES, (row for change in changes for row in _picture_rows(change)))
    writing.add(ADD_VERSIONS, (row for change in changes for row in _version_rows(change)))
    await writing.run(driver, merchant_id)
    await count(driver, merchant_id, ((change.stored, change.rating) for change in changes), zone=zone)


def _rating_row(rating: Rating) -> tuple[object, ...]:
    return (
        rating.id,
        rating.invitation_id,
        rating.product_id or SERVICE,
        rating.stars,
        rating.state,
        rating.publish_at,
        rating.held_since,
        rating.is_fixed,
        rating.reject_reason,
        rating.moved_from,
        rating.created_at,
        rating.updated_at,
    )


def _review_rows(change: RatingChange) -> Iterable[tuple[object, ...]]:
    """Write the review that a customer left, where it is new or changed; its dates are its own."""
    rating, signing = change.rating, change.signing
    if signing is None or rating.review_text is None or not _is_review_changed(change):
        return
    yield (
        rating.id,
        rating.review_text,
        signing.displayed_name,
        signing.language,
        rating.review_state,
        rating.is_review_fixed,
        rating.reviewed_at,
        rating.updated_at,
    )


def _state_rows(change: RatingChange) -> Iterable[tuple[object, ...]]:
    """Write the state of a review whose text stays as it is."""
    rating = change.rating
    if change.signing is None and rating.review_state is not None and _is_review_changed(change):
        yield rating.id, rating.review_state, rating.is_review_fixed


def _version_rows(change: RatingChange) -> Iterable[tuple[object, ...]]:
    """Keep what the customer is about to change as it stood."""
    stored, rating = change.stored, change.rating
    if (
        change.signing is not None
        and stored is not None
        and (stored.stars, stored.review_text) != (rating.stars, rating.review_text)
    ):
        yield stored.id, stored.stars, stored.review_text, stored.updated_at, change.signing.by


def _picture_rows(change: RatingChange) -> Iterable[tuple[object, ...]]:
    """Hang pictures to the review, and take others down from it."""
    before = set(change.stored.picture_ids) if change.stored is not None else set()
    after = set(change.rating.picture_ids)
    yield from ((picture, change.rating.id) for picture in sorted(after - before))
    yield from ((picture, None) for picture in sorted(before - after))


def _is_review_changed(change: RatingChange) -> bool:
    rating, stored = change.rating, change.stored
    return stored is None or (stored.review_text, stored.review_state, stored.is_review_fixed) != (
        rating.review_text,
        rating.review_state,
        rating.is_review_fixed,
    )
