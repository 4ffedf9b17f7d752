"""The merchant's own timeline."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from invite_service.api.answers import JsonAnswer
from invite_service.api.dependencies import ReadsTimeline, Services
from invite_service.api.errors import OK
from invite_service.api.openapi import documented
from invite_service.api.routing import StrictRoute
from invite_service.api.schemas.merchant_timeline import TimelineListParameters, TimelineListResponse

router = APIRouter(tags=["timeline"], route_class=StrictRoute)


@router.get(
    "/v1/timeline",
    **documented(
        "list_timeline",
        "List what was done to settings, channels and suppressions",
        description="Who did what, when and why, where it is of no order and no invitation: the timeline of these "
        "stands in `GET /v1/orders/{order_id}` and `GET /v1/invitations/{invitation_id}`.",
        answers={OK: TimelineListResponse},
        problems=["invalid_input"],
        scope="timeline:read",
    ),
)
async def list_timeline(
    caller: ReadsTimeline, services: Services, asked: Annotated[TimelineListParameters, Query()]
) -> Response:
    page = await services.create_timeline().list_(caller.merchant, asked.to_filter(), page=asked.to_page())
    return JsonAnswer(TimelineListResponse.of(page, asked))
