"""Google's product-review feed, version 2.4 (https://developers.google.com/product-review-feeds/schema).

Elements stand in the order and number that page gives, and as the schema that Google published with version 2.2 has
them where the page is silent. The feed is always whole: a review that is not in the next one
is deleted there, so nothing tells of deleted ones.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from html import escape
from typing import Final

from invite_service.domain.merchant import Merchant
from invite_service.domain.product_feed import FeedReview
from invite_service.rendering.cleaning import one_line, web_address
from invite_service.rendering.texts import available_language, texts_of
from invite_service.rules.feedback import HIGHEST_STARS, LOWEST_STARS

FEED_VERSION: Final = "2.4"

_SCHEMA: Final = f"http://www.google.com/shopping/reviews/schema/product/{FEED_VERSION}/product_reviews.xsd"

_NAME_LIMIT: Final = 200
"""Characters of a name of a merchant, a product or a brand."""

_TRANSACTION_BYTES: Final = 16

_GTIN_LENGTHS: Final = frozenset({8, 12, 13, 14})

_NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML 1.0 document may hold, not even as a reference (https://www.w3.org/TR/xml/#charsets)."""

_ADDRESS: Final = re.compile(r"https?://\S+\.\S+")
"""What the schema takes for an address: one with a dot in it."""


class FeedWriter:
    """Writes one feed, part by part. Reviews stand in an element that must not be there without any."""

    def __init__(self, merchant: Merchant, *, pictures_url: str) -> None:
        """Make it; `pictures_url` is where the merchant's published pictures are, with a slash at its end."""
        self._merchant = merchant
        self._pictures_url = pictures_url
        self._has_reviews = False

    def begin(self) -> bytes:
        """Write what comes before the reviews; the merchant is who publishes them."""
        name = one_line(self._merchant.name, limit=_NAME_LIMIT) or self._merchant.id
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<feed xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
            f'xsi:noNamespaceSchemaLocation="{_SCHEMA}">\n'
            f"{_text('version', FEED_VERSION)}{_in('publisher', _text('name', name))}\n"
        ).encode()

    def write(self, reviews: Iterable[FeedReview]) -> bytes:
        """Write reviews; those of a product without an address are left out, as the feed cannot tell of them."""
        written = "".join(
            _write(review, address, self._pictures_url)
            for review in reviews
            if (address := _address_of(review)) is not None and _clean(review.text)
        )
        if not written:
            return b""
        opening = "" if self._has_reviews else "<reviews>\n"
        self._has_reviews = True
        return f"{opening}{written}".encode()

    def end(self) -> bytes:
        """Write what comes after the reviews."""
        return b"</reviews>\n</feed>\n" if self._has_reviews else b"</feed>\n"


def _address_of(review: FeedReview) -> str | None:
    address = web_address(review.product_url)
    return address if address is not None and _ADDRESS.fullmatch(address) else None


def _write(review: FeedReview, address: str, pictures_url: str) -> str:
    pictures = [
        _in("reviewer_image", _text("url", address_of_picture))
        for picture in review.picture_ids
        if _ADDRESS.fullmatch(address_of_picture := f"{pictures_url}{picture}")
    ]
    is_named = bool(one_line(review.displayed_name, limit=_NAME_LIMIT))
    stars = f'<overall min="{LOWEST_STARS}" max="{HIGHEST_STARS}">{review.stars}</overall>'
    parts = [
        _text("review_id", str(review.id)),
        _in("reviewer", _name(review, is_named=is_named)),
        # Only what was bought can be rated.
        _text("is_verified_purchase", "true"),
        _text("is_incentivized_review", "true" if review.has_voucher else "false"),
        _text("review_timestamp", _instant(review.created_at)),
        _text("content", review.text.strip()),
        _text("review_language", review.language),
        # The page of the product, on which the shop shows its reviews together.
        f'<review_url type="group">{escape(address)}</review_url>',
        _in("reviewer_images", *pictures),
        _in("ratings", stars),
        _in("products", _in("product", *_product(review, address))),
        _text("is_spam", "false"),
        _text("collection_method", "post_fulfillment"),
        # It tells which reviews one customer wrote, which those do not want who show no name.
        _text("transaction_id", _transaction(review)) if is_named else "",
    ]
    return f"<review>{''.join(parts)}</review>\n"


def _name(review: FeedReview, *, is_named: bool) -> str:
    if is_named:
        return _text("name", one_line(review.displayed_name, limit=_NAME_LIMIT))
    anonymous = texts_of(available_language(review.language))("review_anonymous")
    return f'<name is_anonymous="true">{escape(anonymous)}</name>'


def _product(review: FeedReview, address: str) -> Iterator[str]:
    brand = one_line(review.brand, limit=_NAME_LIMIT)
    skus = _distinct(sku for codes in review.codes for sku in codes.skus) or [review.product_id]
    # Google recognises a product by its maker's number only together with the brand.
    mpns = _distinct(codes.mpn for codes in review.codes) if brand else []
    yield _in(
        "product_ids",
        _list("gtin", _distinct(_gtin(codes.gtin) for codes in review.codes)),
        _list("mpn", mpns),
        _list("sku", skus),
        _list("brand", [brand] if brand else []),
    )
    name = one_line(review.product_name, limit=_NAME_LIMIT)
    yield _text("product_name", name) if name else ""
    yield _text("product_url", address)


def _gtin(code: str | None) -> str | None:
    """Give the digits of a code that is a GTIN by its length and check digit (GS1), else None."""
    digits = re.sub(r"[\s-]", "", code or "")
    if not (digits.isascii() and digits.isdecimal() and len(digits) in _GTIN_LENGTHS and digits.strip("0")):
        return None
    weighed = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(reversed(digits)))
    return digits if weighed % 10 == 0 else None


def _transaction(review: FeedReview) -> str:
    """Name a purchase without telling the shop's number of it."""
    return hashlib.blake2b(review.invitation_id.bytes, digest_size=_TRANSACTION_BYTES).hexdigest()


def _distinct(codes: Iterable[str | None]) -> list[str]:
    return list(dict.fromkeys(clean for code in codes if code is not None and (clean := _clean(code))))


def _list(name: str, codes: Iterable[str]) -> str:
    return _in(f"{name}s", *(_text(name, code) for code in codes))


def _in(name: str, *parts: str) -> str:
    """Write an element of parts, or nothing where there are none."""
    inside = "".join(parts)
    return f"<{name}>{inside}</{name}>" if inside else ""


def _text(name: str, text: str) -> str:
    return f"<{name}>{escape(_clean(text), quote=False)}</{name}>"


def _clean(text: str) -> str:
    return _NOT_XML.sub("", text).strip()


def _instant(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
