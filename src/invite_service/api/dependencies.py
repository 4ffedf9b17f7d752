"""What handlers ask for: the services of this process, and who is calling."""

from collections.abc import Awaitable, Callable
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from starlette.exceptions import HTTPException

from invite_service.api.errors import STATUS_BY_CODE
from invite_service.api.headers import find_header
from invite_service.api.rate_limits import count_request
from invite_service.bootstrap import Factory
from invite_service.domain.errors import (
    ApiKeyInvalidError,
    InvitationNotFoundError,
    NoticeNotFoundError,
    PictureNotFoundError,
    RatingNotFoundError,
    SupportCaseNotFoundError,
    WebhookEndpointNotFoundError,
    WebhookEventNotFoundError,
)
from invite_service.domain.invitation import Channel
from invite_service.services.access import Caller, Scope

_SCHEME = "bearer "


async def get_factory(request: Request) -> Factory:
    """Get the factory that the lifespan put on the application."""
    return factory_of(request)


def factory_of(request: Request) -> Factory:
    """Get the factory in a route that asks for nothing by `Depends`."""
    factory: Factory = request.app.state.factory
    return factory


Services = Annotated[Factory, Depends(get_factory)]


def read_bearer_key(request: Request) -> str:
    """Read the key of the Authorization header.

    Raises:
        ApiKeyInvalidError: there is none.
    """
    header = find_header(request.scope, b"authorization")
    if not header.lower().startswith(_SCHEME):
        raise ApiKeyInvalidError("Send an API key as `Authorization: Bearer <key>`.")
    return header[len(_SCHEME) :].strip()


def requires(scope: Scope) -> Callable[[Request, Factory], Awaitable[Caller]]:
    """Make the dependency of calls that need a merchant's key with a scope."""

    async def authorised_merchant(request: Request, services: Services) -> Caller:
        return await authorise(request, services, scope)

    return authorised_merchant


async def authorise(request: Request, services: Factory, scope: Scope) -> Caller:
    """Tell who calls, and refuse a key without the scope.

    Raises:
        ApiKeyInvalidError: there is no key, or it is not valid.
        QuotaExceededError: the key has made too many requests.
        ScopeMissingError: the key does not carry the scope.
    """
    caller = await services.access.authenticate(read_bearer_key(request))
    request.state.merchant_id = caller.merchant.id
    count_request(request, services, caller.key_id)
    caller.require(scope)
    return caller


async def authorised_operator(request: Request, services: Services) -> str:
    """Tell the name of the operator's key that the call was made with."""
    return await services.access.authenticate_operator(read_bearer_key(request))


async def read_invitation_id(invitation_id: str) -> UUID:
    """Read an invitation's id from the path; one that cannot be an id is that of no invitation."""
    try:
        return UUID(invitation_id)
    except ValueError:
        raise InvitationNotFoundError("No invitation of that id exists.") from None


async def read_rating_id(rating_id: str) -> UUID:
    """Read a rating's id from the path; one that cannot be an id is that of no rating."""
    try:
        return UUID(rating_id)
    except ValueError:
        raise RatingNotFoundError("No rating of that id exists.") from None


def read_picture_id(picture_id: str) -> UUID:
    """Read a picture's id from the path; one that cannot be an id is that of no picture."""
    try:
        return UUID(picture_id)
    except ValueError:
        raise PictureNotFoundError("There is no such picture.") from None


async def read_case_id(case_id: str) -> UUID:
    """Read a support case's id from the path; one that cannot be an id is that of no case."""
    try:
        return UUID(case_id)
    except ValueError:
        raise SupportCaseNotFoundError("No support case of that id exists.") from None


async def read_notice_id(notice_id: str) -> UUID:
    """Read a notice's id from the path; one that cannot be an id is that of no notice."""
    try:
        return UUID(notice_id)
    except ValueError:
        raise NoticeNotFoundError("No notice of that id exists.") from None


async def read_endpoint_id(endpoint_id: str) -> UUID:
    """Read a webhook endpoint's id from the path; one that cannot be an id is that of no endpoint."""
    try:
        return UUID(endpoint_id)
    except ValueError:
        raise WebhookEndpointNotFoundError("No webhook endpoint of that id exists.") from None


async def read_event_id(event_id: str) -> UUID:
    """Read a webhook event's id from the path; one that cannot be an id is that of no event."""
    try:
        return UUID(event_id)
    except ValueError:
        raise WebhookEventNotFoundError("No event of that id has ended at this endpoint.") from None


async def read_channel(channel: str) -> Channel:
    """Read a channel's name from the path; there is nothing at an address with another."""
    if channel not in set(Channel):
        raise HTTPException(STATUS_BY_CODE["not_found"])
    return Channel(channel)


Operator = Annotated[str, Depends(authorised_operator)]
ChannelName = Annotated[Channel, Depends(read_channel)]
NoticeId = Annotated[UUID, Depends(read_notice_id)]
PictureId = Annotated[UUID, Depends(read_picture_id)]
RatingId = Annotated[UUID, Depends(read_rating_id)]
SupportCaseId = Annotated[UUID, Depends(read_case_id)]
WebhookEndpointId = Annotated[UUID, Depends(read_endpoint_id)]
WebhookEventId = Annotated[UUID, Depends(read_event_id)]
InvitationId = Annotated[UUID, Depends(read_invitation_id)]
ReadsOrders = Annotated[Caller, Depends(requires(Scope.ORDERS_READ))]
WritesOrders = Annotated[Caller, Depends(requires(Scope.ORDERS_WRITE))]
ReadsInvitations = Annotated[Caller, Depends(requires(Scope.INVITATIONS_READ))]
WritesInvitations = Annotated[Caller, Depends(requires(Scope.INVITATIONS_WRITE))]
OperatesInvitations = Annotated[Caller, Depends(requires(Scope.INVITATIONS_OPERATE))]
ReadsPolicy = Annotated[Caller, Depends(requires(Scope.POLICY_READ))]
WritesPolicy = Annotated[Caller, Depends(requires(Scope.POLICY_WRITE))]
WritesChannels = Annotated[Caller, Depends(requires(Scope.CHANNELS_WRITE))]
ReadsBranding = Annotated[Caller, Depends(requires(Scope.BRANDING_READ))]
WritesBranding = Annotated[Caller, Depends(requires(Scope.BRANDING_WRITE))]
ReadsSuppressions = Annotated[Caller, Depends(requires(Scope.SUPPRESSIONS_READ))]
WritesSuppressions = Annotated[Caller, Depends(requires(Scope.SUPPRESSIONS_WRITE))]
ReadsCustomers = Annotated[Caller, Depends(requires(Scope.CUSTOMERS_READ))]
WritesCustomers = Annotated[Caller, Depends(requires(Scope.CUSTOMERS_WRITE))]
ReadsPublishing = Annotated[Caller, Depends(requires(Scope.PUBLISHING_READ))]
WritesPublishing = Annotated[Caller, Depends(requires(Scope.PUBLISHING_WRITE))]
ReadsTexts = Annotated[Caller, Depends(requires(Scope.TEXTS_READ))]
WritesTexts = Annotated[Caller, Depends(requires(Scope.TEXTS_WRITE))]
ReadsRatings = Annotated[Caller, Depends(requires(Scope.RATINGS_READ))]
WritesRatings = Annotated[Caller, Depends(requires(Scope.RATINGS_WRITE))]
ReadsWebhooks = Annotated[Caller, Depends(requires(Scope.WEBHOOKS_READ))]
WritesWebhooks = Annotated[Caller, Depends(requires(Scope.WEBHOOKS_WRITE))]
ReadsTimeline = Annotated[Caller, Depends(requires(Scope.TIMELINE_READ))]
ReadsInsights = Annotated[Caller, Depends(requires(Scope.INSIGHTS_READ))]
UsesSandbox = Annotated[Caller, Depends(requires(Scope.SANDBOX))]
