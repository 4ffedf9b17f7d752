"""What happens around every request: correlation id, access log, metrics, body limit, and the last net for bugs.

Pure ASGI: Starlette's BaseHTTPMiddleware puts a task and a queue between server and route.
"""

import re
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Final

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from invite_service.api.errors import (
    METHODS,
    BodyTooLargeError,
    answer_crash,
    answer_too_large,
    answer_unreadable,
    request_id_of,
)
from invite_service.api.headers import find_header
from invite_service.api.pages.replies import answer_unknown, is_hosted
from invite_service.telemetry import Metrics, correlated, log_answer

log = structlog.get_logger()

_REQUEST_ID_NAME: Final = b"x-request-id"

CLIENT_LEFT = 499
"""Stands for the status of a request whose client left before its body had come; nothing is answered then."""

UNROUTED = "unrouted"
"""Stands for the route of a request that met none: paths come from outside and may hold anything."""

_REQUEST_ID: Final = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
"""A UUID, with or without hyphens: nothing else of the client's is taken into our logs."""


class RequestMiddleware:
    """Gives each request its id, writes one log entry and counts it, and answers what nothing else caught.

    Only the route's template is logged and counted, never the path or the query string: those hold tokens, and
    whatever a client puts there. What a route leaves in the state as `answer_headers` goes with every answer, problems
    too.
    """

    def __init__(self, app: ASGIApp, *, find_metrics: Callable[[], Metrics], new_id: Callable[[], object]) -> None:
        """Make it; `find_metrics` is asked at the end of each request, as the metrics come with the lifespan."""
        self._app = app
        self._find_metrics = find_metrics
        self._new_id = new_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = find_header(scope, _REQUEST_ID_NAME)
        request_id = given if _REQUEST_ID.fullmatch(given) else str(self._new_id())
        scope.setdefault("state", {})["request_id"] = request_id
        with correlated(request_id):
            await self._serve(scope, receive, send, request_id=request_id)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, *, request_id: str) -> None:
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append((_REQUEST_ID_NAME, request_id.encode()))
                message["headers"].extend(scope["state"].get("answer_headers", ()))
            await send(message)

        started = perf_counter()
        try:
            if "\0" in scope["path"] or b"%00" in scope["query_string"]:
                # PostgreSQL cannot even compare it.
                await _unreadable(scope, request_id)(scope, receive, send_with_id)
            else:
                await self._app(scope, receive, send_with_id)
        except ClientDisconnect:
            status = CLIENT_LEFT
        except Exception:
            log.exception("Failed to answer a request", route=_route_of(scope))
            if status == 0:
                await answer_crash(request_id)(scope, receive, send_with_id)
        finally:
            self._record(scope, status=status, seconds=perf_counter() - started)

    def _record(self, scope: Scope, *, status: int, seconds: float) -> None:
        route = _route_of(scope)
        method = scope["method"] if scope["method"] in METHODS else "other"
        self._find_metrics().count_answer(route=route, method=method, status=status, seconds=seconds)
        log_answer(
            route=route,
            method=method,
            status=status,
            milliseconds=round(seconds * 1000, 2),
            merchant_id=scope["state"].get("merchant_id"),
        )


class BodyLimitMiddleware:
    """Stops reading a body that is larger than its path takes, whatever its Content-Length says."""

    def __init__(self, app: ASGIApp, *, limit: int, limits_by_path: Mapping[re.Pattern[str], int]) -> None:
        self._app = app
        self._limit = limit
        self._limits_by_path = limits_by_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._limit_of(scope["path"])
        announced = find_header(scope, b"content-length")
        if announced.isdecimal() and int(announced) > limit:
            await answer_too_large(limit, request_id_of(scope))(scope, receive, send)
            return
        await self._app(scope, _limited(receive, limit), send)

    def _limit_of(self, path: str) -> int:
        found = (limit for pattern, limit in self._limits_by_path.items() if pattern.fullmatch(path))
        return next(found, self._limit)


def _limited(receive: Receive, limit: int) -> Receive:
    length = 0

    async def receive_counted() -> Message:
        nonlocal length
        message = await receive()
        length += len(message.get("body", b""))
        if length > limit:
            raise BodyTooLargeError(limit)
        return message

    return receive_counted


def _unreadable(scope: Scope, request_id: str) -> ASGIApp:
    """Refuse an address: in a page where one belongs, which a person has before them."""
    if is_hosted(scope["path"]):
        return answer_unknown(find_header(scope, b"accept-language"))
    return answer_unreadable(request_id)


def _route_of(scope: Scope) -> str:
    route = scope.get("route")
    return getattr(route, "path", UNROUTED)
