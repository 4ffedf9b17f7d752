"""What a changed policy would have made of recorded orders."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, Final

import structlog
from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from invite_service.api.answers import JsonAnswer, to_json
from invite_service.api.bodies import read_document, validate_part
from invite_service.api.dependencies import ReadsPolicy, Services
from invite_service.api.errors import OK, STATUS_BY_CODE, make_problem, request_id_of
from invite_service.api.openapi import documented
from invite_service.api.routing import StrictRoute
from invite_service.api.schemas.order import ORDER
from invite_service.api.schemas.policy import PolicyResponse, policy_response, with_window_fault
from invite_service.api.schemas.simulation import (
    SIMULATION,
    NamedChanges,
    SimulationRequest,
    SimulationResponse,
    line_of,
)
from invite_service.domain.errors import Fault, InvalidInputError
from invite_service.domain.merchant import MerchantId
from invite_service.domain.order import OrderEvent
from invite_service.domain.policy import Policy
from invite_service.services.simulations import ChangedFate, SimulationNews, SimulationResult

log = structlog.get_logger()

router = APIRouter(tags=["policy"], route_class=StrictRoute)

STREAM_TYPE: Final = "application/x-ndjson"
"""One JSON object a line."""


@router.post(
    "/v1/simulations",
    **documented(
        "simulate_policy",
        "Try a changed policy on recorded orders",
        description="Replays the orders of a period with the rules that decide for real, under the current policy and "
        "under the changed one. Stores and sends nothing. With `Accept: application/x-ndjson` it answers with a line "
        "of progress now and then, a line for every order that changes, and the result in the last one; closing the "
        "connection ends it.",
        takes=SimulationRequest,
        answers={OK: SimulationResponse},
        scope="policy:read",
    ),
)
async def simulate_policy(request: Request, caller: ReadsPolicy, services: Services) -> Response:
    document = read_document(await request.body())
    try:
        posted = validate_part(document, SIMULATION, check_text=True)
    except InvalidInputError as error:
        now_set = policy_response(await services.create_policy().get(caller.merchant.id))
        raise InvalidInputError(error.detail, faults=_with_window_fault(error.faults, document, now_set)) from None
    current, changed = await _policies(services, caller.merchant.id, posted)
    simulations = services.create_simulations()
    total = await simulations.count(caller.merchant, start=posted.start, end=posted.end)
    news = simulations.run(
        caller.merchant,
        current=current,
        changed=changed,
        start=posted.start,
        end=posted.end,
        total=total,
        read_event=read_recorded,
    )
    if STREAM_TYPE in request.headers.get("accept", ""):
        return StreamingResponse(_lines(request, news), media_type=STREAM_TYPE)
    return JsonAnswer(await _last(request, news))


def read_recorded(body: Mapping[str, Any]) -> OrderEvent:
    """Read a recorded body as it was read when it was posted."""
    return validate_part(body, ORDER, check_text=False).to_event()


async def _policies(services: Services, merchant_id: MerchantId, posted: SimulationRequest) -> tuple[Policy, Policy]:
    try:
        return await services.create_policy().try_change(merchant_id, posted.policy)
    except InvalidInputError as error:
        raise InvalidInputError(error.detail, faults=_of_policy(error.faults)) from None


def _of_policy(faults: Iterable[Fault]) -> list[Fault]:
    return [Fault(f"/policy{fault.pointer}", fault.code, fault.detail) for fault in faults]


def _with_window_fault(faults: Sequence[Fault], document: object, now_set: PolicyResponse) -> list[Fault]:
    """Add to a faulty simulation what `with_window_fault` adds to a faulty change of the policy."""
    if not isinstance(document, Mapping):
        return list(faults)
    of_policy = [
        Fault(fault.pointer.removeprefix("/policy"), fault.code, fault.detail)
        for fault in faults
        if fault.pointer == "/policy" or fault.pointer.startswith("/policy/")
    ]
    added = with_window_fault(of_policy, document.get("policy"), now_set)[len(of_policy) :]
    return [*faults, *_of_policy(added)]


async def _lines(request: Request, news: AsyncIterator[SimulationNews]) -> AsyncIterator[bytes]:
    """Write what is told, line by line; a failure of ours ends the stream with a problem in place of the result."""
    named = NamedChanges()
    try:
        async for one in news:
            if isinstance(one, ChangedFate):
                named.take(one)
            yield to_json(line_of(one, named)) + b"\n"
    except Exception:
        log.exception("Failed to simulate a policy")
        detail = "Something went wrong on our side. Quote the request id when you ask about it."
        problem = make_problem(
            "internal_error",
            detail,
            request_id=request_id_of(request.scope),
            status=STATUS_BY_CODE["internal_error"],
        )
        yield to_json({"problem": problem}) + b"\n"


async def _last(request: Request, news: AsyncIterator[SimulationNews]) -> SimulationResponse | None:
    """Wait for the result; None, which nobody reads, once the client has hung up."""
    named = NamedChanges()
    async for one in news:
        if isinstance(one, ChangedFate):
            named.take(one)
        elif isinstance(one, SimulationResult):
            return named.result(one)
        elif await request.is_disconnected():
            break
    return None
