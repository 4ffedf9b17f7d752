"""What search engines read of a product on the shop's own page: JSON-LD in the words of schema.org.

Of a product alone: search engines ask that a shop does not mark up ratings of itself that it collects and shows itself
(https://developers.google.com/search/docs/appearance/structured-data/review-snippet).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from invite_service.domain.public_review import ProductFacts, PublicReview
from invite_service.rendering.cleaning import picture_address, web_address
from invite_service.rendering.texts import available_language, texts_of
from invite_service.rules.averages import PublicStanding
from invite_service.rules.feedback import HIGHEST_STARS, LOWEST_STARS

_CONTEXT: Final = "https://schema.org"
_SCALE: Final = {"bestRating": HIGHEST_STARS, "worstRating": LOWEST_STARS}


def describe_product(
    product: ProductFacts, standing: PublicStanding, reviews: Iterable[PublicReview]
) -> Mapping[str, Any]:
    """Describe a product with its average and those of the reviews that have a text.

    What nobody rated has neither: a rating of nothing is refused.
    """
    described: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "Product",
        "name": product.name or product.product_id,
        "url": web_address(product.url),
        "image": picture_address(product.image_url),
        "brand": {"@type": "Brand", "name": product.brand} if product.brand else None,
        "gtin": product.gtin,
        "mpn": product.mpn,
        "sku": _first(product.skus) or product.product_id,
    }
    if standing.stars.rating_count:
        described["aggregateRating"] = {
            "@type": "AggregateRating",
            "ratingValue": standing.stars.average,
            "ratingCount": standing.stars.rating_count,
            **({"reviewCount": standing.texts.rating_count} if standing.texts.rating_count else {}),
            **_SCALE,
        }
    written = [_describe_review(review) for review in reviews if review.text is not None]
    if written:
        described["review"] = written
    return {name: value for name, value in described.items() if value is not None}


def _describe_review(review: PublicReview) -> Mapping[str, Any]:
    language = available_language(review.language or "")
    return {
        "@type": "Review",
        "author": {"@type": "Person", "name": review.displayed_name or texts_of(language)("review_anonymous")},
        "datePublished": review.created_at.date().isoformat(),
        "reviewBody": review.text,
        "inLanguage": review.language,
        "reviewRating": {"@type": "Rating", "ratingValue": review.stars, **_SCALE},
    }


def _first(texts: Iterable[str]) -> str | None:
    return next(iter(texts), None)


def to_script(document: bytes) -> bytes:
    """Make JSON safe to stand in a script element: what could end the element is written as an escape."""
    for sign, escape in _ESCAPES:
        document = document.replace(sign, escape)
    return document


_ESCAPES: Final[Sequence[tuple[bytes, bytes]]] = (
    (b"<", b"\\u003c"),
    (b">", b"\\u003e"),
    (b"&", b"\\u0026"),
)
"""All of these stand in texts only."""
