"""Google's product-review feed, as it is fetched."""

from collections.abc import AsyncIterator
from pathlib import Path
from unittest.mock import ANY
from xml.etree import ElementTree as ET

import pytest

from invite_service.config import Settings
from tests.api.conftest import Api, Clock, MerchantClient, make_problem, serve
from tests.api.test_public_products import KNOWN_MUG, rate_known
from tests.api.test_public_reviews import read
from tests.api.test_publishing import MUG, patch, rate
from tests.support.schemas import INSTANCE, Schema

SCHEMA = Schema(Path(__file__).parents[1] / "data" / "product_reviews.xsd")

FEED = "/gift-shop/product-reviews.xml"


async def fetch(api: Api, path: str = FEED) -> ET.Element:
    answer = await read(api, path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/xml; charset=utf-8")
    return ET.fromstring(answer.text)  # noqa: S314 - our own answer


def reviews_of(feed: ET.Element) -> list[ET.Element]:
    return feed.findall("reviews/review")


async def test_feed_tells_of_a_review_and_its_product(api: Api, merchant: MerchantClient) -> None:
    rating_id = await rate_known(
        api, merchant, review={"text": "Broken & <b>dull</b>.\nOnce more: no.", "consent": True}
    )
    answer = await read(api, FEED)
    assert answer.headers["cache-control"] == "public, max-age=3600"
    assert answer.headers["access-control-allow-origin"] == "*"
    feed = ET.fromstring(answer.text)  # noqa: S314 - our own answer
    assert SCHEMA.faults(feed) == []
    assert feed.attrib == {
        f"{INSTANCE}noNamespaceSchemaLocation": "http://www.google.com/shopping/reviews/schema/product/2.4/"
        "product_reviews.xsd"
    }
    assert (feed.findtext("version"), feed.findtext("publisher/name")) == ("2.4", "The Gift Shop")
    [review] = reviews_of(feed)
    assert {child.tag: child.text for child in review if not len(child)} == {
        "review_id": rating_id,
        "is_verified_purchase": "true",
        "is_incentivized_review": "false",
        "review_timestamp": "2026-03-02T12:00:00Z",
        "content": "Broken & <b>dull</b>.\nOnce more: no.",
        "review_language": "nb",
        "review_url": "https://gifts.example/p/mug",
        "is_spam": "false",
        "collection_method": "post_fulfillment",
        "transaction_id": ANY,
    }
    assert "A-1001" not in answer.text
    assert review.findtext("reviewer/name") == "Kari N."
    [overall] = review.findall("ratings/overall")
    assert (overall.text, overall.attrib) == ("2", {"min": "1", "max": "5"})
    [product] = review.findall("products/product")
    assert {part.tag: part.text for part in product.iter() if not len(part)} == {
        "gtin": "4006381333931",
        "sku": "M-1",
        "brand": "Potter & Co",
        "product_name": "The mug",
        "product_url": "https://gifts.example/p/mug",
    }


async def test_only_published_texts_about_products_are_told(api: Api, merchant: MerchantClient) -> None:
    rating_id = await rate_known(api, merchant)
    await rate(api, merchant, {"product_id": "mug", "stars": 5}, order_id="stars-alone")
    held = await rate(api, merchant, MUG, order_id="held")
    moved = await rate(api, merchant, MUG, order_id="moved")
    await merchant.post(f"/v1/ratings/{held[0]}/hold", {"parts": ["review"]})
    await merchant.post(f"/v1/ratings/{moved[0]}/move", {"to": "service"})
    ids = [review.findtext("review_id") for review in reviews_of(await fetch(api))]
    assert ids == [rating_id]
    await merchant.post(f"/v1/ratings/{rating_id}/reject", {"reason": "spam", "parts": ["review"]})
    assert reviews_of(await fetch(api)) == []


async def test_product_without_an_address_is_not_told(api: Api, merchant: MerchantClient) -> None:
    await rate(api, merchant, {**MUG, "product_id": "lamp"})
    assert reviews_of(await fetch(api)) == []


async def test_customer_without_a_name_is_anonymous_and_not_told_by_purchase(
    api: Api, merchant: MerchantClient
) -> None:
    await patch(merchant, {"review_name_display": "anonymous"})
    await rate_known(api, merchant)
    feed = await fetch(api)
    assert SCHEMA.faults(feed) == []
    [review] = reviews_of(feed)
    [name] = review.findall("reviewer/name")
    assert (name.text, name.attrib) == ("En kunde", {"is_anonymous": "true"})
    assert review.find("transaction_id") is None


async def test_review_of_an_order_with_a_voucher_is_told_to_be_incentivised(api: Api, merchant: MerchantClient) -> None:
    await rate_known(api, merchant)
    await merchant.post_order(
        order_id="A-1001", products=[KNOWN_MUG], customer={"email": "a-1001@example.no"}, discount={"code": "THANKS"}
    )
    [review] = reviews_of(await fetch(api))
    assert review.findtext("is_incentivized_review") == "true"


async def test_feed_of_nobody_is_not_found(api: Api) -> None:
    answer = await read(api, "/nobody/product-reviews.xml")
    assert answer.json() == make_problem("merchant_not_found", 404, "No merchant of that id exists.", request_id=ANY)
    assert answer.headers["cache-control"] == "no-store"


@pytest.fixture
async def busy_api(settings: Settings, clock: Clock) -> AsyncIterator[Api]:
    async with serve(settings.model_copy(update={"visitor_rate_limit": 1}), clock=clock) as api:
        yield api


async def test_too_many_feeds_from_one_address_are_refused(busy_api: Api) -> None:
    await busy_api.make_merchant("gift-shop")
    empty = await fetch(busy_api)
    assert (SCHEMA.faults(empty), [part.tag for part in empty]) == ([], ["version", "publisher"])
    answer = await read(busy_api, FEED)
    assert (answer.status_code, answer.json()["code"]) == (429, "quota_exceeded")
