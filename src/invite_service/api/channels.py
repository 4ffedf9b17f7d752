"""Through which provider messages leave, from whom and for how much, and whether a channel is open."""

from fastapi import APIRouter, Request
from pydantic import TypeAdapter
from starlette.responses import Response

from invite_service.api.answers import JsonAnswer
from invite_service.api.bodies import needs_text_check, read_document, read_nothing, validate_part
from invite_service.api.dependencies import (
    ChannelName,
    OperatesInvitations,
    ReadsInvitations,
    Services,
    WritesChannels,
)
from invite_service.api.errors import OK
from invite_service.api.openapi import documented
from invite_service.api.preconditions import etag_of, read_if_match
from invite_service.api.routing import StrictRoute
from invite_service.api.schemas.channel import ChannelRequest, ChannelResponse, channel_response
from invite_service.bootstrap import Factory
from invite_service.domain.channel import ChannelState
from invite_service.domain.errors import Fault, InvalidInputError, ProviderSettingsError
from invite_service.domain.invitation import Channel
from invite_service.services.access import Caller
from invite_service.services.channels import FAULTY_SETTINGS, NewSettings

router = APIRouter(tags=["channels"], route_class=StrictRoute)

_CHANNEL = TypeAdapter(ChannelRequest)


@router.get(
    "/v1/channels/{channel}",
    **documented(
        "get_channel",
        "Get a channel",
        description="A channel pauses when its provider refuses the settings. A provider that fails several times in a "
        "row is left alone for a while (circuit), which ends by itself.",
        answers={OK: ChannelResponse},
        problems=["not_found"],
        scope="invitations:read",
    ),
)
async def get_channel(channel: ChannelName, caller: ReadsInvitations, services: Services) -> Response:
    return _answer(services, caller, channel, await services.create_channels().get(caller.merchant, channel))


@router.put(
    "/v1/channels/{channel}",
    **documented(
        "put_channel",
        "Replace a channel's settings",
        description="Messages leave through the provider named, from the next batch on; a sandbox's stay in its "
        "mailbox. Credentials are sealed and never shown again; left out, those stored for the same provider stay. A "
        "pause ends with a successful check or by hand. Needs If-Match with the ETag that was read, or *.",
        takes=ChannelRequest,
        answers={OK: ChannelResponse},
        problems=["if_match_required", "not_found", "provider_settings_invalid", "version_mismatch"],
        scope="channels:write",
    ),
)
async def put_channel(request: Request, channel: ChannelName, caller: WritesChannels, services: Services) -> Response:
    replacing = read_if_match(request)
    new = _read(await request.body(), channel, services)
    state = await services.create_channels().replace(
        caller.merchant, channel, new, replacing=replacing, actor=caller.actor
    )
    return _answer(services, caller, channel, state)


@router.delete(
    "/v1/channels/{channel}",
    **documented(
        "reset_channel",
        "Go back to the installation's provider",
        description="Takes the settings away, credentials included. Needs If-Match with the ETag that was read, or *.",
        answers={OK: ChannelResponse},
        problems=["if_match_required", "invalid_input", "malformed_json", "not_found", "version_mismatch"],
        scope="channels:write",
    ),
)
async def reset_channel(request: Request, channel: ChannelName, caller: WritesChannels, services: Services) -> Response:
    replacing = read_if_match(request)
    await read_nothing(request)
    state = await services.create_channels().reset(caller.merchant, channel, replacing=replacing, actor=caller.actor)
    return _answer(services, caller, channel, state)


@router.post(
    "/v1/channels/{channel}/check",
    **documented(
        "check_channel",
        "Try a channel's settings",
        description="As far as that goes without sending, for at most fifteen seconds; last_check then has what the "
        "provider said. Where the merchant has no provider of its own, the installation's is tried. A success opens a "
        "paused channel.",
        answers={OK: ChannelResponse},
        problems=["not_found"],
        scope="channels:write",
    ),
)
async def check_channel(request: Request, channel: ChannelName, caller: WritesChannels, services: Services) -> Response:
    await read_nothing(request)
    checks = services.create_channel_checks()
    return _answer(services, caller, channel, await checks.check(caller.merchant, channel, actor=caller.actor))


@router.post(
    "/v1/channels/{channel}/resume",
    **documented(
        "resume_channel",
        "Open a paused channel again",
        description="Also one whose provider failed and is left alone (circuit). What waited for it is due at once, "
        "within its window and deadline. Opening an open one does nothing.",
        answers={OK: ChannelResponse},
        problems=["not_found"],
        scope="invitations:operate",
    ),
)
async def resume_channel(
    request: Request, channel: ChannelName, caller: OperatesInvitations, services: Services
) -> Response:
    await read_nothing(request)
    channels = services.create_channels()
    await channels.resume(caller.merchant, channel, actor=caller.actor)
    return _answer(services, caller, channel, await channels.get(caller.merchant, channel))


def _read(raw: bytes, channel: Channel, services: Factory) -> NewSettings:
    """Read new settings; the provider's faults are named beside those of the body, whichever of both there are."""
    document = read_document(raw)
    try:
        posted = validate_part(document, _CHANNEL, check_text=needs_text_check(raw))
    except InvalidInputError as error:
        known = {fault.pointer for fault in error.faults}
        further = [fault for fault in _provider_faults(document, channel, services) if fault.pointer not in known]
        raise InvalidInputError(error.detail, faults=[*error.faults, *further]) from None
    new = posted.to_settings()
    faults = [*posted.find_faults(channel), *services.create_channels().find_faults(channel, new)]
    if faults:
        raise ProviderSettingsError(FAULTY_SETTINGS, faults=faults)
    return new


def _provider_faults(document: object, channel: Channel, services: Factory) -> list[Fault]:
    """Name what is wrong with the provider and its credentials, as far as these can be read at all."""
    if not isinstance(document, dict):
        return []
    part = {name: document[name] for name in ("provider", "credentials") if name in document}
    try:
        posted = validate_part(part, _CHANNEL, check_text=True)
    except InvalidInputError:
        return []
    faults = services.create_channels().find_faults(channel, posted.to_settings())
    return [fault for fault in faults if fault.pointer != "/from" or "from" not in document]


def _answer(services: Factory, caller: Caller, channel: Channel, state: ChannelState) -> Response:
    events_url = services.find_events_url(caller.merchant.id, state.settings.provider)
    answer = channel_response(channel, state, events_url=events_url)
    return JsonAnswer(answer, headers={"ETag": etag_of(state.settings.version)})
