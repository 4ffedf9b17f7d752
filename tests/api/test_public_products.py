"""JSON-LD and badges, as a product's page embeds them."""

import json
from datetime import timedelta
from typing import Any
from unittest.mock import ANY
from xml.etree import ElementTree as ET

import pytest

from invite_service.rendering.colors import SHAPE_CONTRAST, TEXT_CONTRAST, contrast_of
from tests.api.conftest import Api, MerchantClient, make_problem
from tests.api.test_public_reviews import read
from tests.api.test_publishing import MUG, rate

SVG = "{http://www.w3.org/2000/svg}"

KNOWN_MUG = {
    "id": "mug",
    "name": "The mug",
    "url": "https://gifts.example/p/mug",
    "image_url": "https://gifts.example/i/mug.jpg",
    "brand": "Potter & Co",
    "sku": ["M-1"],
    "gtin": "4006381333931",
}


def parse(text: str) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314 - our own answer


async def rate_known(api: Api, merchant: MerchantClient, **changes: Any) -> str:
    """Have the mug rated, and then bought once more with everything that is known of it."""
    [rating_id] = await rate(api, merchant, {**MUG, **changes})
    answer = await merchant.post_order(order_id="A-1001", status="shipped", products=[KNOWN_MUG])
    assert answer["order_id"] == "A-1001"
    return rating_id


async def test_product_is_described_with_its_average_and_reviews(api: Api, merchant: MerchantClient) -> None:
    await rate_known(api, merchant)
    await rate(api, merchant, {"product_id": "mug", "stars": 5}, order_id="B")
    answer = await read(api, "/gift-shop/products/mug/json-ld")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/ld+json")
    assert answer.headers["cache-control"] == "public, max-age=60, stale-while-revalidate=600"
    assert answer.json() == {
        "@context": "https://schema.org",
        "@type": "Product",
        "name": "The mug",
        "url": "https://gifts.example/p/mug",
        "image": "https://gifts.example/i/mug.jpg",
        "brand": {"@type": "Brand", "name": "Potter & Co"},
        "sku": "mug",
        "aggregateRating": {
            "@type": "AggregateRating",
            "ratingValue": 3.5,
            "ratingCount": 2,
            "reviewCount": 1,
            "bestRating": 5,
            "worstRating": 1,
        },
        "review": [
            {
                "@type": "Review",
                "author": {"@type": "Person", "name": "Kari N."},
                "datePublished": "2026-03-02",
                "reviewBody": "Broken.",
                "inLanguage": "nb",
                "reviewRating": {"@type": "Rating", "ratingValue": 2, "bestRating": 5, "worstRating": 1},
            }
        ],
    }
    bare = await read(api, "/gift-shop/products/mug/json-ld", reviews=0)
    assert "review" not in bare.json()


async def test_codes_are_of_what_the_newest_customer_bought(api: Api, merchant: MerchantClient) -> None:
    await rate_known(api, merchant)
    described = (await read(api, "/gift-shop/products/mug/json-ld")).json()
    assert (described["gtin"], described["sku"]) == ("4006381333931", "M-1")


async def test_description_cannot_end_the_script_it_stands_in(api: Api, merchant: MerchantClient) -> None:
    text = "</script><script>alert(1)</script> & <!-- more"
    await rate_known(api, merchant, review={"text": text, "consent": True})
    answer = await read(api, "/gift-shop/products/mug/json-ld")
    assert not set("<>&") & set(answer.text)
    assert json.loads(answer.text)["review"][0]["reviewBody"] == text


async def test_product_that_nobody_rated_has_no_average(api: Api, merchant: MerchantClient) -> None:
    await merchant.post_order(products=[{"id": "tent/2", "name": "The tent"}])
    answer = await read(api, "/gift-shop/products/tent/2/json-ld")
    assert answer.json() == {"@context": "https://schema.org", "@type": "Product", "name": "The tent", "sku": "tent/2"}


async def test_description_that_the_caller_has_is_not_answered_again(api: Api, merchant: MerchantClient) -> None:
    rating_id = await rate_known(api, merchant)
    path = "/gift-shop/products/mug/json-ld"
    headers = {"If-None-Match": (await read(api, path)).headers["etag"]}
    assert (await read(api, path, headers=headers)).status_code == 304
    api.clock.now += timedelta(minutes=1)
    await merchant.post_order(order_id="C", products=[{**KNOWN_MUG, "name": "A better mug"}])
    renamed = await read(api, path, headers=headers)
    assert renamed.json()["name"] == "A better mug"
    headers = {"If-None-Match": renamed.headers["etag"]}
    await merchant.post(f"/v1/ratings/{rating_id}/hold", {"parts": ["stars"]})
    assert "aggregateRating" not in (await read(api, path, headers=headers)).json()


async def test_product_of_no_order_is_not_found(api: Api, merchant: MerchantClient) -> None:
    answer = await read(api, "/gift-shop/products/lamp/json-ld")
    problem = make_problem("product_not_found", 404, "No product of that id is known.", request_id=ANY)
    assert answer.json() == problem
    assert (await read(api, "/nobody/products/lamp/json-ld")).json()["code"] == "merchant_not_found"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("color", ["#ffff00", "#1f4b3f", "#000000"])
async def test_badge_is_seen_whatever_the_merchants_colour(
    api: Api, merchant: MerchantClient, theme: str, color: str
) -> None:
    await rate(api, merchant, MUG, {"product_id": "tent", "stars": 5})
    await rate(api, merchant, {"product_id": "mug", "stars": 5}, order_id="B")
    await merchant.request("PUT", "/v1/branding", json={"primary_color": color}, headers={"If-Match": "*"})
    answer = await read(api, "/gift-shop/products/mug/badge.svg", theme=theme)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/svg+xml")
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert answer.headers["cache-control"] == "public, max-age=60, stale-while-revalidate=600"
    drawn = parse(answer.text)
    assert drawn.attrib["role"] == "img"
    assert drawn.attrib["aria-label"] == drawn.findtext(f"{SVG}title") == "3.5 of 5 stars from 2 ratings"
    assert "".join(drawn.find(f"{SVG}text").itertext()) == "3.5 (2)"  # type: ignore[union-attr]
    background = drawn.find(f"{SVG}rect").attrib["fill"]  # type: ignore[union-attr]
    stars = {path.attrib["stroke"] for path in drawn.iter(f"{SVG}path")}
    inks = {part.attrib["fill"] for tag in ("text", "tspan") for part in drawn.iter(SVG + tag) if "fill" in part.attrib}
    assert all(contrast_of(star, background) >= SHAPE_CONTRAST for star in stars)
    assert all(contrast_of(ink, background) >= TEXT_CONTRAST for ink in inks)
    filled = drawn.find(f"{SVG}g/{SVG}svg")
    assert filled is not None
    assert filled.attrib["width"] == "77.0"
    assert "script" not in answer.text
    assert "id=" not in answer.text


async def test_badge_speaks_the_language_and_follows_the_branding(api: Api, merchant: MerchantClient) -> None:
    path = "/gift-shop/service/badge.svg"
    none = await read(api, path, language="nb-NO")
    assert "Ingen" in parse(none.text).attrib["aria-label"]
    [rating_id] = await rate(api, merchant, {"product_id": "mug", "stars": 4})
    await merchant.post(f"/v1/ratings/{rating_id}/move", {"to": "service"})
    await rate(api, merchant, {"product_id": "mug", "stars": 1}, order_id="B")
    german = await read(api, path, language="de")
    assert parse(german.text).attrib["aria-label"].startswith("4")
    headers = {"If-None-Match": german.headers["etag"]}
    known = await read(api, path, headers=headers, language="de")
    assert (known.status_code, known.headers["content-security-policy"]) == (304, "default-src 'none'; sandbox")
    await merchant.request("PUT", "/v1/branding", json={"primary_color": "#aa0000"}, headers={"If-Match": "*"})
    assert "#aa0000" in (await read(api, path, headers=headers, language="de")).text


async def test_badge_of_no_merchant_is_not_found(api: Api) -> None:
    answer = await read(api, "/nobody/service/badge.svg")
    assert answer.json()["code"] == "merchant_not_found"
