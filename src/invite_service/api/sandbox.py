"""Time and mailbox of a sandbox merchant."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import TypeAdapter
from starlette.responses import Response

from invite_service.api.answers import JsonAnswer
from invite_service.api.bodies import read_body, read_nothing
from invite_service.api.dependencies import Services, UsesSandbox
from invite_service.api.errors import OK
from invite_service.api.idempotency import answer_once
from invite_service.api.openapi import documented
from invite_service.api.routing import StrictRoute
from invite_service.api.schemas.paging import write_cursors
from invite_service.api.schemas.sandbox import (
    ClockRequest,
    ClockResponse,
    MailboxMessageResponse,
    MailboxParameters,
    MailboxResponse,
    Milestone,
    SendReportResponse,
)
from invite_service.bootstrap import Factory

router = APIRouter(tags=["sandbox"], route_class=StrictRoute)

_CLOCK = TypeAdapter(ClockRequest)


@router.get(
    "/v1/sandbox/clock",
    **documented(
        "get_clock",
        "Tell the time",
        answers={OK: ClockResponse},
        problems=["not_a_sandbox"],
        scope="sandbox",
    ),
)
async def get_clock(caller: UsesSandbox, services: Services) -> Response:
    return JsonAnswer(ClockResponse(now=await services.create_sandbox().now(caller.merchant.id)))


@router.post(
    "/v1/sandbox/clock",
    **documented(
        "move_clock",
        "Move the clock forward",
        description="Passes every due instant on the way and sends each message at its own time.",
        takes=ClockRequest,
        answers={OK: SendReportResponse},
        problems=["not_a_sandbox", "clock_move_unfinished"],
        scope="sandbox",
        is_keyed=True,
    ),
)
async def move_clock(request: Request, caller: UsesSandbox, services: Services) -> Response:
    asked = await read_body(request, _CLOCK)

    async def move(services: Factory) -> Response:
        sandbox = services.create_sandbox()
        if asked.advance is not None:
            moved = await sandbox.advance(caller.merchant.id, asked.advance)
        elif isinstance(asked.to, Milestone) or asked.to is None:
            moved = await sandbox.move_to_next_due(caller.merchant.id)
        else:
            moved = await sandbox.move_to(caller.merchant.id, asked.to)
        return JsonAnswer(SendReportResponse.of(moved))

    return await answer_once(request, services, move, merchant_id=caller.merchant.id, is_apart=True)


@router.post(
    "/v1/sandbox/send-due",
    **documented(
        "send_due",
        "Send everything that is due now",
        description="Answers once it is done, by this call or by a worker.",
        answers={OK: SendReportResponse},
        problems=["not_a_sandbox", "clock_move_unfinished"],
        scope="sandbox",
        is_keyed=True,
    ),
)
async def send_due(request: Request, caller: UsesSandbox, services: Services) -> Response:
    await read_nothing(request)

    async def send(services: Factory) -> Response:
        return JsonAnswer(SendReportResponse.of(await services.create_sandbox().send_due(caller.merchant.id)))

    return await answer_once(request, services, send, merchant_id=caller.merchant.id, is_apart=True)


@router.get(
    "/v1/sandbox/messages",
    **documented(
        "list_messages",
        "Read the mailbox",
        answers={OK: MailboxResponse},
        problems=["not_a_sandbox", "invalid_input"],
        scope="sandbox",
    ),
)
async def list_messages(
    caller: UsesSandbox, services: Services, asked: Annotated[MailboxParameters, Query()]
) -> Response:
    page = await services.create_sandbox().list_messages(
        caller.merchant.id, asked.page(ascending=not asked.sort.startswith("-"))
    )
    items = [
        MailboxMessageResponse(
            id=message.id,
            invitation_id=message.invitation_id,
            step=message.step,
            channel=message.channel,
            to=message.to,
            subject=message.subject,
            text=message.text,
            html=message.html,
            headers=message.headers,
            sent_at=message.sent_at,
        )
        for message in page.items
    ]
    following, preceding = write_cursors(
        page, lambda message: (message.sent_at, str(message.id)), listing=asked.listing()
    )
    return JsonAnswer(MailboxResponse(items=items, next_cursor=following, prev_cursor=preceding))
