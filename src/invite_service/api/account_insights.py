"""How an account does: its self-check, response rate, funnel and costs, as JSON, CSV or a chart."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Annotated, Any, Final, TypeVar

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from invite_service.api.answers import JSON_TYPE, JsonAnswer
from invite_service.api.dependencies import ReadsInsights, Services
from invite_service.api.errors import OK
from invite_service.api.openapi import documented
from invite_service.api.representations import choose_type
from invite_service.api.routing import StrictRoute
from invite_service.api.schemas.account_insight import (
    AccountHealthResponse,
    CostResponse,
    CostsResponse,
    FunnelByPartResponse,
    FunnelParameters,
    FunnelPartResponse,
    FunnelResponse,
    PartParameters,
    ResponseRateResponse,
    ResponseShareResponse,
    StageResponse,
)
from invite_service.api.spreadsheets import CSV_TYPE, answer_csv
from invite_service.rendering.charts import Bar, draw_bars

T = TypeVar("T")

router = APIRouter(tags=["insights"], route_class=StrictRoute)

SVG_TYPE: Final = "image/svg+xml"

_TYPES: Final = (JSON_TYPE, CSV_TYPE, SVG_TYPE)

_PROSE: Final = "As JSON, or by the Accept header as `text/csv` or as a chart (`image/svg+xml`)."


def _documented(operation_id: str, summary: str, model: Any, description: str) -> dict[str, Any]:
    route = documented(
        operation_id,
        summary,
        description=f"{description} {_PROSE}",
        answers={OK: model},
        problems=["invalid_input"],
        scope="insights:read",
    )
    text = {"schema": {"type": "string"}}
    route["responses"][OK]["content"] = {CSV_TYPE: text, SVG_TYPE: text}
    return route


@router.get(
    "/v1/insights/health",
    **documented(
        "get_account_health",
        "Check the account",
        description="Each check says how it stands, why, and which call shows more.",
        answers={OK: AccountHealthResponse},
        scope="insights:read",
    ),
)
async def get_account_health(caller: ReadsInsights, services: Services) -> Response:
    return JsonAnswer(AccountHealthResponse.of(await services.create_account_health().check(caller.merchant)))


@router.get(
    "/v1/insights/response-rate",
    **_documented(
        "get_response_rate",
        "Tell how many answered",
        ResponseRateResponse,
        "Ratings received in the period for each invitation sent in it, its first and second message as one.",
    ),
)
async def get_response_rate(
    request: Request, caller: ReadsInsights, services: Services, asked: Annotated[PartParameters, Query()]
) -> Response:
    found = await services.create_account_insights().response_rate(caller.merchant, asked.to_span(), by=asked.by)
    answer = ResponseRateResponse.of(found, asked.by)
    return await _answer(
        request,
        answer,
        items=answer.items,
        model=ResponseShareResponse,
        name="response-rate.csv",
        title=f"Ratings per invitation by {asked.by}",
        bar=lambda item: Bar(item.part or "service", item.rate or 0.0, _percent(item.rate)),
    )


@router.get(
    "/v1/insights/funnel",
    **_documented(
        "get_funnel",
        "Follow orders to reviews",
        FunnelResponse | FunnelByPartResponse,
        "The orders received in the period, and how far each has come by now; with `by` part by part as well.",
    ),
)
async def get_funnel(
    request: Request, caller: ReadsInsights, services: Services, asked: Annotated[FunnelParameters, Query()]
) -> Response:
    insights, span = services.create_account_insights(), asked.to_span()
    funnel = await insights.funnel(caller.merchant, span)
    if asked.by is not None:
        parts = await insights.funnel_parts(caller.merchant, span, by=asked.by)
        by_part = FunnelByPartResponse.of_parts(funnel, parts, asked.by)
        return await _answer(
            request,
            by_part,
            items=by_part.items,
            model=FunnelPartResponse,
            name="funnel.csv",
            title=f"Ratings of orders by {asked.by}",
            bar=lambda item: Bar(item.part or "none", item.rated, f"{item.rated} of {item.ordered}"),
        )
    answer = FunnelResponse.of(funnel)
    return await _answer(
        request,
        answer,
        items=StageResponse.all_of(answer),
        model=StageResponse,
        name="funnel.csv",
        title="From orders to reviews",
        bar=lambda item: Bar(item.stage.replace("_", " "), item.count, str(item.count)),
    )


@router.get(
    "/v1/insights/costs",
    **_documented(
        "get_costs",
        "Add up what messages cost",
        CostsResponse,
        "Of messages that providers accepted in the period, by currency.",
    ),
)
async def get_costs(
    request: Request, caller: ReadsInsights, services: Services, asked: Annotated[PartParameters, Query()]
) -> Response:
    answer = CostsResponse.of(
        await services.create_account_insights().costs(caller.merchant, asked.to_span(), by=asked.by), asked.by
    )
    return await _answer(
        request,
        answer,
        items=answer.items,
        model=CostResponse,
        name="costs.csv",
        title=f"Cost of messages by {asked.by}",
        bar=lambda item: Bar(item.part, float(item.amount), f"{item.amount} {item.currency}"),
    )


def _percent(rate: float | None) -> str:
    return "none sent" if rate is None else f"{rate:.1%}"


async def _answer(
    request: Request,
    answer: object,
    *,
    items: Sequence[T],
    model: type[T],
    name: str,
    title: str,
    bar: Callable[[T], Bar],
) -> Response:
    """Answer in the form that the caller's Accept header likes best; JSON where it says nothing."""
    match choose_type(request.headers.get("Accept"), _TYPES):
        case kind if kind == CSV_TYPE:

            async def whole() -> AsyncIterator[Sequence[T]]:
                yield items

            found = await answer_csv(whole(), model=model, shape=lambda item: item, name=name)
        case kind if kind == SVG_TYPE:
            found = Response(draw_bars(title, [bar(item) for item in items]), media_type=SVG_TYPE)
        case _:
            found = JsonAnswer(answer)
    found.headers["Vary"] = "Accept"
    return found
