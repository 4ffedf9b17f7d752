"""Merchants and their keys; for those who run the installation."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import TypeAdapter
from starlette.responses import Response

from invite_service.api.answers import JsonAnswer
from invite_service.api.bodies import read_body, read_nothing
from invite_service.api.dependencies import Operator, Services
from invite_service.api.errors import CREATED, NO_CONTENT, OK
from invite_service.api.idempotency import answer_once
from invite_service.api.openapi import OPERATOR_KEY, documented
from invite_service.api.routing import StrictRoute
from invite_service.api.schemas.merchant import (
    ApiKeyListParameters,
    ApiKeyListResponse,
    ApiKeyRequest,
    ApiKeyResponse,
    CreatedApiKeyResponse,
    CreatedMerchantResponse,
    MerchantListParameters,
    MerchantListResponse,
    MerchantRequest,
    MerchantResponse,
)
from invite_service.bootstrap import Factory
from invite_service.domain.merchant import MerchantId
from invite_service.services.access import ALL_SCOPES
from invite_service.services.merchants import OPERATOR

router = APIRouter(tags=["operators"], route_class=StrictRoute)

_MERCHANT = TypeAdapter(MerchantRequest)
_API_KEY = TypeAdapter(ApiKeyRequest)


@router.post(
    "/v1/merchants",
    **documented(
        "create_merchant",
        "Make a merchant",
        description="With the default policy, and a key that may do everything.",
        takes=MerchantRequest,
        answers={CREATED: CreatedMerchantResponse},
        problems=["merchant_exists"],
        security=OPERATOR_KEY,
        is_keyed=True,
    ),
    status_code=CREATED,
)
async def create_merchant(request: Request, operator: Operator, services: Services) -> Response:
    posted = await read_body(request, _MERCHANT)

    async def create(services: Factory) -> Response:
        created = await services.create_merchants().create(posted.to_new_merchant())
        return JsonAnswer(CreatedMerchantResponse.of(created.merchant, api_key=created.api_key), status_code=CREATED)

    return await answer_once(request, services, create, merchant_id=MerchantId(posted.id))


@router.get(
    "/v1/merchants",
    **documented(
        "list_merchants",
        "List merchants",
        answers={OK: MerchantListResponse},
        problems=["invalid_input"],
        security=OPERATOR_KEY,
    ),
)
async def list_merchants(
    operator: Operator, services: Services, asked: Annotated[MerchantListParameters, Query()]
) -> Response:
    found = await services.create_merchants().list_(after=asked.cursor or "", limit=asked.limit + 1)
    items = [MerchantResponse.of(merchant) for merchant in found[: asked.limit]]
    next_cursor = items[-1].id if len(found) > asked.limit else None
    return JsonAnswer(MerchantListResponse(items=items, next_cursor=next_cursor))


@router.get(
    "/v1/merchants/{merchant_id}",
    **documented(
        "get_merchant",
        "Get a merchant",
        answers={OK: MerchantResponse},
        problems=["merchant_not_found"],
        security=OPERATOR_KEY,
    ),
)
async def get_merchant(merchant_id: str, operator: Operator, services: Services) -> Response:
    return JsonAnswer(MerchantResponse.of(await services.create_merchants().get(MerchantId(merchant_id))))


@router.post(
    "/v1/merchants/{merchant_id}/resume",
    **documented(
        "resume_merchant",
        "Resume a paused merchant",
        description="A merchant above 5 % bounces or 0.1 % complaints of the last 24 hours, with at least 200 e-mails, "
        "is paused by itself. What waited is due at once, within its window and deadline, and what was sent before "
        "counts no more. Resuming one that is not paused does nothing.",
        answers={OK: MerchantResponse},
        problems=["merchant_not_found"],
        security=OPERATOR_KEY,
    ),
)
async def resume_merchant(merchant_id: str, request: Request, operator: Operator, services: Services) -> Response:
    await read_nothing(request)
    resumed = await services.create_reputation().resume(MerchantId(merchant_id), actor=OPERATOR)
    return JsonAnswer(MerchantResponse.of(resumed))


@router.post(
    "/v1/api-keys",
    **documented(
        "create_api_key",
        "Make an API key",
        takes=ApiKeyRequest,
        answers={CREATED: CreatedApiKeyResponse},
        problems=["merchant_not_found"],
        security=OPERATOR_KEY,
        is_keyed=True,
    ),
    status_code=CREATED,
)
async def create_api_key(request: Request, operator: Operator, services: Services) -> Response:
    posted = await read_body(request, _API_KEY)
    merchant_id = MerchantId(posted.merchant_id)
    scopes = ALL_SCOPES if posted.scopes is None else posted.scopes

    async def create(services: Factory) -> Response:
        key = await services.access.create_api_key(
            merchant_id, posted.name, scopes=scopes, expires_at=posted.expires_at
        )
        return JsonAnswer(CreatedApiKeyResponse(id=key.id, api_key=key.text), status_code=CREATED)

    return await answer_once(request, services, create, merchant_id=merchant_id)


@router.get(
    "/v1/api-keys",
    **documented(
        "list_api_keys",
        "List a merchant's API keys",
        answers={OK: ApiKeyListResponse},
        problems=["invalid_input", "merchant_not_found"],
        security=OPERATOR_KEY,
    ),
)
async def list_api_keys(
    operator: Operator, services: Services, asked: Annotated[ApiKeyListParameters, Query()]
) -> Response:
    merchant = await services.create_merchants().get(MerchantId(asked.merchant_id))
    keys = await services.access.list_api_keys(merchant.id)
    return JsonAnswer(ApiKeyListResponse(items=[ApiKeyResponse.of(key) for key in keys], next_cursor=None))


@router.delete(
    "/v1/api-keys/{key_id}",
    **documented(
        "revoke_api_key",
        "Revoke an API key",
        description="Other processes may take it for another ten seconds. Revoking twice is once.",
        answers={NO_CONTENT: None},
        problems=["invalid_input", "api_key_not_found"],
        security=OPERATOR_KEY,
    ),
    status_code=NO_CONTENT,
)
async def revoke_api_key(
    key_id: str, operator: Operator, services: Services, asked: Annotated[ApiKeyListParameters, Query()]
) -> Response:
    await services.access.revoke_api_key(MerchantId(asked.merchant_id), key_id)
    return Response(status_code=NO_CONTENT)
