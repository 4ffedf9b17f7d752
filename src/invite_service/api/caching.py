"""Answers that anybody may read and keep for a while: open to every site, with an ETag (RFC 9110, RFC 5861)."""

import hashlib
from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import Request
from starlette.responses import Response

from invite_service import __version__
from invite_service.api.answers import to_json
from invite_service.api.errors import NOT_MODIFIED
from invite_service.api.headers import answer_above, find_header
from invite_service.api.routing import StrictRoute

KEPT_FOR: Final = "public, max-age=60, stale-while-revalidate=600"
"""Cache-Control of what is published: a change is seen a minute later, and pages do not wait for it."""

NOT_KEPT: Final = "no-store"

OPEN_HEADERS: Final = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "ETag, Retry-After"}

_PROBLEM_HEADERS: Final = {**OPEN_HEADERS, "Cache-Control": NOT_KEPT}

_ETAG_BYTES: Final = 12


class OpenRoute(StrictRoute):
    """A route whose every answer, problems too, may be read by a page of any site."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the route."""
        answer = super().get_route_handler()

        async def answer_any_site(request: Request) -> Response:
            try:
                response = await answer(request)
            except Exception:
                answer_above(request, _PROBLEM_HEADERS)
                raise
            response.headers.update(OPEN_HEADERS)
            return response

        return answer_any_site


def write_etag(*parts: object) -> str:
    """Write a weak ETag of what an answer is made of; another release of the service may shape it in another way."""
    digest = hashlib.blake2b(to_json([__version__, *parts]), digest_size=_ETAG_BYTES).hexdigest()
    return f'W/"{digest}"'


def has_known(request: Request) -> bool:
    """Say whether the caller has an answer, and asks whether it still holds."""
    return bool(find_header(request.scope, b"if-none-match"))


def is_known(request: Request, etag: str) -> bool:
    """Say whether the caller has the answer of this ETag, by If-None-Match; ETags are compared weakly."""
    given = find_header(request.scope, b"if-none-match").strip()
    if given == "*":
        return True
    bare = etag.removeprefix("W/")
    return any(one.strip().removeprefix("W/") == bare for one in given.split(","))


def kept_headers(etag: str) -> dict[str, str]:
    """Give the headers of an answer that may be kept."""
    return {"Cache-Control": KEPT_FOR, "ETag": etag}


def answer_known(etag: str, **headers: str) -> Response:
    """Answer that what the caller has is still what would be answered."""
    return Response(status_code=NOT_MODIFIED, headers={**kept_headers(etag), **headers})
