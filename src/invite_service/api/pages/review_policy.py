"""The hosted page of a merchant's review policy, in the language that the visitor's browser asks for."""

from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from invite_service.api.caching import answer_known, is_known, kept_headers, write_etag
from invite_service.api.dependencies import Services
from invite_service.api.pages.routes import PageRoute
from invite_service.api.pages.views import language_of
from invite_service.domain.merchant import MerchantId
from invite_service.rendering.pages import PageFrame
from invite_service.rendering.review_policy import show_policy
from invite_service.rules.languages import read_language

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_HEADERS: Final = {
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept-Language",
    "X-Content-Type-Options": "nosniff",
}


@router.api_route("/p/{merchant_id}/review-policy", methods=["GET", "HEAD"])
async def open_review_policy(merchant_id: str, request: Request, services: Services) -> Response:
    view = await services.create_review_policy().get(MerchantId(merchant_id))
    asked = read_language(request.query_params.get("language"))
    language = asked or language_of(request.headers.get("Accept-Language"))
    page = show_policy(PageFrame(view.merchant, view.branding, language, "review-policy"), view.policy)
    headers = _HEADERS | {"Content-Security-Policy": page.content_security_policy}
    etag = write_etag(page.html)
    if is_known(request, etag):
        return answer_known(etag, **headers)
    return HTMLResponse(page.html, headers=kept_headers(etag) | headers)
