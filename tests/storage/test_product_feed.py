"""Slices of the product-review feed make up the published reviews."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from invite_service.storage.product_feed import FeedPlace
from tests.storage.test_public_reviews import ADD_RATING, ADD_REVIEW, UNTIED
from tests.support.builders import NOON, new_id
from tests.support.ingesting import IngestHouse, driver_of

BEGINNING = FeedPlace(datetime(1970, 1, 1, tzinfo=UTC), UUID(int=0))


async def add(shop: IngestHouse, minute: int, *, text_state: str | None, product_id: str = "mug") -> UUID:
    rating_id, at = new_id(), NOON + timedelta(minutes=minute)
    async with shop.database.transaction() as stores:
        driver = driver_of(stores)
        await driver.execute(UNTIED.replace("SET ", "SET LOCAL "))
        await driver.execute(ADD_RATING, shop.merchant.id, rating_id, new_id(), product_id, 4, "published", None, at)
        if text_state is not None:
            await driver.execute(ADD_REVIEW, shop.merchant.id, rating_id, "nb", text_state, at)
    return rating_id


async def test_slices_make_up_the_published_texts_about_products(shop: IngestHouse) -> None:
    shown = []
    for minute in range(12):
        # Two of a minute, told apart by their ids.
        text_state = (None, "published", "needs_attention")[minute % 3]
        rating_ids = [await add(shop, minute // 2, text_state=text_state, product_id="mug") for _ in range(2)]
        shown += rating_ids if text_state == "published" else []
    await add(shop, 1, text_state="published", product_id="")
    for limit in (1, 3, 100):
        found: list[UUID] = []
        beyond: FeedPlace | None = BEGINNING
        async with shop.database.autocommit(by_key=True) as stores:
            while beyond is not None:
                reviews, beyond = await stores.product_feed.read(shop.merchant.id, beyond, limit=limit)
                assert len(reviews) <= limit
                found += [review.id for review in reviews]
        assert sorted(found) == sorted(shown)
        assert len(found) == len(set(found))
