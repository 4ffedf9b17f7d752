"""One change to many invitations at once, its forecast, and its undoing."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from invite_service.api.answers import JsonAnswer
from invite_service.api.bodies import read_body
from invite_service.api.dependencies import ReadsInvitations, Services, WritesInvitations
from invite_service.api.errors import ACCEPTED, OK
from invite_service.api.idempotency import answer_once
from invite_service.api.openapi import documented
from invite_service.api.routing import StrictRoute
from invite_service.api.schemas.batch_update import (
    BATCH_UPDATE,
    BatchForecastResponse,
    BatchUpdateListParameters,
    BatchUpdateListResponse,
    BatchUpdateRequest,
    BatchUpdateResponse,
)
from invite_service.bootstrap import Factory
from invite_service.domain.batch_update import BatchUpdate, Chosen
from invite_service.domain.errors import BatchUpdateNotFoundError
from invite_service.domain.merchant import Merchant
from invite_service.services.batch_updates import BatchUpdateService, refuse_other_count

router = APIRouter(tags=["invitations"], route_class=StrictRoute)


def read_batch_id(batch_id: str) -> UUID:
    """Read the id in the path; one that is none belongs to no batch update."""
    try:
        return UUID(batch_id)
    except ValueError:
        raise BatchUpdateNotFoundError("No batch update of that id exists.") from None


BatchId = Annotated[UUID, Depends(read_batch_id)]


@router.post(
    "/v1/batch-updates",
    **documented(
        "create_batch_update",
        "Change many invitations",
        description="Which ones is settled when it is accepted; a worker then changes each once. A dry run changes "
        "nothing and answers 200 with what would be done.",
        takes=BatchUpdateRequest,
        answers={OK: BatchForecastResponse, ACCEPTED: BatchUpdateResponse},
        problems=["unexpected_count"],
        scope="invitations:write",
        is_keyed=True,
    ),
    status_code=ACCEPTED,
)
async def create_batch_update(request: Request, caller: WritesInvitations, services: Services) -> Response:
    posted = await read_body(request, BATCH_UPDATE)
    merchant, change = caller.merchant, posted.to_change()
    if posted.dry_run:
        batches = services.create_batch_updates()
        forecast = await batches.forecast(merchant, _chosen(posted, batches, merchant), change)
        refuse_other_count(forecast.matched, expected=posted.expected_count)
        return JsonAnswer(BatchForecastResponse.of(forecast))

    async def accept(services: Factory) -> Response:
        batches = services.create_batch_updates()
        accepted = await batches.accept(
            merchant,
            _chosen(posted, batches, merchant),
            change,
            chosen_by=posted.chosen_by(),
            expected_count=posted.expected_count,
            actor=caller.actor,
        )
        return _accepted(accepted)

    return await answer_once(request, services, accept, merchant_id=merchant.id)


@router.get(
    "/v1/batch-updates",
    **documented(
        "list_batch_updates",
        "List batch updates",
        description="Those that a policy's `replan=apply` made, and undoings, are among them.",
        answers={OK: BatchUpdateListResponse},
        problems=["invalid_input"],
        scope="invitations:read",
    ),
)
async def list_batch_updates(
    caller: ReadsInvitations, services: Services, asked: Annotated[BatchUpdateListParameters, Query()]
) -> Response:
    batches = services.create_batch_updates()
    page = await batches.list_(caller.merchant, status=asked.status, page=asked.to_page())
    return JsonAnswer(BatchUpdateListResponse.of(page, asked))


@router.get(
    "/v1/batch-updates/{batch_id}",
    **documented(
        "get_batch_update",
        "Get a batch update and how far it is",
        answers={OK: BatchUpdateResponse},
        problems=["batch_update_not_found"],
        scope="invitations:read",
    ),
)
async def get_batch_update(batch_id: BatchId, caller: ReadsInvitations, services: Services) -> Response:
    found = await services.create_batch_updates().get(caller.merchant.id, batch_id)
    return JsonAnswer(BatchUpdateResponse.of(found))


@router.post(
    "/v1/batch-updates/{batch_id}/undo",
    **documented(
        "undo_batch_update",
        "Put back what a batch update changed",
        description="Within thirty days, for what has not moved since. Asked again, it answers with the same undoing.",
        answers={ACCEPTED: BatchUpdateResponse},
        problems=["batch_update_not_found", "undo_refused"],
        scope="invitations:write",
    ),
    status_code=ACCEPTED,
)
async def undo_batch_update(batch_id: BatchId, caller: WritesInvitations, services: Services) -> Response:
    return _accepted(await services.create_batch_updates().undo(caller.merchant, batch_id, actor=caller.actor))


def _chosen(posted: BatchUpdateRequest, batches: BatchUpdateService, merchant: Merchant) -> Chosen:
    if posted.filter is None:
        return posted.ids or []
    return batches.within(merchant, posted.filter.to_filter(), posted.period)


def _accepted(batch: BatchUpdate) -> Response:
    location = {"Location": f"/v1/batch-updates/{batch.id}"}
    return JsonAnswer(BatchUpdateResponse.of(batch), status_code=ACCEPTED, headers=location)
