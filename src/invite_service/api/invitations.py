"""What was planned and sent, and what may be done about it."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from invite_service.api.answers import JsonAnswer
from invite_service.api.bodies import read_body, read_nothing
from invite_service.api.dependencies import (
    InvitationId,
    OperatesInvitations,
    ReadsInvitations,
    Services,
    WritesInvitations,
    authorise,
    factory_of,
)
from invite_service.api.errors import OK
from invite_service.api.idempotency import changing
from invite_service.api.openapi import documented
from invite_service.api.queries import query_parameters, read_query
from invite_service.api.routing import StrictRoute
from invite_service.api.schemas.invitation import RESCHEDULE, InvitationResponse, RescheduleRequest
from invite_service.api.schemas.invitation_detail import InvitationDetailResponse
from invite_service.api.schemas.listing import InvitationChoice, InvitationListParameters, InvitationListResponse
from invite_service.api.spreadsheets import CSV_ANSWER, CSV_PROSE, answer_csv
from invite_service.bootstrap import Factory
from invite_service.services.access import Scope

router = APIRouter(tags=["invitations"], route_class=StrictRoute)

_CHANGES: dict[str, Any] = {
    "answers": {OK: InvitationResponse},
    "problems": ["invitation_not_found", "action_refused"],
    "is_keyed": True,
}
"""What every action answers: the invitation's new state, or why its state does not allow it."""

_change = changing(Factory.create_invitations, InvitationResponse.of)

_LIST = documented(
    "list_invitations",
    "List invitations",
    description="All filters apply together. With `counts=true` it also tells how many there are by status.",
    answers={OK: InvitationListResponse},
    problems=["invalid_input"],
    scope="invitations:read",
)
_LIST["openapi_extra"]["parameters"] = query_parameters(InvitationListParameters)


@router.get("/v1/invitations", **_LIST)
async def list_invitations(request: Request) -> Response:
    # Like the route that takes the orders it asks for nothing by Depends, for the same reason.
    services = factory_of(request)
    caller = await authorise(request, services, Scope.INVITATIONS_READ)
    asked = read_query(request, InvitationListParameters)
    invitations, chosen = services.create_invitations(), asked.to_filter()
    page = await invitations.list_(
        caller.merchant, chosen, period=asked.period, sorted_by=asked.sorted_by, page=asked.to_page()
    )
    counts = await invitations.count(caller.merchant, chosen, period=asked.period) if asked.counts else None
    return JsonAnswer(InvitationListResponse.of(page, asked, counts))


@router.get(
    "/v1/invitations.csv",
    **documented(
        "export_invitations",
        "Export invitations as CSV",
        description=f"Every invitation that the same parameters list, and the same fields. {CSV_PROSE}",
        problems=["invalid_input"],
        scope="invitations:read",
    )
    | CSV_ANSWER,
)
async def export_invitations(
    caller: ReadsInvitations, services: Services, asked: Annotated[InvitationChoice, Query()]
) -> Response:
    chunks = services.create_invitations().export(
        caller.merchant,
        asked.to_filter(),
        period=asked.period,
        sorted_by=asked.sorted_by,
        ascending=asked.is_ascending,
    )
    return await answer_csv(
        chunks, model=InvitationResponse, shape=InvitationResponse.of_summary, name="invitations.csv"
    )


@router.get(
    "/v1/invitations/{invitation_id}",
    **documented(
        "get_invitation",
        "Get an invitation",
        description="With its orders and products, its messages and every try to send them, the policies it goes by, "
        "what happened, and what may be done next.",
        answers={OK: InvitationDetailResponse},
        problems=["invitation_not_found"],
        scope="invitations:read",
    ),
)
async def get_invitation(invitation_id: InvitationId, caller: ReadsInvitations, services: Services) -> Response:
    found = await services.create_invitations().get(caller.merchant, invitation_id)
    return JsonAnswer(InvitationDetailResponse.of_detail(found))


@router.post(
    "/v1/invitations/{invitation_id}/cancel",
    **documented(
        "cancel_invitation",
        "Cancel what is still to come",
        **_CHANGES,
        scope="invitations:write",
    ),
)
async def cancel_invitation(
    request: Request, invitation_id: InvitationId, caller: WritesInvitations, services: Services
) -> Response:
    await read_nothing(request)
    return await _change(
        request,
        caller,
        services,
        lambda invitations: invitations.cancel(caller.merchant, invitation_id, actor=caller.actor),
    )


@router.post(
    "/v1/invitations/{invitation_id}/enable",
    **documented(
        "enable_invitation",
        "Bring back what was cancelled",
        description="A send_at that has passed becomes the next slot. Asked again, it answers with the state as long "
        "as nothing else has happened to the invitation; one that nobody cancelled is refused as `not_cancelled`.",
        **_CHANGES,
        scope="invitations:write",
    ),
)
async def enable_invitation(
    request: Request, invitation_id: InvitationId, caller: WritesInvitations, services: Services
) -> Response:
    await read_nothing(request)
    return await _change(
        request,
        caller,
        services,
        lambda invitations: invitations.enable(caller.merchant, invitation_id, actor=caller.actor),
    )


@router.post(
    "/v1/invitations/{invitation_id}/send-now",
    **documented(
        "send_invitation_now",
        "Send the next message at once",
        description="Window and days do not apply; everything else is checked again right before it leaves. Asked "
        "again once it has left, this is about the message after it: send an Idempotency-Key with a call that may be "
        "repeated.",
        **_CHANGES,
        scope="invitations:write",
    ),
)
async def send_invitation_now(
    request: Request, invitation_id: InvitationId, caller: WritesInvitations, services: Services
) -> Response:
    await read_nothing(request)
    return await _change(
        request,
        caller,
        services,
        lambda invitations: invitations.send_now(caller.merchant, invitation_id, actor=caller.actor),
    )


@router.post(
    "/v1/invitations/{invitation_id}/reschedule",
    **documented(
        "reschedule_invitation",
        "Move the next message to a day",
        description="It leaves in that day's slot, whatever send_days say; today counts until the window's end.",
        takes=RescheduleRequest,
        **_CHANGES,
        scope="invitations:write",
    ),
)
async def reschedule_invitation(
    request: Request, invitation_id: InvitationId, caller: WritesInvitations, services: Services
) -> Response:
    posted = await read_body(request, RESCHEDULE)
    return await _change(
        request,
        caller,
        services,
        lambda invitations: invitations.reschedule(caller.merchant, invitation_id, posted.date, actor=caller.actor),
    )


@router.post(
    "/v1/invitations/{invitation_id}/retry",
    **documented(
        "retry_invitation",
        "Try a message again",
        description="For a message that is in doubt, has failed or was missed.",
        **_CHANGES,
        scope="invitations:operate",
    ),
)
async def retry_invitation(
    request: Request, invitation_id: InvitationId, caller: OperatesInvitations, services: Services
) -> Response:
    await read_nothing(request)
    return await _change(
        request,
        caller,
        services,
        lambda invitations: invitations.retry(caller.merchant, invitation_id, actor=caller.actor),
    )


@router.post(
    "/v1/invitations/{invitation_id}/mark-sent",
    **documented(
        "mark_invitation_sent",
        "Settle a message in doubt as sent",
        **_CHANGES,
        scope="invitations:operate",
    ),
)
async def mark_invitation_sent(
    request: Request, invitation_id: InvitationId, caller: OperatesInvitations, services: Services
) -> Response:
    await read_nothing(request)
    return await _change(
        request,
        caller,
        services,
        lambda invitations: invitations.mark_sent(caller.merchant, invitation_id, actor=caller.actor),
    )
