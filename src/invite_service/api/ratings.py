"""What customers said: one by one with what may be done about it, and averages."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import TypeAdapter
from starlette.responses import Response

from invite_service.api.answers import JsonAnswer
from invite_service.api.bodies import read_body
from invite_service.api.dependencies import RatingId, ReadsRatings, Services, WritesRatings
from invite_service.api.errors import OK
from invite_service.api.idempotency import changing
from invite_service.api.openapi import documented
from invite_service.api.routing import StrictRoute
from invite_service.api.schemas.rating import (
    ListedRatingResponse,
    MoveRequest,
    RatingDetailResponse,
    RatingListParameters,
    RatingListResponse,
    RatingPartsRequest,
    RatingSummaryParameters,
    RatingSummaryResponse,
    RejectRequest,
    ReplyRequest,
    StandingResponse,
)
from invite_service.bootstrap import Factory
from invite_service.domain.publishing import RejectReason

router = APIRouter(tags=["ratings"], route_class=StrictRoute)

_PARTS = TypeAdapter(RatingPartsRequest)
_REJECT = TypeAdapter(RejectRequest)
_MOVE = TypeAdapter(MoveRequest)
_REPLY = TypeAdapter(ReplyRequest)

_CHANGES: dict[str, Any] = {
    "answers": {OK: ListedRatingResponse},
    "problems": ["rating_not_found", "action_refused"],
    "is_keyed": True,
    "scope": "ratings:write",
}
"""What every action answers: the rating as it stands now, or why that cannot be."""

_change = changing(Factory.create_approvals, ListedRatingResponse.of)
_change_reply = changing(Factory.create_replies, ListedRatingResponse.of)


@router.get(
    "/v1/ratings",
    **documented(
        "list_ratings",
        "List ratings with their reviews",
        description="All filters apply together.",
        answers={OK: RatingListResponse},
        problems=["invalid_input"],
        scope="ratings:read",
    ),
)
async def list_ratings(
    caller: ReadsRatings, services: Services, asked: Annotated[RatingListParameters, Query()]
) -> Response:
    page = await services.create_ratings().list_(caller.merchant.id, asked.to_filter(), page=asked.to_page())
    return JsonAnswer(RatingListResponse.of(page, asked))


@router.get(
    "/v1/ratings/summary",
    **documented(
        "get_rating_summary",
        "Sum up all ratings",
        description="Product averages count product ratings only, service ones service ratings only.",
        answers={OK: RatingSummaryResponse},
        problems=["invalid_input"],
        scope="ratings:read",
    ),
)
async def get_rating_summary(
    caller: ReadsRatings, services: Services, asked: Annotated[RatingSummaryParameters, Query()]
) -> Response:
    summary = await services.create_ratings().summary(
        caller.merchant.id, product_ids=asked.product_id or None, created=asked.created()
    )
    return JsonAnswer(RatingSummaryResponse.of(summary))


@router.get(
    "/v1/ratings/{rating_id}",
    **documented(
        "get_rating",
        "Get a rating with its review and what both said before",
        answers={OK: RatingDetailResponse},
        problems=["rating_not_found"],
        scope="ratings:read",
    ),
)
async def get_rating(rating_id: RatingId, caller: ReadsRatings, services: Services) -> Response:
    history = await services.create_ratings().get_history(caller.merchant.id, rating_id)
    return JsonAnswer(RatingDetailResponse.of_history(history))


@router.get(
    "/v1/products/{product_id:path}/summary",
    **documented(
        "get_product_summary",
        "Sum up the ratings of a product",
        description="One that nobody rated has counts of zero.",
        answers={OK: StandingResponse},
        scope="ratings:read",
    ),
)
async def get_product_summary(product_id: str, caller: ReadsRatings, services: Services) -> Response:
    summary = await services.create_ratings().summary(caller.merchant.id, product_ids=[product_id])
    return JsonAnswer(StandingResponse.of(summary.product))


@router.post(
    "/v1/ratings/{rating_id}/publish",
    **documented(
        "publish_rating",
        "Let a rating be seen now",
        description="Stars, review or both; what you held or rejected is not any more. An edit by the customer is "
        "judged anew.",
        takes=RatingPartsRequest,
        **_CHANGES,
    ),
)
async def publish_rating(request: Request, rating_id: RatingId, caller: WritesRatings, services: Services) -> Response:
    chosen = (await _read_parts(request)).chosen()
    return await _change(
        request,
        caller,
        services,
        lambda approvals: approvals.publish(caller.merchant, rating_id, parts=chosen, actor=caller.actor),
    )


@router.post(
    "/v1/ratings/{rating_id}/hold",
    **documented(
        "hold_rating",
        "Keep a rating from being seen for now",
        description="Until you publish or reject it, whatever the customer edits; opens a support case.",
        takes=RatingPartsRequest,
        **_CHANGES,
    ),
)
async def hold_rating(request: Request, rating_id: RatingId, caller: WritesRatings, services: Services) -> Response:
    chosen = (await _read_parts(request)).chosen()
    return await _change(
        request,
        caller,
        services,
        lambda approvals: approvals.hold(caller.merchant, rating_id, parts=chosen, actor=caller.actor),
    )


@router.post(
    "/v1/ratings/{rating_id}/reject",
    **documented(
        "reject_rating",
        "Refuse to show a rating",
        description="Stands whatever the customer edits, and counts in no average. The reason is kept and counted.",
        takes=RejectRequest,
        **_CHANGES,
    ),
)
async def reject_rating(request: Request, rating_id: RatingId, caller: WritesRatings, services: Services) -> Response:
    posted = await read_body(request, _REJECT)
    return await _change(
        request,
        caller,
        services,
        lambda approvals: approvals.reject(
            caller.merchant, rating_id, RejectReason(posted.reason), parts=posted.chosen(), actor=caller.actor
        ),
    )


@router.post(
    "/v1/ratings/{rating_id}/move",
    **documented(
        "move_rating",
        "Let a product's rating that is about the service count for the service",
        takes=MoveRequest,
        **_CHANGES,
    ),
)
async def move_rating(request: Request, rating_id: RatingId, caller: WritesRatings, services: Services) -> Response:
    await read_body(request, _MOVE)
    return await _change(
        request,
        caller,
        services,
        lambda approvals: approvals.move_to_service(caller.merchant, rating_id, actor=caller.actor),
    )


@router.post(
    "/v1/ratings/{rating_id}/reply",
    **documented(
        "reply_to_rating",
        "Reply to a review in public",
        description="Takes the place of an earlier reply. The customer gets a notice of the first text.",
        takes=ReplyRequest,
        **_CHANGES,
    ),
)
async def reply_to_rating(request: Request, rating_id: RatingId, caller: WritesRatings, services: Services) -> Response:
    posted = await read_body(request, _REPLY)
    return await _change_reply(
        request,
        caller,
        services,
        lambda replies: replies.write(caller.merchant, rating_id, posted.text, actor=caller.actor),
    )


@router.delete(
    "/v1/ratings/{rating_id}/reply",
    **documented(
        "withdraw_reply",
        "Take a reply back",
        answers={OK: ListedRatingResponse},
        problems=["rating_not_found"],
        scope="ratings:write",
    ),
)
async def withdraw_reply(rating_id: RatingId, caller: WritesRatings, services: Services) -> Response:
    shown = await services.create_replies().withdraw(caller.merchant, rating_id, actor=caller.actor)
    return JsonAnswer(ListedRatingResponse.of(shown))


async def _read_parts(request: Request) -> RatingPartsRequest:
    """Read which parts are meant; no body means all of them."""
    return await read_body(request, _PARTS) if (await request.body()).strip() else RatingPartsRequest()
