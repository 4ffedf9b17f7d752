"""Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): what is sent again is answered again, and done once."""

import hashlib
import json
import re
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from fastapi import Request
from starlette.responses import Response

from invite_service.api.answers import JSON_TYPE, JsonAnswer
from invite_service.api.bodies import read_document
from invite_service.api.errors import (
    FAULTY_REQUEST,
    PROBLEM_TYPE,
    answer_problem,
    is_refusal,
    is_server_fault,
    problem_of,
    request_id_of,
)
from invite_service.bootstrap import Factory
from invite_service.domain.errors import DomainError, Fault, InvalidInputError
from invite_service.domain.merchant import MerchantId
from invite_service.services.access import Caller
from invite_service.services.idempotency import KeptAnswer, KeyedCall

KEY_HEADER: Final = "Idempotency-Key"
REPLAYED_HEADER: Final = "Idempotency-Replayed"

MAX_KEY_LENGTH: Final = 255

_QUOTED: Final = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])+)"')
"""A string of RFC 9651, as the draft wants it."""
_BARE: Final = re.compile(r"[!#-~]+")
"""As most clients send it."""

Service = TypeVar("Service")
Changed = TypeVar("Changed")

Effect = Callable[[Factory], Awaitable[Response]]
"""Does a call, with services that may be parts of a transaction that is open already."""


async def answer_once(
    request: Request, services: Factory, effect: Effect, *, merchant_id: MerchantId, is_apart: bool = False
) -> Response:
    """Answer a call, and one with a key at most once; `is_apart` says that the effect takes transactions of its own.

    Refusals are kept as well, our own failures are not.

    Raises:
        InvalidInputError: the key cannot be read.
        IdempotencyConflictError: it was used with another body.
        IdempotencyKeyBusyError: the same call is still being done.
    """
    key = read_idempotency_key(request)
    if key is None:
        return await effect(services)
    call = KeyedCall(merchant_id, request.scope["path"], key, await _fingerprint(request))
    idempotency = services.create_idempotency()
    if is_apart:
        return _respond(await idempotency.run_apart(call, lambda: _do(request, effect, services)))
    return _respond(await idempotency.run(call, lambda joined: _do(request, effect, services.joined(joined))))


def changing(
    create: Callable[[Factory], Service], shape: Callable[[Changed], object]
) -> Callable[[Request, Caller, Factory, Callable[[Service], Awaitable[Changed]]], Awaitable[Response]]:
    """Make what the actions of one kind of thing share: each is done once for a key and answers with the new state."""

    async def change(
        request: Request, caller: Caller, services: Factory, action: Callable[[Service], Awaitable[Changed]]
    ) -> Response:
        async def act(services: Factory) -> Response:
            return JsonAnswer(shape(await action(create(services))))

        return await answer_once(request, services, act, merchant_id=caller.merchant.id)

    return change


def read_idempotency_key(request: Request) -> str | None:
    """Read the key of a request, between double quotes or bare; None where there is none.

    Raises:
        InvalidInputError: it cannot be read.
    """
    given = request.headers.getlist(KEY_HEADER)
    if not given:
        return None
    text = given[0].strip()
    if quoted := _QUOTED.fullmatch(text):
        text = re.sub(r"\\(.)", r"\1", quoted[1])
    elif not _BARE.fullmatch(text):
        text = ""
    if len(given) > 1 or not 0 < len(text) <= MAX_KEY_LENGTH:
        detail = f"Must be one key of 1 to {MAX_KEY_LENGTH} printable ASCII characters, bare or between double quotes."
        raise InvalidInputError(FAULTY_REQUEST, faults=[Fault(KEY_HEADER, "invalid_format", detail)])
    return text


async def _fingerprint(request: Request) -> bytes:
    """Tell one body from another, whatever their spaces and the order of their fields."""
    raw = await request.body()
    document = read_document(raw) if raw.strip() else {}
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).digest()


async def _do(request: Request, effect: Effect, services: Factory) -> KeptAnswer:
    try:
        response = await effect(services)
    except DomainError as error:
        problem = problem_of(error, request_id=request_id_of(request.scope))
        if is_server_fault(problem.status):
            raise
        response = answer_problem(problem)
    return KeptAnswer(response.status_code, bytes(response.body))


def _respond(answer: KeptAnswer) -> Response:
    headers = {"Content-Type": PROBLEM_TYPE if is_refusal(answer.status) else JSON_TYPE}
    if answer.is_replayed:
        headers[REPLAYED_HEADER] = "true"
    return Response(answer.body, status_code=answer.status, headers=headers)
