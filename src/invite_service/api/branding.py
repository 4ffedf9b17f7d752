"""How messages and pages look, and who they say they are from."""

from fastapi import APIRouter, Request
from pydantic import TypeAdapter
from starlette.responses import Response

from invite_service.api.answers import JsonAnswer
from invite_service.api.bodies import read_body
from invite_service.api.dependencies import ReadsBranding, Services, WritesBranding
from invite_service.api.errors import OK
from invite_service.api.openapi import documented
from invite_service.api.preconditions import etag_of, read_if_match
from invite_service.api.routing import StrictRoute
from invite_service.api.schemas.branding import BrandingRequest, BrandingResponse, WarningResponse
from invite_service.services.branding import SavedBranding

router = APIRouter(tags=["branding"], route_class=StrictRoute)

_BRANDING = TypeAdapter(BrandingRequest)


@router.get(
    "/v1/branding",
    **documented("get_branding", "Get the branding", answers={OK: BrandingResponse}, scope="branding:read"),
)
async def get_branding(caller: ReadsBranding, services: Services) -> Response:
    return _answer(await services.create_branding().get(caller.merchant))


@router.put(
    "/v1/branding",
    **documented(
        "put_branding",
        "Replace the branding",
        description="Needs If-Match with the ETag that was read, or *.",
        takes=BrandingRequest,
        answers={OK: BrandingResponse},
        problems=["if_match_required", "version_mismatch"],
        scope="branding:write",
    ),
)
async def put_branding(request: Request, caller: WritesBranding, services: Services) -> Response:
    replacing = read_if_match(request)
    posted = await read_body(request, _BRANDING)
    saved = await services.create_branding().replace(
        caller.merchant, posted.to_branding(), replacing=replacing, actor=caller.actor
    )
    return _answer(saved)


def _answer(saved: SavedBranding) -> Response:
    warnings = tuple(WarningResponse(warning.code, warning.detail) for warning in saved.warnings)
    answer = BrandingResponse.of(saved.branding, warnings)
    return JsonAnswer(answer, headers={"ETag": etag_of(saved.branding.version)})
