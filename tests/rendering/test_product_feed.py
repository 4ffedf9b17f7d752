"""What the product-review feed makes of texts and codes that were not written for it."""

from pathlib import Path
from typing import Any
from uuid import UUID
from xml.etree import ElementTree as ET

import pytest

from invite_service.domain.product_feed import BoughtCodes, FeedReview
from invite_service.rendering.product_feed import FeedWriter
from tests.support.builders import NOON, make_merchant
from tests.support.schemas import Schema

SCHEMA = Schema(Path(__file__).parents[1] / "data" / "product_reviews.xsd")


def make_review(**changes: Any) -> FeedReview:
    fields: dict[str, Any] = {
        "id": UUID(int=1),
        "invitation_id": UUID(int=2),
        "product_id": "mug",
        "stars": 5,
        "created_at": NOON,
        "text": "Nice.",
        "displayed_name": "Kari N.",
        "language": "nb",
        "picture_ids": (),
        "has_voucher": False,
        "product_name": "The mug",
        "product_url": "https://gifts.example/p/mug",
        "brand": "Potter",
        "codes": (),
    }
    return FeedReview(**fields | changes)


def write(*reviews: FeedReview, pictures_url: str = "https://api.example/pictures/") -> list[ET.Element]:
    writer = FeedWriter(make_merchant(), pictures_url=pictures_url)
    feed = ET.fromstring(writer.begin() + writer.write(reviews) + writer.end())  # noqa: S314 - our own
    assert SCHEMA.faults(feed) == []
    return feed.findall("reviews/review")


def codes_of(review: ET.Element, name: str) -> list[str | None]:
    return [code.text for code in review.findall(f"products/product/product_ids/{name}s/{name}")]


@pytest.mark.parametrize("text", ["</content><script>", "]]>", "&amp; &#0;", "\x0b\x1fa\ufffe\uffff", "a\x00b", "👩‍🚀"])
def test_any_text_stands_in_the_document_as_it_is(text: str) -> None:
    [review] = write(make_review(text=text, product_name=text, brand=text, displayed_name=text))
    kept = "".join(sign for sign in text if sign.isprintable() or sign == "‍")
    assert review.findtext("content") == kept


@pytest.mark.parametrize("text", ["", " \n", "\x0b"])
def test_review_of_which_no_text_is_left_is_not_told(text: str) -> None:
    assert write(make_review(text=text)) == []


def test_feed_of_several_parts_has_its_reviews_in_one_place() -> None:
    writer = FeedWriter(make_merchant(), pictures_url="https://api.example/pictures/")
    parts = [writer.write([]), writer.write([make_review()]), writer.write([]), writer.write([make_review()])]
    feed = ET.fromstring(writer.begin() + b"".join(parts) + writer.end())  # noqa: S314 - our own
    assert (SCHEMA.faults(feed), len(feed.findall("reviews/review"))) == ([], 2)


def test_picture_at_an_address_that_google_does_not_take_is_left_out() -> None:
    pictures = (UUID(int=1),)
    [review] = write(make_review(picture_ids=pictures), pictures_url="http://localhost/pictures/")
    assert review.find("reviewer_images") is None
    [review] = write(make_review(picture_ids=pictures))
    assert review.findtext("reviewer_images/reviewer_image/url") == f"https://api.example/pictures/{UUID(int=1)}"


@pytest.mark.parametrize(
    "url", [None, "", "javascript:alert(1)", "/p/mug", "ftp://gifts.example/mug", "http://localhost/mug"]
)
def test_product_without_a_web_address_is_not_told(url: str | None) -> None:
    assert write(make_review(product_url=url)) == []


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("4006381333931", "4006381333931"),
        ("400-6381 333931", "4006381333931"),
        ("96385074", "96385074"),
        ("036000291452", "036000291452"),
        ("4006381333932", None),
        ("00000000", None),
        ("123", None),
        ("M-1", None),
        ("٤٠٠٦٣٨١٣٣٣٩٣١", None),
        (None, None),
    ],
)
def test_only_codes_with_a_right_check_digit_are_told_as_gtins(code: str | None, told: str | None) -> None:
    [review] = write(make_review(codes=[BoughtCodes(gtin=code, mpn=None, skus=())]))
    assert codes_of(review, "gtin") == ([told] if told else [])


def test_codes_of_several_lines_are_each_told_once() -> None:
    lines = [
        BoughtCodes(gtin="4006381333931", mpn="P-1", skus=("red", "small")),
        BoughtCodes(gtin="4006381333931", mpn=None, skus=("blue", "small")),
    ]
    [review] = write(make_review(codes=lines))
    found = {name: codes_of(review, name) for name in ("gtin", "mpn", "sku", "brand")}
    assert found == {"gtin": ["4006381333931"], "mpn": ["P-1"], "sku": ["red", "small", "blue"], "brand": ["Potter"]}


def test_product_is_known_by_the_shops_id_where_no_line_tells_of_a_sku() -> None:
    [review] = write(make_review(product_id="tent/2"))
    assert codes_of(review, "sku") == ["tent/2"]


def test_makers_number_without_a_brand_is_not_told() -> None:
    [review] = write(make_review(brand=None, codes=[BoughtCodes(gtin=None, mpn="P-1", skus=())]))
    assert (codes_of(review, "mpn"), codes_of(review, "brand")) == ([], [])


def test_pictures_are_told_by_their_address() -> None:
    [review] = write(make_review(picture_ids=(UUID(int=7), UUID(int=8))))
    urls = [url.text for url in review.findall("reviewer_images/reviewer_image/url")]
    assert urls == [f"https://api.example/pictures/{UUID(int=number)}" for number in (7, 8)]


def test_reviews_of_one_purchase_share_its_name() -> None:
    one, other, elsewhere = write(
        make_review(), make_review(id=UUID(int=3), product_id="lamp"), make_review(invitation_id=UUID(int=9))
    )
    assert one.findtext("transaction_id") == other.findtext("transaction_id") != elsewhere.findtext("transaction_id")
