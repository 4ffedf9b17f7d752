"""Whether a channel is open."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from invite_service.api.answers import JsonAnswer
from invite_service.api.bodies import read_nothing
from invite_service.api.dependencies import ChannelName, OperatesInvitations, ReadsInvitations, Services
from invite_service.api.errors import OK
from invite_service.api.openapi import documented
from invite_service.api.routing import StrictRoute
from invite_service.api.schemas.channel import ChannelResponse

router = APIRouter(tags=["channels"], route_class=StrictRoute)


@router.get(
    "/v1/channels/{channel}",
    **documented(
        "get_channel",
        "Get a channel",
        description="A channel pauses when its provider refuses the settings.",
        answers={OK: ChannelResponse},
        problems=["not_found"],
        scope="invitations:read",
    ),
)
async def get_channel(channel: ChannelName, caller: ReadsInvitations, services: Services) -> Response:
    pause = await services.create_channels().find_pause(caller.merchant, channel)
    answer = ChannelResponse(
        channel=channel,
        paused_at=pause.paused_at if pause is not None else None,
        paused_reason=pause.reason if pause is not None else None,
    )
    return JsonAnswer(answer)


@router.post(
    "/v1/channels/{channel}/resume",
    **documented(
        "resume_channel",
        "Open a paused channel again",
        description="What waited for it is due at once, within its window and deadline. Opening an open one does "
        "nothing.",
        answers={OK: ChannelResponse},
        problems=["not_found"],
        scope="invitations:operate",
    ),
)
async def resume_channel(
    request: Request, channel: ChannelName, caller: OperatesInvitations, services: Services
) -> Response:
    await read_nothing(request)
    await services.create_channels().resume(caller.merchant, channel, actor=caller.actor)
    return JsonAnswer(ChannelResponse(channel=channel, paused_at=None, paused_reason=None))
