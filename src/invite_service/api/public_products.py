"""What is published, in forms that others show: JSON-LD for search engines, and a badge with stars."""

from collections.abc import Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from invite_service.api.answers import to_json
from invite_service.api.caching import OpenRoute, answer_known, is_known, kept_headers, write_etag
from invite_service.api.dependencies import Services
from invite_service.api.errors import NOT_MODIFIED
from invite_service.api.openapi import answering, documented
from invite_service.api.schemas.public_review import BadgeParameters, JsonLdParameters
from invite_service.domain.merchant import MerchantId
from invite_service.domain.public_review import PublicFilter, PublicReview, ReviewSorting
from invite_service.rendering.badges import BADGE_POLICY, draw_badge
from invite_service.rendering.structured_data import describe_product, to_script
from invite_service.services.paging import PageRequest

router = APIRouter(tags=["public reviews"], route_class=OpenRoute)

JSON_LD_TYPE: Final = "application/ld+json"
SVG_TYPE: Final = "image/svg+xml"

_BADGE_HEADERS: Final = {
    "Content-Security-Policy": BADGE_POLICY,
    "Cross-Origin-Resource-Policy": "cross-origin",
    "X-Content-Type-Options": "nosniff",
}


def _kept(content_type: str, *, schema: str = "string") -> dict[str, Any]:
    """Say of a route what it answers, or that the caller has it already."""
    responses = answering(content_type, schema=schema)["responses"]
    return {"responses": {**responses, NOT_MODIFIED: {"description": "Not Modified"}}}


_BADGE: Final[dict[str, Any]] = {
    "description": "Five stars in your colour, mended where they could not be seen, the average and how many ratings "
    "it is of; for an img element. Its alternative text is the title inside.",
    "problems": ["merchant_not_found", "invalid_input"],
    "security": None,
}


@router.get(
    "/public/v1/{merchant_id}/products/{product_id:path}/json-ld",
    **documented(
        "get_product_json_ld",
        "Describe a product to search engines",
        description="A schema.org Product with its average and newest reviews, safe to stand in a script element of "
        "the product's page as it is. There is none for the shop itself: search engines ask for that.",
        problems=["merchant_not_found", "product_not_found", "invalid_input"],
        security=None,
    )
    | _kept(JSON_LD_TYPE, schema="object"),
)
async def get_product_json_ld(
    merchant_id: str,
    product_id: str,
    request: Request,
    services: Services,
    asked: Annotated[JsonLdParameters, Query()],
) -> Response:
    reviews, merchant = services.create_public_reviews(), MerchantId(merchant_id)
    standing = await reviews.standing(merchant, product_id)
    product = await reviews.product(merchant, product_id)
    etag = write_etag(standing.version, product.updated_at)
    if is_known(request, etag):
        return answer_known(etag)
    newest: Sequence[PublicReview] = ()
    if asked.reviews and standing.texts.rating_count:
        with_text, wanted = PublicFilter(has_text=True), PageRequest(limit=asked.reviews)
        page = await reviews.list_(merchant, product_id, with_text, sorting=ReviewSorting.NEWEST, page=wanted)
        newest = page.items
    described = describe_product(product, standing, newest)
    return Response(to_script(to_json(described)), media_type=JSON_LD_TYPE, headers=kept_headers(etag))


@router.get(
    "/public/v1/{merchant_id}/products/{product_id:path}/badge.svg",
    **documented("get_product_badge", "Draw a badge with a product's stars", **_BADGE) | _kept(SVG_TYPE),
)
async def get_product_badge(
    merchant_id: str,
    product_id: str,
    request: Request,
    services: Services,
    asked: Annotated[BadgeParameters, Query()],
) -> Response:
    return await _draw(MerchantId(merchant_id), product_id, request, services, asked)


@router.get(
    "/public/v1/{merchant_id}/service/badge.svg",
    **documented("get_service_badge", "Draw a badge with the service's stars", **_BADGE) | _kept(SVG_TYPE),
)
async def get_service_badge(
    merchant_id: str, request: Request, services: Services, asked: Annotated[BadgeParameters, Query()]
) -> Response:
    return await _draw(MerchantId(merchant_id), None, request, services, asked)


async def _draw(
    merchant_id: MerchantId, product_id: str | None, request: Request, services: Services, asked: BadgeParameters
) -> Response:
    reviews = services.create_public_reviews()
    standing = await reviews.standing(merchant_id, product_id)
    branding = await reviews.branding(merchant_id)
    etag = write_etag(list(standing.stars), branding.version)
    if is_known(request, etag):
        return answer_known(etag, **_BADGE_HEADERS)
    badge = draw_badge(standing.stars, branding, theme=asked.to_theme(), language=asked.to_language())
    return Response(badge, media_type=SVG_TYPE, headers={**kept_headers(etag), **_BADGE_HEADERS})
