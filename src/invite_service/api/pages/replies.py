"""Answers that hosted pages are sent as, also where there is no page: whoever follows a link is a person."""

import re
from collections.abc import Mapping
from typing import Final

from starlette.responses import HTMLResponse, Response

from invite_service.api.errors import OK, STATUS_BY_CODE
from invite_service.api.pages.views import language_of
from invite_service.rendering.pages import Page, unknown_page

HEADERS: Final = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
}

_HOSTED: Final = re.compile(r"/[iup](?:/.*)?", re.DOTALL)
"""Addresses that lead to pages."""


def is_hosted(path: str) -> bool:
    """Say whether an address is one of the hosted pages, whether there is anything at it or not."""
    return _HOSTED.fullmatch(path) is not None


def answer_page(
    page: Page, *, code: str | None = None, status: int = OK, headers: Mapping[str, str] | None = None
) -> Response:
    """Answer with a page; `code` names what kept it from being the wanted one, and has its own status."""
    return HTMLResponse(
        page.html,
        status_code=STATUS_BY_CODE[code] if code is not None else status,
        headers={**HEADERS, "Content-Security-Policy": page.content_security_policy, **(headers or {})},
    )


def answer_unknown(accepted: str | None) -> Response:
    """Answer an address that leads nowhere, in the language that a browser accepts."""
    return answer_page(unknown_page(language_of(accepted)), code="token_not_found")
