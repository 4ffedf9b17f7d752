"""How ratings and reviews get published, every version of the settings kept (RULES.md section 9)."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import TypeAdapter
from starlette.responses import Response

from invite_service.api.answers import JsonAnswer
from invite_service.api.bodies import read_body
from invite_service.api.dependencies import ReadsPublishing, Services, WritesPublishing
from invite_service.api.errors import OK
from invite_service.api.openapi import documented
from invite_service.api.preconditions import etag_of, read_if_match
from invite_service.api.routing import StrictRoute
from invite_service.api.schemas.paging import VersionListParameters
from invite_service.api.schemas.publishing import (
    PublishingPatch,
    PublishingResponse,
    PublishingVersionListResponse,
    PublishingVersionResponse,
)
from invite_service.domain.publishing import PublishingSettings

router = APIRouter(tags=["publishing"], route_class=StrictRoute)

_PATCH = TypeAdapter(PublishingPatch)


@router.get(
    "/v1/publishing",
    **documented(
        "get_publishing", "Get the publishing settings", answers={OK: PublishingResponse}, scope="publishing:read"
    ),
)
async def get_publishing(caller: ReadsPublishing, services: Services) -> Response:
    return _answer(await services.create_publishing().get(caller.merchant.id))


@router.patch(
    "/v1/publishing",
    **documented(
        "patch_publishing",
        "Change the publishing settings",
        description="Makes a new version, which holds for what customers leave or edit from now on; what waits already "
        "waits as it did. Needs If-Match with the ETag that was read, or *.",
        takes=PublishingPatch,
        answers={OK: PublishingResponse},
        problems=["if_match_required", "version_mismatch"],
        scope="publishing:write",
    ),
)
async def patch_publishing(request: Request, caller: WritesPublishing, services: Services) -> Response:
    replacing = read_if_match(request)
    changes = await read_body(request, _PATCH)
    return _answer(
        await services.create_publishing().patch(caller.merchant, changes, replacing=replacing, actor=caller.actor)
    )


@router.get(
    "/v1/publishing/versions",
    **documented(
        "list_publishing_versions",
        "List all versions of the publishing settings",
        answers={OK: PublishingVersionListResponse},
        problems=["invalid_input"],
        scope="publishing:read",
    ),
)
async def list_publishing_versions(
    caller: ReadsPublishing, services: Services, asked: Annotated[VersionListParameters, Query()]
) -> Response:
    found = await services.create_publishing().list_versions(
        caller.merchant.id, before=asked.before(), limit=asked.limit + 1
    )
    items = [PublishingVersionResponse.of(version) for version in found[: asked.limit]]
    last = items[-1] if len(found) > asked.limit else None
    next_cursor = asked.cursor_after(last.settings.version, created_at=last.created_at) if last else None
    return JsonAnswer(PublishingVersionListResponse(items=items, next_cursor=next_cursor))


def _answer(settings: PublishingSettings) -> Response:
    return JsonAnswer(PublishingResponse.of(settings), headers={"ETag": etag_of(settings.version)})
