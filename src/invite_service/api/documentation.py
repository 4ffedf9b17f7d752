"""The API's own documentation: the OpenAPI document, and one page that shows it without anybody else's scripts."""

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from invite_service.api.answers import JsonAnswer
from invite_service.api.reference import reference_page

router = APIRouter(include_in_schema=False)

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@router.get("/openapi.json")
async def get_openapi_document(request: Request) -> Response:
    return JsonAnswer(request.app.openapi())


@router.get("/docs")
async def get_docs(request: Request) -> Response:
    return HTMLResponse(reference_page(request.app.openapi()), headers=_HEADERS)
