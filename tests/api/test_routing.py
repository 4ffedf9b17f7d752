"""Routes that take the request alone, beside one that asks for something."""

from collections.abc import AsyncIterator
from typing import Annotated

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, Request
from starlette.responses import PlainTextResponse, Response

from invite_service.api.errors import install_problems
from invite_service.api.routing import StrictRoute
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
