"""For load balancers and monitoring."""

from ipaddress import ip_address

from fastapi import APIRouter, Request
from starlette.responses import Response

from invite_service.api.answers import JsonAnswer
from invite_service.api.dependencies import Services, authorised_operator
from invite_service.api.errors import NOT_READY, OK
from invite_service.api.openapi import documented
from invite_service.api.schemas.operation import AliveResponse, ReadinessResponse

router = APIRouter(tags=["operations"])


@router.get(
    "/livez",
    **documented("get_livez", "Tell that the process answers", answers={OK: AliveResponse}, security=None),
)
async def get_livez() -> Response:
    return JsonAnswer(AliveResponse())


@router.head("/livez", include_in_schema=False)
async def head_livez() -> Response:
    return await get_livez()


@router.get(
    "/readyz",
    **documented(
        "get_readyz",
        "Tell whether requests can be answered",
        description="The database answers and its schema is at head. Redis may be missing.",
        answers={OK: ReadinessResponse, NOT_READY: ReadinessResponse},
        security=None,
    ),
)
async def get_readyz(services: Services) -> Response:
    readiness = await services.create_health().check()
    answer = ReadinessResponse.of(readiness)
    return JsonAnswer(answer, status_code=OK if readiness.is_ready else NOT_READY)


@router.head("/readyz", include_in_schema=False)
async def head_readyz(services: Services) -> Response:
    return await get_readyz(services)


@router.get(
    "/metrics",
    **documented(
        "get_metrics",
        "Get the process's metrics for Prometheus",
        description="From the machine itself without a key, from elsewhere with an operator's. A proxy on the same "
        "machine must send X-Forwarded-For, or not pass this address on.",
        answers={OK: None},
        problems=["api_key_invalid"],
        security=None,
    ),
)
async def get_metrics(request: Request, services: Services) -> Response:
    if not _is_local(request):
        await authorised_operator(request, services)
    metrics = services.metrics
    return Response(metrics.render(), headers={"Content-Type": metrics.content_type})


def _is_local(request: Request) -> bool:
    if request.client is None:
        return False
    try:
        return ip_address(request.client.host).is_loopback
    except ValueError:
        return False
