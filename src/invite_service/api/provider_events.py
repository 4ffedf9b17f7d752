"""Where providers tell what became of messages, each merchant's at an address of its own."""

from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from invite_service.api.dependencies import Services
from invite_service.api.errors import OK
from invite_service.api.openapi import documented
from invite_service.domain.merchant import MerchantId

router = APIRouter(tags=["provider events"])

QUERY_NAME: Final = "secret"
"""What carries the secret for providers that sign nothing and cannot be given a password."""

_DOCUMENTED: dict[str, Any] = documented(
    "post_provider_events",
    "Tell what became of messages",
    description="For the merchant's provider, which signs its requests or knows a secret: as the password of HTTP "
    "Basic, or as `secret` in the query, which is never logged. Answered alike whether the messages are known or not; "
    "what was told before is ignored. Nothing but a request that proves where it is from is kept.",
    answers={OK: None},
    problems=["event_not_verified", "event_unreadable", "event_unchecked", "body_too_large"],
    security=None,
)
_DOCUMENTED["openapi_extra"]["parameters"] = [
    {"name": QUERY_NAME, "in": "query", "required": False, "schema": {"type": "string"}}
]


@router.post("/provider-events/{provider}/{merchant_id}", **_DOCUMENTED)
async def post_provider_events(provider: str, merchant_id: str, request: Request, services: Services) -> Response:
    await services.create_provider_events().receive(
        MerchantId(merchant_id),
        provider,
        body=await request.body(),
        headers={name.lower(): text for name, text in request.headers.items()},
        url=services.address_of(request.url.path, request.url.query),
        url_secret=request.query_params.get(QUERY_NAME),
    )
    # Empty, and a form that providers of SMS take for "no answer to the customer".
    return Response(status_code=OK, media_type="text/plain")
