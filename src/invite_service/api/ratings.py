"""Averages of what customers said."""

from fastapi import APIRouter
from starlette.responses import Response

from invite_service.api.answers import JsonAnswer
from invite_service.api.dependencies import ReadsRatings, Services
from invite_service.api.errors import OK
from invite_service.api.openapi import documented
from invite_service.api.routing import StrictRoute
from invite_service.api.schemas.rating import RatingSummaryResponse

router = APIRouter(tags=["ratings"], route_class=StrictRoute)


@router.get(
    "/v1/ratings/summary",
    **documented(
        "get_rating_summary",
        "Sum up all ratings",
        description="Product averages count product ratings only, service ones service ratings only.",
        answers={OK: RatingSummaryResponse},
        scope="ratings:read",
    ),
)
async def get_rating_summary(caller: ReadsRatings, services: Services) -> Response:
    return JsonAnswer(RatingSummaryResponse.of(await services.create_ratings().summary(caller.merchant.id)))
