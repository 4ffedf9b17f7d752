"""A merchant's invitation settings, every version kept."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import TypeAdapter
from starlette.responses import Response

from invite_service.api.answers import JsonAnswer
from invite_service.api.bodies import read_document, validate_part
from invite_service.api.dependencies import ReadsPolicy, Services, WritesPolicy
from invite_service.api.errors import OK
from invite_service.api.openapi import documented
from invite_service.api.preconditions import etag_of, read_if_match
from invite_service.api.routing import StrictRoute
from invite_service.api.schemas.paging import VersionListParameters
from invite_service.api.schemas.policy import (
    PolicyPatch,
    PolicyPatchParameters,
    PolicyResponse,
    PolicyVersionListResponse,
    PolicyVersionResponse,
    ReplanPreviewResponse,
    policy_response,
    with_window_fault,
)
from invite_service.domain.batch_update import BatchUpdate
from invite_service.domain.errors import InvalidInputError
from invite_service.domain.policy import Policy

router = APIRouter(tags=["policy"], route_class=StrictRoute)

_PATCH = TypeAdapter(PolicyPatch)


@router.get(
    "/v1/policy",
    **documented("get_policy", "Get the policy", answers={OK: PolicyResponse}, scope="policy:read"),
)
async def get_policy(caller: ReadsPolicy, services: Services) -> Response:
    return _answer(await services.create_policy().get(caller.merchant.id))


@router.patch(
    "/v1/policy",
    **documented(
        "patch_policy",
        "Change the policy",
        description="Makes a new version, which holds for what is decided from now on. Needs If-Match with the ETag "
        "that was read, or *. With `replan=preview` nothing is saved and the answer is a ReplanPreviewResponse, which "
        "decides up to 100,000 orders that wait; with `replan=apply` open invitations are planned again, and orders "
        "that now trigger are decided, by the batch update that the header Batch-Update names.",
        takes=PolicyPatch,
        answers={OK: PolicyResponse | ReplanPreviewResponse},
        problems=["if_match_required", "version_mismatch"],
        scope="policy:write",
    ),
)
async def patch_policy(
    request: Request, caller: WritesPolicy, services: Services, asked: Annotated[PolicyPatchParameters, Query()]
) -> Response:
    replacing = read_if_match(request)
    policies = services.create_policy()
    document = read_document(await request.body())
    try:
        changes = validate_part(document, _PATCH, check_text=True)
    except InvalidInputError as error:
        current = policy_response(await policies.get(caller.merchant.id))
        raise InvalidInputError(error.detail, faults=with_window_fault(error.faults, document, current)) from None
    if asked.replan == "preview":
        preview = await services.create_replanning().preview(caller.merchant, changes, replacing=replacing)
        return JsonAnswer(ReplanPreviewResponse.of(preview))
    if asked.replan == "apply":
        policy, batch = await services.create_replanning().apply(
            caller.merchant, changes, replacing=replacing, actor=caller.actor
        )
        return _answer(policy, batch)
    return _answer(await policies.patch(caller.merchant.id, changes, replacing=replacing, actor=caller.actor))


@router.get(
    "/v1/policy/versions",
    **documented(
        "list_policy_versions",
        "List all versions of the policy",
        answers={OK: PolicyVersionListResponse},
        problems=["invalid_input"],
        scope="policy:read",
    ),
)
async def list_policy_versions(
    caller: ReadsPolicy, services: Services, asked: Annotated[VersionListParameters, Query()]
) -> Response:
    found = await services.create_policy().list_versions(
        caller.merchant.id, before=asked.before(), limit=asked.limit + 1
    )
    items = [
        PolicyVersionResponse(
            created_at=version.created_at, created_by=version.created_by, policy=policy_response(version.policy)
        )
        for version in found[: asked.limit]
    ]
    last = items[-1] if len(found) > asked.limit else None
    next_cursor = asked.cursor_after(last.policy["version"], created_at=last.created_at) if last else None
    return JsonAnswer(PolicyVersionListResponse(items=items, next_cursor=next_cursor))


def _answer(policy: Policy, batch: BatchUpdate | None = None) -> Response:
    headers = {"ETag": etag_of(policy.version)}
    if batch is not None:
        headers["Batch-Update"] = f"/v1/batch-updates/{batch.id}"
    return JsonAnswer(policy_response(policy), headers=headers)
