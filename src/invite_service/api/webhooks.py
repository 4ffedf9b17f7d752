"""What merchants' systems are told: endpoints, their secrets, and the events they were or are to be told."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import TypeAdapter
from starlette.responses import Response

from invite_service.api.answers import JsonAnswer
from invite_service.api.bodies import read_body, read_nothing
from invite_service.api.dependencies import (
    ReadsWebhooks,
    Services,
    WebhookEndpointId,
    WebhookEventId,
    WritesWebhooks,
)
from invite_service.api.errors import ACCEPTED, CREATED, NO_CONTENT, OK
from invite_service.api.idempotency import answer_once
from invite_service.api.openapi import documented
from invite_service.api.routing import StrictRoute
from invite_service.api.schemas.webhook import (
    NewWebhookEndpointResponse,
    WebhookEndpointListResponse,
    WebhookEndpointRequest,
    WebhookEndpointResponse,
    WebhookEventListParameters,
    WebhookEventListResponse,
)
from invite_service.bootstrap import Factory
from invite_service.domain.webhook import WebhookKind

router = APIRouter(tags=["webhooks"], route_class=StrictRoute)

_ENDPOINT = TypeAdapter(WebhookEndpointRequest)

_SIGNED = (
    "Each event is a POST of `type`, `timestamp` and `data` with the headers `webhook-id`, `webhook-timestamp` and "
    "`webhook-signature` (Standard Webhooks). Answer 2xx within ten seconds; anything else is tried again, ten "
    "times over three days. An event may come twice, with the same id."
)


@router.get(
    "/v1/webhook-endpoints",
    **documented(
        "list_webhook_endpoints",
        "List webhook endpoints",
        answers={OK: WebhookEndpointListResponse},
        scope="webhooks:read",
    ),
)
async def list_webhook_endpoints(caller: ReadsWebhooks, services: Services) -> Response:
    found = await services.create_webhooks().list_(caller.merchant.id)
    return JsonAnswer(WebhookEndpointListResponse(items=[WebhookEndpointResponse.of(one) for one in found]))


@router.post(
    "/v1/webhook-endpoints",
    status_code=CREATED,
    **documented(
        "add_webhook_endpoint",
        "Add a webhook endpoint",
        description=f"The answer shows the secret, this once. {_SIGNED}",
        takes=WebhookEndpointRequest,
        answers={CREATED: NewWebhookEndpointResponse},
        problems=["action_refused"],
        scope="webhooks:write",
        is_keyed=True,
    ),
)
async def add_webhook_endpoint(request: Request, caller: WritesWebhooks, services: Services) -> Response:
    posted = await read_body(request, _ENDPOINT)

    async def add(services: Factory) -> Response:
        new = await services.create_webhooks().add(
            caller.merchant.id,
            posted.url,
            kinds=[WebhookKind(kind) for kind in posted.events],
            description=posted.description,
        )
        return JsonAnswer(NewWebhookEndpointResponse.of_new(new), status_code=CREATED)

    return await answer_once(request, services, add, merchant_id=caller.merchant.id)


@router.post(
    "/v1/webhook-endpoints/{endpoint_id}/rotate",
    **documented(
        "rotate_webhook_secret",
        "Give a webhook endpoint another secret",
        description="For 24 hours the one before signs as well.",
        answers={OK: NewWebhookEndpointResponse},
        problems=["webhook_endpoint_not_found"],
        scope="webhooks:write",
        is_keyed=True,
    ),
)
async def rotate_webhook_secret(
    request: Request, endpoint_id: WebhookEndpointId, caller: WritesWebhooks, services: Services
) -> Response:
    await read_nothing(request)

    async def rotate(services: Factory) -> Response:
        new = await services.create_webhooks().rotate(caller.merchant.id, endpoint_id)
        return JsonAnswer(NewWebhookEndpointResponse.of_new(new))

    return await answer_once(request, services, rotate, merchant_id=caller.merchant.id)


@router.delete(
    "/v1/webhook-endpoints/{endpoint_id}",
    status_code=NO_CONTENT,
    **documented(
        "delete_webhook_endpoint",
        "Delete a webhook endpoint",
        description="What waits for it is not sent any more.",
        problems=["webhook_endpoint_not_found"],
        scope="webhooks:write",
    ),
)
async def delete_webhook_endpoint(
    endpoint_id: WebhookEndpointId, caller: WritesWebhooks, services: Services
) -> Response:
    await services.create_webhooks().delete(caller.merchant.id, endpoint_id)
    return Response(status_code=NO_CONTENT)


@router.get(
    "/v1/webhook-endpoints/{endpoint_id}/events",
    **documented(
        "list_webhook_events",
        "List what an endpoint was or is to be told",
        answers={OK: WebhookEventListResponse},
        problems=["invalid_input", "webhook_endpoint_not_found"],
        scope="webhooks:read",
    ),
)
async def list_webhook_events(
    endpoint_id: WebhookEndpointId,
    caller: ReadsWebhooks,
    services: Services,
    asked: Annotated[WebhookEventListParameters, Query()],
) -> Response:
    page = await services.create_webhooks().list_events(
        caller.merchant.id, endpoint_id, statuses=asked.status, page=asked.to_page()
    )
    return JsonAnswer(WebhookEventListResponse.of(page, asked))


@router.post(
    "/v1/webhook-endpoints/{endpoint_id}/events/{event_id}/redeliver",
    status_code=ACCEPTED,
    **documented(
        "redeliver_webhook_event",
        "Send an event once more",
        description="One that was taken, or whose tries were used up.",
        problems=["webhook_endpoint_not_found", "webhook_event_not_found"],
        scope="webhooks:write",
    ),
)
async def redeliver_webhook_event(
    request: Request,
    caller: WritesWebhooks,
    endpoint_id: WebhookEndpointId,
    event_id: WebhookEventId,
    services: Services,
) -> Response:
    await read_nothing(request)
    await services.create_webhooks().redeliver(caller.merchant.id, endpoint_id, event_id)
    return Response(status_code=ACCEPTED)
