"""The script that opens a dialog on a merchant's own page."""

from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from invite_service.api.caching import is_known
from invite_service.api.errors import NOT_MODIFIED
from invite_service.rendering.own_page import SCRIPT_VERSIONS, Script, script_of

router = APIRouter(include_in_schema=False)

_TYPE: Final = "text/javascript; charset=utf-8"
_HEADERS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "X-Content-Type-Options": "nosniff",
}

FOR_EVER: Final = "public, max-age=31536000, immutable"
"""A version stays as it is."""

FOR_AN_HOUR: Final = "public, max-age=3600"
"""The newest is another one day."""


@router.get("/public/v1/invite.js")
async def get_newest_script(request: Request) -> Response:
    return _answer(request, script_of(SCRIPT_VERSIONS[-1]), kept_for=FOR_AN_HOUR)


@router.get("/public/v1/invite-1.js")
async def get_first_script(request: Request) -> Response:
    return _answer(request, script_of(1), kept_for=FOR_EVER)


def _answer(request: Request, script: Script, *, kept_for: str) -> Response:
    etag = f'"{script.integrity}"'
    headers = {**_HEADERS, "Cache-Control": kept_for, "ETag": etag}
    if is_known(request, etag):
        return Response(status_code=NOT_MODIFIED, headers=headers)
    return Response(script.content, media_type=_TYPE, headers=headers)
