from datetime import timedelta

from tests.support.builders import NOON, make_line, make_order_event
from tests.support.ingesting import IngestHouse

LOOK = "SELECT name, url, image_url, brand, category, updated_at FROM products WHERE merchant_id = $1"


async def test_newest_event_tells_what_a_product_looks_like(shop: IngestHouse) -> None:
    await shop.post(make_order_event(order_id="1", lines=(make_line(name="Old"),)), at=NOON)
    later = NOON + timedelta(hours=1)
    await shop.post(make_order_event(order_id="2", lines=(make_line(name="New"),)), at=later)
    made = make_line()
    assert await shop.rows(LOOK) == [("New", made.url, made.image_url, made.brand, made.category, later)]


async def test_what_an_event_does_not_tell_stays_as_it_was_told(shop: IngestHouse) -> None:
    await shop.post(make_order_event(order_id="1"), at=NOON)
    bare = make_line(name="New", url=None, image_url=None, brand=None, category=None)
    await shop.post(make_order_event(order_id="2", lines=(bare,)), at=NOON + timedelta(hours=1))
    made = make_line()
    [row] = await shop.rows(LOOK)
    assert row[:5] == ("New", made.url, made.image_url, made.brand, made.category)


async def test_event_that_tells_the_same_writes_nothing(shop: IngestHouse) -> None:
    await shop.post(make_order_event(order_id="1"), at=NOON)
    place = "SELECT ctid::text FROM products WHERE merchant_id = $1"
    before = await shop.rows(place)
    await shop.post(make_order_event(order_id="2"), at=NOON + timedelta(hours=1))
    assert await shop.rows(place) == before


async def test_older_event_does_not_take_a_newer_name_back(shop: IngestHouse) -> None:
    await shop.post(make_order_event(order_id="1", lines=(make_line(name="New"),)), at=NOON)
    earlier = NOON - timedelta(hours=1)
    await shop.post(make_order_event(order_id="2", lines=(make_line(name="Old"),)), at=earlier)
    [row] = await shop.rows(LOOK)
    assert (row[0], row[5]) == ("New", NOON)


async def test_product_told_twice_in_one_call_is_stored_once_with_all_that_was_told(shop: IngestHouse) -> None:
    await shop.post(
        make_order_event(order_id="1", lines=(make_line(brand="Known"), make_line(name="Last", brand=None))),
        make_order_event(order_id="2", email="ola@example.com", lines=(make_line(name="Last", url=None),)),
    )
    made = make_line()
    assert await shop.rows(LOOK) == [("Last", made.url, made.image_url, made.brand, made.category, NOON)]
