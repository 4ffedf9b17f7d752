"""What is published of a merchant's reviews, for the shop's own pages: without a key, from any site."""

from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from invite_service.api.answers import JSON_TYPE, JsonAnswer, to_json
from invite_service.api.caching import OpenRoute, answer_known, has_known, is_known, kept_headers, write_etag
from invite_service.api.dependencies import factory_of
from invite_service.api.errors import NOT_MODIFIED, OK
from invite_service.api.openapi import documented
from invite_service.api.queries import path_parameters, query_parameters, read_query
from invite_service.api.schemas.public_review import (
    PublicReviewListResponse,
    PublicReviewParameters,
    SummariesParameters,
    SummariesResponse,
)
from invite_service.api.schemas.review_policy import ReviewPolicyParameters, ReviewPolicyResponse
from invite_service.domain.merchant import MerchantId

router = APIRouter(tags=["public reviews"], route_class=OpenRoute)

_MERCHANT: Final = "/public/v1/{merchant_id}"
_PRODUCT: Final = f"{_MERCHANT}/products/{{product_id:path}}"

_KEPT: Final = (
    "May be kept for a minute, and shown for ten more while it is fetched anew; If-None-Match is answered without a "
    "look at the reviews."
)


def _shown(
    operation_id: str, summary: str, *, names: tuple[str, ...], description: str, **options: Any
) -> dict[str, Any]:
    """Say of a route that reads the request itself what it takes and answers."""
    model, query = options["model"], options["query"]
    documentation = documented(
        operation_id,
        summary,
        description=f"{description} {_KEPT}",
        answers={OK: model, NOT_MODIFIED: None},
        problems=["merchant_not_found", "invalid_input"],
        security=None,
    )
    documentation["openapi_extra"]["parameters"] = [*path_parameters(*names), *query_parameters(query)]
    return documentation


@router.get(
    f"{_PRODUCT}/reviews",
    **_shown(
        "list_public_product_reviews",
        "List what is published about a product",
        names=("merchant_id", "product_id"),
        description="Published stars, each with its text where that is published too. All filters apply together.",
        model=PublicReviewListResponse,
        query=PublicReviewParameters,
    ),
)
async def list_public_product_reviews(request: Request) -> Response:
    return await _list(request, request.path_params["product_id"])


@router.get(
    f"{_MERCHANT}/service/reviews",
    **_shown(
        "list_public_service_reviews",
        "List what is published about the service",
        names=("merchant_id",),
        description="Like the list of a product.",
        model=PublicReviewListResponse,
        query=PublicReviewParameters,
    ),
)
async def list_public_service_reviews(request: Request) -> Response:
    return await _list(request, None)


@router.get(
    f"{_MERCHANT}/summaries",
    **_shown(
        "get_public_summaries",
        "Sum up what is published about many products",
        names=("merchant_id",),
        description="For a page that shows many products: each with its average, read from counters.",
        model=SummariesResponse,
        query=SummariesParameters,
    ),
)
async def get_public_summaries(request: Request) -> Response:
    product_ids = list(dict.fromkeys(read_query(request, SummariesParameters).product_id))
    standings = await factory_of(request).create_public_reviews().standings(_merchant_of(request), product_ids)
    etag = write_etag([standings[product_id].version for product_id in product_ids])
    if is_known(request, etag):
        return answer_known(etag)
    return JsonAnswer(SummariesResponse.of(standings, product_ids), headers=kept_headers(etag))


@router.get(
    f"{_MERCHANT}/review-policy",
    **_shown(
        "get_review_policy",
        "Tell how reviews are collected and checked",
        names=("merchant_id",),
        description="Made of what is configured and counted, and nothing else; the page `/p/{merchant}/review-policy` "
        "says the same to people.",
        model=ReviewPolicyResponse,
        query=ReviewPolicyParameters,
    ),
)
async def get_review_policy(request: Request) -> Response:
    language = read_query(request, ReviewPolicyParameters).to_language()
    view = await factory_of(request).create_review_policy().get(_merchant_of(request))
    policy = to_json(ReviewPolicyResponse.of(view, language))
    etag = write_etag(policy.decode())
    if is_known(request, etag):
        return answer_known(etag)
    return Response(policy, media_type=JSON_TYPE, headers=kept_headers(etag))


async def _list(request: Request, product_id: str | None) -> Response:
    asked = read_query(request, PublicReviewParameters)
    chosen, wanted = asked.to_filter(), asked.to_page()
    merchant_id, reviews = _merchant_of(request), factory_of(request).create_public_reviews()
    if has_known(request):
        etag = write_etag((await reviews.standing(merchant_id, product_id)).version)
        if is_known(request, etag):
            return answer_known(etag)
    standing, page = await reviews.list_with_standing(
        merchant_id, product_id, chosen, sorting=asked.sorting, page=wanted
    )
    headers = kept_headers(write_etag(standing.version))
    return JsonAnswer(PublicReviewListResponse.of(standing, page, asked), headers=headers)


def _merchant_of(request: Request) -> MerchantId:
    return MerchantId(request.path_params["merchant_id"])
