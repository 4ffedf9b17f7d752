"""What visitors of a shop say about its reviews, without a key and from any site, and what of it the merchant reads.

Nothing is known of a visitor but where the request comes from: the connection's own address, or what a proxy that the
settings trust says of it.
"""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from pydantic import TypeAdapter
from starlette.responses import Response

from invite_service.api.answers import JsonAnswer
from invite_service.api.bodies import read_body
from invite_service.api.caching import NOT_KEPT, OpenRoute
from invite_service.api.dependencies import RatingId, ReadsRatings, Services
from invite_service.api.errors import NO_CONTENT, OK
from invite_service.api.openapi import documented
from invite_service.api.rate_limits import count_visitor
from invite_service.api.routing import StrictRoute
from invite_service.api.schemas.public_review import VotesResponse
from invite_service.api.schemas.visitor import ReportListParameters, ReportListResponse, ReportRequest, VoteRequest
from invite_service.domain.merchant import MerchantId
from invite_service.domain.publishing import RejectReason

router = APIRouter(tags=["public reviews"], route_class=OpenRoute)
merchant_router = APIRouter(tags=["ratings"], route_class=StrictRoute)

_REVIEW: Final = "/public/v1/{merchant_id}/reviews/{rating_id}"

_VOTE = TypeAdapter(VoteRequest)
_REPORT = TypeAdapter(ReportRequest)

_PREFLIGHT: Final = {
    "Access-Control-Allow-Methods": "POST",
    "Access-Control-Allow-Headers": "Content-Type",
    "Access-Control-Max-Age": "86400",
}

_PROBLEMS: Final = ("merchant_not_found", "rating_not_found", "quota_exceeded", "busy")


@router.post(
    f"{_REVIEW}/votes",
    **documented(
        "vote_on_review",
        "Say whether a review helped",
        description="One word a visitor, who may change it. From one address only so many are taken in a minute, and "
        "of one review only ten a day.",
        takes=VoteRequest,
        answers={OK: VotesResponse},
        problems=_PROBLEMS,
        security=None,
    ),
)
async def vote_on_review(merchant_id: str, rating_id: RatingId, request: Request, services: Services) -> Response:
    address = count_visitor(request, services)
    posted = await read_body(request, _VOTE)
    votes = await services.create_visitors().vote(
        MerchantId(merchant_id), rating_id, visitor=posted.visitor, address=address, is_helpful=posted.helpful
    )
    shaped = VotesResponse(helpful=votes.helpful, not_helpful=votes.unhelpful)
    return JsonAnswer(shaped, headers={"Cache-Control": NOT_KEPT})


@router.post(
    f"{_REVIEW}/reports",
    **documented(
        "report_review",
        "Report what is wrong with a review",
        description="Somebody looks at it; until then it stays where it is. One report a visitor; from one address "
        "three of one review a day.",
        takes=ReportRequest,
        answers={NO_CONTENT: None},
        problems=_PROBLEMS,
        security=None,
    ),
)
async def report_review(merchant_id: str, rating_id: RatingId, request: Request, services: Services) -> Response:
    address = count_visitor(request, services)
    posted = await read_body(request, _REPORT)
    await services.create_visitors().report(
        MerchantId(merchant_id),
        rating_id,
        RejectReason(posted.reason),
        comment=posted.comment,
        visitor=posted.visitor,
        address=address,
    )
    return Response(status_code=NO_CONTENT, headers={"Cache-Control": NOT_KEPT})


@router.options(f"{_REVIEW}/votes", include_in_schema=False)
@router.options(f"{_REVIEW}/reports", include_in_schema=False)
async def allow_any_site(merchant_id: str, rating_id: str) -> Response:
    return Response(status_code=NO_CONTENT, headers=_PREFLIGHT)


@merchant_router.get(
    "/v1/review-reports",
    **documented(
        "list_review_reports",
        "List what visitors reported",
        description="A report opens a support case and does nothing else: `POST /v1/ratings/{id}/reject` takes the "
        "review away, where there is a reason to.",
        answers={OK: ReportListResponse},
        problems=["invalid_input"],
        scope="ratings:read",
    ),
)
async def list_review_reports(
    caller: ReadsRatings, services: Services, asked: Annotated[ReportListParameters, Query()]
) -> Response:
    page = await services.create_visitors().list_reports(
        caller.merchant.id, rating_id=asked.rating_id, page=asked.to_page()
    )
    return JsonAnswer(ReportListResponse.of(page, asked))
