"""Support cases: customers who were not content."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from invite_service.api.answers import JsonAnswer
from invite_service.api.bodies import read_nothing
from invite_service.api.dependencies import ReadsRatings, Services, SupportCaseId, WritesRatings
from invite_service.api.errors import OK
from invite_service.api.idempotency import changing
from invite_service.api.openapi import documented
from invite_service.api.routing import StrictRoute
from invite_service.api.schemas.support import (
    SupportCaseListParameters,
    SupportCaseListResponse,
    SupportCaseResponse,
)
from invite_service.bootstrap import Factory

router = APIRouter(tags=["ratings"], route_class=StrictRoute)

_CHANGES: dict[str, Any] = {
    "answers": {OK: SupportCaseResponse},
    "problems": ["support_case_not_found"],
    "is_keyed": True,
    "scope": "ratings:write",
}

_change = changing(Factory.create_support_cases, SupportCaseResponse.of)


@router.get(
    "/v1/support-cases",
    **documented(
        "list_support_cases",
        "List support cases",
        answers={OK: SupportCaseListResponse},
        problems=["invalid_input"],
        scope="ratings:read",
    ),
)
async def list_support_cases(
    caller: ReadsRatings, services: Services, asked: Annotated[SupportCaseListParameters, Query()]
) -> Response:
    page = await services.create_support_cases().list_(caller.merchant, is_open=asked.is_open, page=asked.to_page())
    return JsonAnswer(SupportCaseListResponse.of(page, asked))


@router.post(
    "/v1/support-cases/{case_id}/follow-up",
    **documented("follow_up_support_case", "Note that somebody got in touch with the customer", **_CHANGES),
)
async def follow_up_support_case(
    request: Request, case_id: SupportCaseId, caller: WritesRatings, services: Services
) -> Response:
    await read_nothing(request)
    return await _change(
        request, caller, services, lambda cases: cases.follow_up(caller.merchant, case_id, actor=caller.actor)
    )


@router.post(
    "/v1/support-cases/{case_id}/close",
    **documented("close_support_case", "Close a case", description="What it is about stands as it did.", **_CHANGES),
)
async def close_support_case(
    request: Request, case_id: SupportCaseId, caller: WritesRatings, services: Services
) -> Response:
    await read_nothing(request)
    return await _change(
        request, caller, services, lambda cases: cases.close(caller.merchant, case_id, actor=caller.actor)
    )
