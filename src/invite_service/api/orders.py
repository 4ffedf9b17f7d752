"""Order events in, decisions out."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from invite_service.api.answers import JsonAnswer
from invite_service.api.batches import FAULTY_EVENT, answer_batch, read_batch
from invite_service.api.bodies import read_body_and_document
from invite_service.api.dependencies import ReadsOrders, Services, WritesOrders, authorise, factory_of
from invite_service.api.errors import CREATED, OK, request_id_of
from invite_service.api.languages import choose_language
from invite_service.api.openapi import documented
from invite_service.api.routing import StrictRoute
from invite_service.api.schemas.batch import BatchRequest
from invite_service.api.schemas.decision import BatchResponse, DecisionResponse
from invite_service.api.schemas.listing import OrderChoice, OrderListParameters, OrderListResponse
from invite_service.api.schemas.order import ORDER, OrderRequest
from invite_service.api.schemas.order_state import OrderResponse, OrderSummaryResponse, StoryParameters
from invite_service.api.spreadsheets import CSV_ANSWER, CSV_PROSE, answer_csv
from invite_service.domain.errors import InvalidInputError
from invite_service.services.access import Scope
from invite_service.services.ingest import IngestedOrder, IngestItem, IngestResult

router = APIRouter(tags=["orders"], route_class=StrictRoute)


@router.post(
    "/v1/orders",
    **documented(
        "post_order",
        "Post an order event",
        description="Decides whether the customer is asked for a review, and says why. Answered once it is stored; "
        "201 for the first event of an order, 200 for further ones. The same event again changes nothing.",
        takes=OrderRequest,
        answers={CREATED: DecisionResponse, OK: DecisionResponse},
        problems=["overloaded"],
        scope="orders:write",
    ),
)
async def post_order(request: Request) -> Response:
    # The route that takes the traffic asks for nothing by Depends: resolving it cost as much as checking the body.
    services = factory_of(request)
    caller = await authorise(request, services, Scope.ORDERS_WRITE)
    posted, document = await read_body_and_document(request, ORDER)
    item = IngestItem(posted.to_event(), document)
    ingested = _accepted(await services.ingest_queue.ingest(caller.merchant.id, item))
    answer = DecisionResponse.of(ingested.order, ingested.invitation)
    return JsonAnswer(answer, status_code=CREATED if ingested.is_new else OK)


@router.post(
    "/v1/orders/batch",
    **documented(
        "post_orders",
        "Post up to 1000 order events",
        description="They are decided in the order of their purchases and stored in one transaction. A faulty event "
        "is refused with its problem, and the others go through.",
        takes=BatchRequest,
        answers={OK: BatchResponse},
        scope="orders:write",
    ),
)
async def post_orders(request: Request, caller: WritesOrders, services: Services) -> Response:
    batch = await read_batch(request)
    results = await services.create_ingest().ingest(caller.merchant.id, batch.accepted)
    return JsonAnswer(answer_batch(batch, results, request_id=request_id_of(request.scope)))


@router.post(
    "/v1/orders/preview",
    **documented(
        "preview_order",
        "Decide an order event without storing it",
        description="Answers what posting the same event now would answer.",
        takes=OrderRequest,
        answers={OK: DecisionResponse},
        scope="orders:read",
    ),
)
async def preview_order(request: Request, caller: ReadsOrders, services: Services) -> Response:
    posted, _ = await read_body_and_document(request, ORDER)
    results = await services.create_ingest().preview(caller.merchant.id, [posted.to_event()])
    ingested = _accepted(results[0])
    return JsonAnswer(DecisionResponse.of(ingested.order, ingested.invitation))


@router.get(
    "/v1/orders",
    **documented(
        "list_orders",
        "List orders",
        answers={OK: OrderListResponse},
        problems=["invalid_input"],
        scope="orders:read",
    ),
)
async def list_orders(
    caller: ReadsOrders, services: Services, asked: Annotated[OrderListParameters, Query()]
) -> Response:
    page = await services.create_orders().list_(caller.merchant, asked.to_filter(), page=asked.to_page())
    return JsonAnswer(OrderListResponse.of(page, asked))


@router.get(
    "/v1/orders.csv",
    **documented(
        "export_orders",
        "Export orders as CSV",
        description=f"Every order that the same parameters list, and the same fields. {CSV_PROSE}",
        problems=["invalid_input"],
        scope="orders:read",
    )
    | CSV_ANSWER,
)
async def export_orders(caller: ReadsOrders, services: Services, asked: Annotated[OrderChoice, Query()]) -> Response:
    chunks = services.create_orders().export(caller.merchant, asked.to_filter(), ascending=asked.is_ascending)
    return await answer_csv(chunks, model=OrderSummaryResponse, shape=OrderSummaryResponse.of, name="orders.csv")


@router.get(
    "/v1/orders/{order_id:path}",
    **documented(
        "get_order",
        "Get an order",
        description="What is known of it, every rule that was looked at with what it said in plain words, its "
        "invitation, and what happened. The words are of the language in Content-Language, their dates of the "
        "merchant's zone. The id is percent-encoded; it may hold / and #.",
        answers={OK: OrderResponse},
        problems=["order_not_found", "invalid_input"],
        scope="orders:read",
    ),
)
async def get_order(
    request: Request, order_id: str, caller: ReadsOrders, services: Services, asked: Annotated[StoryParameters, Query()]
) -> Response:
    language = choose_language(asked.language, request.headers.get("Accept-Language"))
    found = await services.create_orders().get(caller.merchant, order_id, language=language)
    headers = {"Content-Language": language, "Vary": "Accept-Language"}
    return JsonAnswer(OrderResponse.of(found), headers=headers)


def _accepted(result: IngestResult) -> IngestedOrder:
    if isinstance(result, IngestedOrder):
        return result
    raise InvalidInputError(FAULTY_EVENT, faults=result.faults)
