"""What a refused request is answered: the table of status numbers, and RFC 9457 problems (DESIGN.md section 7)."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import ClassVar, Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from invite_service.api.answers import JsonAnswer
from invite_service.api.faults import faults_of_parameters
from invite_service.api.schemas.problem import FaultResponse, ProblemResponse
from invite_service.domain.errors import ActionRefusedError, DomainError, Fault, QuotaExceededError

PROBLEM_TYPE = "application/problem+json"

STATUS_BY_CODE: Final = {
    "action_refused": HTTPStatus.CONFLICT,
    "api_key_invalid": HTTPStatus.UNAUTHORIZED,
    "api_key_not_found": HTTPStatus.NOT_FOUND,
    "bad_request": HTTPStatus.BAD_REQUEST,
    "batch_update_not_found": HTTPStatus.NOT_FOUND,
    "body_too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "busy": HTTPStatus.SERVICE_UNAVAILABLE,
    "clock_move_unfinished": HTTPStatus.CONFLICT,
    "database_unavailable": HTTPStatus.SERVICE_UNAVAILABLE,
    "domain_error": HTTPStatus.INTERNAL_SERVER_ERROR,
    "event_not_verified": HTTPStatus.FORBIDDEN,
    "event_unchecked": HTTPStatus.SERVICE_UNAVAILABLE,
    "event_unreadable": HTTPStatus.BAD_REQUEST,
    "file_unreadable": HTTPStatus.BAD_REQUEST,
    "idempotency_answer_lost": HTTPStatus.CONFLICT,
    "idempotency_key_busy": HTTPStatus.SERVICE_UNAVAILABLE,
    "idempotency_key_reused": HTTPStatus.UNPROCESSABLE_ENTITY,
    "if_match_required": HTTPStatus.PRECONDITION_REQUIRED,
    "internal_error": HTTPStatus.INTERNAL_SERVER_ERROR,
    "invalid_input": HTTPStatus.UNPROCESSABLE_ENTITY,
    "invitation_not_found": HTTPStatus.NOT_FOUND,
    "malformed_json": HTTPStatus.BAD_REQUEST,
    "merchant_exists": HTTPStatus.CONFLICT,
    "merchant_not_found": HTTPStatus.NOT_FOUND,
    "method_not_allowed": HTTPStatus.METHOD_NOT_ALLOWED,
    "not_a_sandbox": HTTPStatus.CONFLICT,
    "not_found": HTTPStatus.NOT_FOUND,
    "order_not_found": HTTPStatus.NOT_FOUND,
    "overloaded": HTTPStatus.SERVICE_UNAVAILABLE,
    "product_not_found": HTTPStatus.NOT_FOUND,
    "picture_not_found": HTTPStatus.NOT_FOUND,
    "pictures_closed": HTTPStatus.CONFLICT,
    "pictures_unavailable": HTTPStatus.SERVICE_UNAVAILABLE,
    "provider_settings_invalid": HTTPStatus.UNPROCESSABLE_ENTITY,
    "provider_unusable": HTTPStatus.CONFLICT,
    "quota_exceeded": HTTPStatus.TOO_MANY_REQUESTS,
    "rating_not_found": HTTPStatus.NOT_FOUND,
    "schema_outdated": HTTPStatus.SERVICE_UNAVAILABLE,
    "scope_missing": HTTPStatus.FORBIDDEN,
    "suppression_not_found": HTTPStatus.NOT_FOUND,
    "support_case_not_found": HTTPStatus.NOT_FOUND,
    "notice_not_found": HTTPStatus.NOT_FOUND,
    "token_not_found": HTTPStatus.NOT_FOUND,
    "too_many_orders": HTTPStatus.CONFLICT,
    "too_old_to_change": HTTPStatus.CONFLICT,
    "undo_refused": HTTPStatus.CONFLICT,
    "unexpected_count": HTTPStatus.CONFLICT,
    "webhook_endpoint_not_found": HTTPStatus.NOT_FOUND,
    "webhook_event_not_found": HTTPStatus.NOT_FOUND,
    "version_mismatch": HTTPStatus.PRECONDITION_FAILED,
}
"""Status by problem code. The reasons of a refused action are codes that share the status of `action_refused`."""

ACCEPTED: Final = HTTPStatus.ACCEPTED.value
"""For what a worker does later."""
CREATED: Final = HTTPStatus.CREATED.value
"""For routes that make something."""
NO_CONTENT: Final = HTTPStatus.NO_CONTENT.value
"""For routes with nothing to tell."""
NOT_MODIFIED: Final = HTTPStatus.NOT_MODIFIED.value
"""For what the caller has already."""
OK: Final = HTTPStatus.OK.value
"""For everything else that went well."""
NOT_READY: Final = HTTPStatus.SERVICE_UNAVAILABLE.value
"""For a readiness check that fails."""

FAULTY_REQUEST: Final = "The request has faults."
"""Says of a request what its faults then tell one by one."""

RETRY_SECONDS = 1
"""After which a request that met a busy or unreachable database is worth sending again."""

MAX_FAULTS = 1000
"""Faults listed in one problem: a body of nothing but unknown fields must not come back a hundred times its size."""

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
"""Methods that an address may take, and that are counted by name."""

_CODE_BY_ROUTING_STATUS = {
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.METHOD_NOT_ALLOWED: "method_not_allowed",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "body_too_large",
}
"""What Starlette raises itself, by its status."""

_DETAIL_BY_CODE = {
    "bad_request": "The request cannot be read.",
    "not_found": "There is nothing at this address.",
    "method_not_allowed": "This address does not take this method.",
}


class MalformedJsonError(DomainError):
    """The body is not JSON at all."""

    code: ClassVar[str] = "malformed_json"


class BodyTooLargeError(HTTPException):
    """The body is larger than the route takes; raised while it is being read.

    An HTTPException because FastAPI, where it reads a form itself, passes only those on unchanged.
    """

    def __init__(self, limit: int) -> None:
        super().__init__(STATUS_BY_CODE["body_too_large"], detail=f"The body is larger than {limit} bytes.")


def request_id_of(scope: Scope) -> str:
    """Tell the correlation id that the middleware gave the request; empty outside of it."""
    state: Mapping[str, str] = scope.get("state", {})
    return state.get("request_id", "")


def is_refusal(status: int) -> bool:
    """Say whether an answer of this status is a problem."""
    return status >= HTTPStatus.BAD_REQUEST


def is_server_fault(status: int) -> bool:
    """Say whether a problem of this status is ours and not the caller's."""
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR


def problem_of(error: DomainError, *, request_id: str) -> ProblemResponse:
    """Describe an error of the domain as a problem."""
    code = error.reason if isinstance(error, ActionRefusedError) else error.code
    return make_problem(
        code,
        error.detail,
        request_id=request_id,
        status=STATUS_BY_CODE[error.code],
        faults=error.faults,
    )


def make_problem(
    code: str, detail: str, *, request_id: str, status: HTTPStatus, faults: Sequence[Fault] = ()
) -> ProblemResponse:
    """Put the members of a problem together."""
    if len(faults) > MAX_FAULTS:
        detail = f"{detail} {len(faults) - MAX_FAULTS} further faults are not listed."
    return ProblemResponse(
        type=f"urn:invite-service:problem:{code}",
        title=code.replace("_", " ").capitalize(),
        status=status.value,
        code=code,
        detail=detail,
        request_id=request_id,
        errors=tuple(FaultResponse(fault.pointer, fault.code, fault.detail) for fault in faults[:MAX_FAULTS]),
    )


def answer_problem(problem: ProblemResponse, *, headers: Mapping[str, str] | None = None) -> Response:
    """Answer a request with a problem."""
    return JsonAnswer(problem, status_code=problem.status, media_type=PROBLEM_TYPE, headers=headers)


def answer_crash(request_id: str) -> Response:
    """Answer a request that met a bug of ours: the id to ask about, and nothing of what happened."""
    detail = "Something went wrong on our side. Quote the request id when you ask about it."
    return answer_problem(
        make_problem("internal_error", detail, request_id=request_id, status=STATUS_BY_CODE["internal_error"])
    )


def answer_too_large(limit: int, request_id: str) -> Response:
    """Answer a request whose body is announced to be larger than `limit` bytes."""
    error = BodyTooLargeError(limit)
    return answer_problem(
        make_problem("body_too_large", error.detail, request_id=request_id, status=STATUS_BY_CODE["body_too_large"])
    )


def answer_unreadable(request_id: str) -> Response:
    """Answer a request whose address holds what no address of ours can."""
    detail = "The address must not hold U+0000."
    return answer_problem(
        make_problem("bad_request", detail, request_id=request_id, status=STATUS_BY_CODE["bad_request"])
    )


def install_problems(app: FastAPI) -> None:
    """Answer everything that is raised below the application with a problem."""
    app.add_exception_handler(DomainError, answer_domain_error)
    app.add_exception_handler(HTTPException, _answer_routing_error)
    app.add_exception_handler(RequestValidationError, _answer_parameter_faults)


def answering(code: str, detail: str) -> Callable[[Request, Exception], Awaitable[Response]]:
    """Make a handler that answers an exception from below with a problem of ours, and nothing of what it says."""

    async def answer(request: Request, error: Exception) -> Response:
        problem = make_problem(code, detail, request_id=request_id_of(request.scope), status=STATUS_BY_CODE[code])
        return answer_problem(problem, headers=_headers_of(STATUS_BY_CODE[code]))

    return answer


async def answer_domain_error(request: Request, error: Exception) -> Response:
    """Answer an error of the domain with its problem, and with when to try again where that is known."""
    assert isinstance(error, DomainError)
    problem = problem_of(error, request_id=request_id_of(request.scope))
    return answer_problem(problem, headers=retry_headers(error))


def retry_headers(error: DomainError) -> Mapping[str, str] | None:
    """Tell when to try again, where that helps, or what else an error asks of its answer's headers."""
    if isinstance(error, QuotaExceededError):
        return {"Retry-After": str(error.retry_after_seconds)}
    return _headers_of(STATUS_BY_CODE[error.code])


def _headers_of(status: HTTPStatus) -> Mapping[str, str] | None:
    if status is HTTPStatus.UNAUTHORIZED:
        return {"WWW-Authenticate": "Bearer"}
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        return {"Retry-After": str(RETRY_SECONDS)}
    return None


async def _answer_routing_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    code = _CODE_BY_ROUTING_STATUS.get(status, "bad_request")
    # Starlette's own words may quote the request; only ours are passed on.
    detail = error.detail if isinstance(error, BodyTooLargeError) else _DETAIL_BY_CODE.get(code, "")
    problem = make_problem(code, detail, request_id=request_id_of(request.scope), status=STATUS_BY_CODE[code])
    headers = {"Allow": ", ".join(_methods_at(request))} if code == "method_not_allowed" else error.headers
    return answer_problem(problem, headers=headers)


def _methods_at(request: Request) -> list[str]:
    """Name every method that the address takes; the route that refused knows its own only (RFC 9110 section 15.5.6)."""
    routes = request.app.router.routes
    return [
        method
        for method in METHODS
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    ]


async def _answer_parameter_faults(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    problem = make_problem(
        "invalid_input",
        FAULTY_REQUEST,
        request_id=request_id_of(request.scope),
        status=STATUS_BY_CODE["invalid_input"],
        faults=faults_of_parameters(error.errors()),
    )
    return answer_problem(problem)
