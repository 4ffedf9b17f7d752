"""What customers ask about their data: a copy of it, and that it is erased.

Contacts are posted and never stand in an address.
"""

from fastapi import APIRouter, Request
from starlette.responses import Response

from invite_service.api.answers import JsonAnswer
from invite_service.api.bodies import read_body
from invite_service.api.dependencies import ReadsCustomers, Services, WritesCustomers
from invite_service.api.errors import OK
from invite_service.api.openapi import documented
from invite_service.api.routing import StrictRoute
from invite_service.api.schemas.customer import (
    ERASE,
    EXPORT,
    CustomerRecordResponse,
    EraseRequest,
    ErasureResponse,
    ExportRequest,
)

router = APIRouter(tags=["customers"], route_class=StrictRoute)

_WHOSE = (
    "A customer is everything that carries the contact, or one of the contacts that these orders tell beside it: a "
    "number that a household shares brings all of its orders."
)


@router.post(
    "/v1/customers/export",
    **documented(
        "export_customer",
        "Export everything that is kept of a customer",
        description=f"{_WHOSE} Look at it before you hand it over.",
        takes=ExportRequest,
        answers={OK: CustomerRecordResponse},
        problems=["too_many_orders"],
        scope="customers:read",
    ),
)
async def export_customer(request: Request, caller: ReadsCustomers, services: Services) -> Response:
    posted = await read_body(request, EXPORT)
    record = await services.create_customers().export(caller.merchant, posted.to_subject())
    return JsonAnswer(CustomerRecordResponse.of(record))


@router.post(
    "/v1/customers/erase",
    **documented(
        "erase_customer",
        "Erase a customer",
        description=f"{_WHOSE} Names, addresses, numbers, texts and pictures go, and cannot be brought back; what is "
        "planned ends, links lead to nothing any more, and no contact is ever written to again. Stars stay counted. "
        "The same again finds nothing and is answered alike.",
        takes=EraseRequest,
        answers={OK: ErasureResponse},
        scope="customers:write",
    ),
)
async def erase_customer(request: Request, caller: WritesCustomers, services: Services) -> Response:
    posted = await read_body(request, ERASE)
    erasure = await services.create_customers().erase(
        caller.merchant, posted.to_subject(), keeps_reviews=posted.keep_reviews, actor=caller.actor
    )
    return JsonAnswer(ErasureResponse.of(erasure))
