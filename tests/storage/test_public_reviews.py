"""Lists of published reviews against the same lists made here, and what PostgreSQL reads for a page of them."""

import asyncio
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from invite_service.domain.public_review import PublicFilter, PublicReview, ReviewPlace, ReviewSorting
from invite_service.storage.database import Database
from invite_service.storage.public_reviews import PublicReviewStore, ReviewSlice
from tests.storage.test_list_plans import Plan, PlanningDriver
from tests.support.builders import NOON, make_merchant, new_id
from tests.support.databases import DatabaseMaker
from tests.support.ingesting import IngestHouse, add_merchant, driver_of, make_database

PRODUCT = "tent/2"

# Without the invitations that they were left on: nothing here looks at these.
UNTIED = "SET session_replication_role = replica"

ADD_RATING = """
INSERT INTO ratings (
    merchant_id, id, invitation_id, product_id, stars, state, helpful_count, unhelpful_count, created_at, updated_at
)
VALUES ($1, $2, $3, $4, $5, $6, $7, NULL, $8, $8)
"""

ADD_REVIEW = """
INSERT INTO reviews (merchant_id, rating_id, text, displayed_name, language, state, created_at, updated_at)
VALUES ($1, $2, 'Nice.', 'Kari N.', $3, $4, $5, $5)
"""


@dataclass(frozen=True, slots=True)
class Left:
    """A rating of the test's own."""

    id: UUID
    stars: int
    state: str
    helpful_count: int
    language: str | None
    text_state: str | None
    at: datetime

    @property
    def shown_language(self) -> str | None:
        return self.language if self.text_state == "published" else None


def make_left(chance: random.Random) -> Left:
    language = chance.choice(["nb", "en", None])
    return Left(
        id=new_id(),
        stars=chance.randint(1, 5),
        state=chance.choice(["published"] * 5 + ["pending", "needs_attention", "rejected"]),
        helpful_count=chance.choice([0, 0, 0, 1, 1, 2, 7]),
        language=language,
        text_state=chance.choice(["published", "published", "rejected"]) if language else None,
        # Several at the same instant, so that the id has to decide.
        at=NOON + timedelta(minutes=chance.randint(0, 20)),
    )


async def fill(shop: IngestHouse, left: Sequence[Left], *, product_id: str = PRODUCT) -> None:
    async with shop.database.transaction() as stores:
        driver = driver_of(stores)
        await driver.execute(UNTIED)
        for one in left:
            await driver.execute(
                ADD_RATING,
                shop.merchant.id,
                one.id,
                new_id(),
                product_id,
                one.stars,
                one.state,
                one.helpful_count or None,
                one.at,
            )
            if one.language is not None:
                await driver.execute(ADD_REVIEW, shop.merchant.id, one.id, one.language, one.text_state, one.at)
        await driver.execute("RESET session_replication_role")


ORDERS: dict[ReviewSorting, Callable[[Left], Any]] = {
    ReviewSorting.NEWEST: lambda one: (-one.at.timestamp(), -one.id.int),
    ReviewSorting.OLDEST: lambda one: (one.at, one.id),
    ReviewSorting.HIGHEST: lambda one: (-one.stars, -one.at.timestamp(), -one.id.int),
    ReviewSorting.LOWEST: lambda one: (one.stars, -one.at.timestamp(), -one.id.int),
    ReviewSorting.MOST_HELPFUL: lambda one: (-one.helpful_count, -one.at.timestamp(), -one.id.int),
}

FILTERS = {
    "nothing": PublicFilter(),
    "one number of stars": PublicFilter(stars=[3]),
    "some numbers of stars": PublicFilter(stars=[5, 1, 2]),
    "a language": PublicFilter(languages=["nb"]),
    "languages and stars": PublicFilter(languages=["en", "nb"], stars=[1, 4]),
    "with a text": PublicFilter(has_text=True),
    "without a text": PublicFilter(has_text=False),
}


def is_chosen(one: Left, chosen: PublicFilter) -> bool:
    return (
        one.state == "published"
        and (not chosen.stars or one.stars in chosen.stars)
        and (not chosen.languages or one.shown_language in chosen.languages)
        and (chosen.has_text is None or chosen.has_text is (one.shown_language is not None))
    )


def place_of(review: PublicReview, sorting: ReviewSorting) -> ReviewPlace:
    return ReviewPlace(review.rank_by(sorting), review.created_at, review.id)


@pytest.mark.parametrize("sorting", ReviewSorting)
@pytest.mark.parametrize("chosen", FILTERS.values(), ids=FILTERS)
async def test_pages_both_ways_make_up_the_sorted_list(
    shop: IngestHouse, sorting: ReviewSorting, chosen: PublicFilter
) -> None:
    chance = random.Random(f"{sorting} {chosen}")
    left = [make_left(chance) for _ in range(80)]
    await fill(shop, left)
    await fill(shop, [make_left(chance) for _ in range(10)], product_id="lamp")
    expected = [one.id for one in sorted(left, key=ORDERS[sorting]) if is_chosen(one, chosen)]
    assert expected

    async with shop.database.autocommit(by_key=True) as stores:

        async def read(beyond: ReviewPlace | None, *, is_backwards: bool) -> list[PublicReview]:
            part = ReviewSlice(sorting=sorting, limit=7, beyond=beyond, is_backwards=is_backwards)
            listed = await stores.public_reviews.list_(shop.merchant.id, PRODUCT, chosen, part=part)
            beside = await stores.public_reviews.list_with_standing(shop.merchant.id, PRODUCT, chosen, part=part)
            standings = await stores.public_reviews.find_standings(shop.merchant.id, [PRODUCT])
            assert beside == (standings[PRODUCT], listed)
            return listed

        for is_backwards in (False, True):
            found: list[PublicReview] = []
            while page := await read(place_of(found[-1], sorting) if found else None, is_backwards=is_backwards):
                found += page
            assert [review.id for review in found] == (expected[::-1] if is_backwards else expected)


MANY = 60_000

_MANY_RATINGS = """
INSERT INTO ratings (
    merchant_id, id, invitation_id, product_id, stars, state, helpful_count, created_at, updated_at
)
SELECT $1, md5('r' || n)::uuid, md5('i' || n)::uuid, CASE WHEN n % 3 = 0 THEN 'tent/2' ELSE 'p' || n % 500 END,
    CASE WHEN n % 3000 = 0 THEN 1 ELSE 2 + n % 4 END, CASE WHEN n % 50 = 1 THEN 'pending' ELSE 'published' END,
    CASE WHEN n % 200 = 0 THEN 1 + n % 9 END, at, at
FROM (SELECT n, $2::timestamptz + n * interval '1 minute' AS at FROM generate_series(1, $3::int) AS n) AS made
"""

_MANY_REVIEWS = """
INSERT INTO reviews (merchant_id, rating_id, text, displayed_name, language, state, created_at, updated_at)
SELECT $1, id, 'Nice.', 'Kari N.', 'nb', 'published', created_at, updated_at FROM ratings WHERE merchant_id = $1
"""


async def fill_many(url: str) -> None:
    database = make_database(url)
    await add_merchant(database, make_merchant())
    async with database.autocommit() as stores:
        driver = driver_of(stores)
        await driver.execute(UNTIED)
        await driver.execute(_MANY_RATINGS, make_merchant().id, NOON, MANY)
        await driver.execute(_MANY_REVIEWS, make_merchant().id)
        await driver.execute("RESET session_replication_role")
        await driver.execute("VACUUM ANALYZE ratings, reviews, replies")
    await database.close()


@pytest.fixture(scope="module")
def many_url(database_maker: DatabaseMaker) -> Iterator[str]:
    """A database in which one product has a third of many ratings."""
    with database_maker.database(fresh=True) as url, asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(fill_many(url))
        yield url


@pytest.mark.parametrize("sorting", ReviewSorting)
@pytest.mark.parametrize("chosen", [PublicFilter(), PublicFilter(stars=[1, 2])], ids=["nothing", "stars"])
async def test_page_of_a_product_with_many_ratings_reads_little_more_than_its_rows(
    many_url: str, sorting: ReviewSorting, chosen: PublicFilter
) -> None:
    database: Database = make_database(many_url, pool_size=1)
    try:
        async with database.autocommit(by_key=True) as stores:
            driver: Any = PlanningDriver(driver_of(stores))
            reviews, merchant_id = PublicReviewStore(driver), make_merchant().id
            part = ReviewSlice(sorting=sorting, limit=21)
            first = await reviews.list_(merchant_id, PRODUCT, chosen, part=part)
            further = ReviewSlice(sorting=sorting, limit=21, beyond=place_of(first[10], sorting))
            assert (await reviews.list_(merchant_id, PRODUCT, chosen, part=further))[:10] == first[11:]
            _, listed = await reviews.list_with_standing(merchant_id, PRODUCT, chosen, part=further)
            assert listed[:10] == first[11:]
    finally:
        await database.close()
    plans: list[Plan] = driver.plans
    for plan in plans:
        assert plan.whole_tables == [], plan.text
        # Of five parts a page each, and as many texts; those that wait stand in between.
        assert plan.rows_read <= 21 * 5 * 2 * 3, plan.text
