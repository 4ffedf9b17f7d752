"""Notices: messages that follow a customer's answer, and what an operator may do about them."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from invite_service.api.answers import JsonAnswer
from invite_service.api.bodies import read_nothing
from invite_service.api.dependencies import NoticeId, OperatesInvitations, Services
from invite_service.api.errors import OK
from invite_service.api.idempotency import changing
from invite_service.api.openapi import documented
from invite_service.api.routing import StrictRoute
from invite_service.api.schemas.notice import NoticeListParameters, NoticeListResponse, NoticeResponse
from invite_service.bootstrap import Factory

router = APIRouter(tags=["notices"], route_class=StrictRoute)

_CHANGES: dict[str, Any] = {
    "answers": {OK: NoticeResponse},
    "problems": ["notice_not_found", "action_refused"],
    "is_keyed": True,
    "scope": "invitations:operate",
}
"""What every action answers: the notice's new state, or why its state does not allow it."""

_change = changing(Factory.create_notice_settling, NoticeResponse.of)


@router.get(
    "/v1/notices",
    **documented(
        "list_notices",
        "List notices",
        description="Replies, vouchers, support's help and its alerts; `status=in_doubt` those of which nobody knows "
        "whether they left.",
        answers={OK: NoticeListResponse},
        problems=["invalid_input"],
        scope="invitations:operate",
    ),
)
async def list_notices(
    caller: OperatesInvitations, services: Services, asked: Annotated[NoticeListParameters, Query()]
) -> Response:
    notices = services.create_notice_settling()
    page = await notices.list_(caller.merchant, status=asked.status, page=asked.to_page())
    return JsonAnswer(NoticeListResponse.of(page, asked))


@router.get(
    "/v1/notices/{notice_id}",
    **documented(
        "get_notice",
        "Get a notice",
        answers={OK: NoticeResponse},
        problems=["notice_not_found"],
        scope="invitations:operate",
    ),
)
async def get_notice(notice_id: NoticeId, caller: OperatesInvitations, services: Services) -> Response:
    return JsonAnswer(NoticeResponse.of(await services.create_notice_settling().get(caller.merchant, notice_id)))


@router.post(
    "/v1/notices/{notice_id}/retry",
    **documented(
        "retry_notice",
        "Try a notice again",
        description="For one that is in doubt or has failed; refused where it is not to be sent any more. It keeps its "
        "Message-ID and its key.",
        **_CHANGES,
    ),
)
async def retry_notice(
    request: Request, notice_id: NoticeId, caller: OperatesInvitations, services: Services
) -> Response:
    await read_nothing(request)
    return await _change(
        request, caller, services, lambda notices: notices.retry(caller.merchant, notice_id, actor=caller.actor)
    )


@router.post(
    "/v1/notices/{notice_id}/mark-sent",
    **documented("mark_notice_sent", "Settle a notice in doubt as sent", **_CHANGES),
)
async def mark_notice_sent(
    request: Request, notice_id: NoticeId, caller: OperatesInvitations, services: Services
) -> Response:
    await read_nothing(request)
    return await _change(
        request, caller, services, lambda notices: notices.mark_sent(caller.merchant, notice_id, actor=caller.actor)
    )
