"""Google's product-review feed, streamed: however many reviews there are, some at a time are in memory."""

from collections.abc import AsyncIterator
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from invite_service.api.caching import OpenRoute
from invite_service.api.dependencies import Services
from invite_service.api.openapi import answering, documented
from invite_service.api.rate_limits import count_visitor
from invite_service.domain.merchant import MerchantId
from invite_service.rendering.product_feed import FeedWriter

router = APIRouter(tags=["public reviews"], route_class=OpenRoute)

KEPT_FOR: Final = "public, max-age=3600"
"""Google asks once a day; what stands before this service may answer everybody else for an hour."""

_XML_TYPE: Final = "application/xml"
_HEADERS: Final = {"Cache-Control": KEPT_FOR, "X-Content-Type-Options": "nosniff"}


@router.get(
    "/public/v1/{merchant_id}/product-reviews.xml",
    **documented(
        "get_product_review_feed",
        "Tell Google of the reviews of products",
        description="The whole product-review feed, version 2.4: every published text about a product whose address "
        "is known. What is not in it any more, Google deletes. It may be kept for an hour; from one address only so "
        "many are answered in a minute.",
        problems=["merchant_not_found", "invalid_input", "quota_exceeded"],
        security=None,
    )
    | answering(_XML_TYPE),
)
async def get_product_review_feed(merchant_id: str, request: Request, services: Services) -> Response:
    count_visitor(request, services)
    feed = services.create_product_feed()
    merchant = await feed.merchant(MerchantId(merchant_id))
    writer = FeedWriter(merchant, pictures_url=services.address_of(f"/public/v1/{merchant.id}/pictures/"))
    parts = feed.read(merchant.id)
    # Read here, so that a database that is away is still answered with a problem.
    first = await anext(parts)

    async def stream() -> AsyncIterator[bytes]:
        yield writer.begin() + writer.write(first)
        async for reviews in parts:
            yield writer.write(reviews)
        yield writer.end()

    return StreamingResponse(stream(), media_type=f"{_XML_TYPE}; charset=utf-8", headers=_HEADERS)
