"""Routes that take the request alone, beside one that asks for something."""

from collections.abc import AsyncIterator
from typing import Annotated, Literal

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import PlainTextResponse, Response

from invite_service.api.errors import install_problems
from invite_service.api.queries import query_parameters, read_query
from invite_service.api.routing import StrictRoute
from invite_service.api.schemas.fields import PARAMETERS
from invite_service.domain.errors import OrderNotFoundError

router = APIRouter(route_class=StrictRoute)


async def tell_method(request: Request) -> str:
    return request.method


@router.post("/alone")
async def answer_alone(request: Request) -> Response:
    return PlainTextResponse(await request.body(), headers={"X-Route": request.scope["route"].path})


@router.get("/asking")
async def answer_asking(request: Request, method: Annotated[str, Depends(tell_method)]) -> Response:
    return PlainTextResponse(method)


@router.get("/refusing")
async def refuse(request: Request) -> Response:
    raise OrderNotFoundError("No order of that id was posted.")


class Choice(BaseModel):
    """What may be chosen."""

    model_config = PARAMETERS

    replan: Literal["preview", "apply"] | None = None
    start: int | None = Field(default=None, alias="from")
    status: list[str] = Field(default_factory=list)


@router.get("/choosing")
async def answer_choosing(asked: Annotated[Choice, Query()]) -> Response:
    return PlainTextResponse(asked.model_dump_json())


@router.get("/reading", openapi_extra={"parameters": query_parameters(Choice)})
async def answer_reading(request: Request) -> Response:
    return PlainTextResponse(read_query(request, Choice).model_dump_json())


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI(openapi_url=None)
    install_problems(app)
    app.router.routes.extend(router.routes)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api.test") as opened:
        yield opened


async def test_a_route_that_takes_the_request_alone_answers(client: httpx.AsyncClient) -> None:
    answer = await client.post("/alone", content=b"posted")
    assert (answer.text, answer.headers["X-Route"]) == ("posted", "/alone")


async def test_a_route_that_asks_for_more_gets_it(client: httpx.AsyncClient) -> None:
    assert (await client.get("/asking")).text == "GET"


@pytest.mark.parametrize(("method", "path"), [("POST", "/alone"), ("GET", "/asking")])
async def test_both_refuse_parameters_they_do_not_take(client: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await client.request(method, f"{path}?replan=preview")
    assert answer.status_code == 422
    assert [fault["pointer"] for fault in answer.json()["errors"]] == ["?replan"]


async def test_what_a_route_that_takes_the_request_alone_raises_is_answered(client: httpx.AsyncClient) -> None:
    answer = await client.get("/refusing")
    assert (answer.status_code, answer.json()["code"]) == (404, "order_not_found")


@pytest.mark.parametrize("path", ["/choosing", "/reading"])
async def test_what_can_be_said_once_is_refused_twice_beside_other_faults(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(
        f"{path}?replan=preview&status=a&replan=apply&status=b&color=red&from=1&color=blue&from=2"
    )
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"pointer": "?replan", "code": "repeated", "detail": "Can be given once only."},
        {"pointer": "?from", "code": "repeated", "detail": "Can be given once only."},
        {"pointer": "?color", "code": "unknown_field", "detail": "There is no field of this name here."},
    ]


@pytest.mark.parametrize("path", ["/choosing", "/reading"])
async def test_lists_can_be_said_several_times(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(f"{path}?status=a&status=b&replan=apply")
    assert (answer.status_code, answer.json()) == (200, {"replan": "apply", "start": None, "status": ["a", "b"]})
