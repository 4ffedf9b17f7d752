"""Figures that add up."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from invite_service.api.answers import JsonAnswer
from invite_service.api.dependencies import ReadsInsights, Services
from invite_service.api.errors import OK
from invite_service.api.openapi import documented
from invite_service.api.routing import StrictRoute
from invite_service.api.schemas.insight import ReconciliationResponse, SpanParameters

router = APIRouter(tags=["insights"], route_class=StrictRoute)


@router.get(
    "/v1/insights/reconciliation",
    **documented(
        "get_reconciliation",
        "Count orders by what became of them",
        description="Every order received is counted under exactly one outcome. Behind each number stand the orders "
        "that its link lists, as far as none changed since.",
        answers={OK: ReconciliationResponse},
        problems=["invalid_input"],
        scope="insights:read",
    ),
)
async def get_reconciliation(
    caller: ReadsInsights, services: Services, asked: Annotated[SpanParameters, Query()]
) -> Response:
    span = asked.to_span()
    figures = await services.create_insights().reconcile(caller.merchant, start=span.start, end=span.end)
    return JsonAnswer(ReconciliationResponse.of(figures, span))
