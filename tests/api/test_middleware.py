"""What happens around every request, on a small application: problems, limits, ids, metrics and log entries."""

import json
import re
from collections.abc import AsyncIterator
from io import StringIO
from typing import Annotated
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI, Query, Request
from starlette.responses import PlainTextResponse, Response

from invite_service.api.errors import install_problems
from invite_service.api.middleware import BodyLimitMiddleware, RequestMiddleware
from invite_service.domain.errors import OrderNotFoundError
from invite_service.telemetry import Metrics

REQUEST_ID = "0192f3a4-7c1e-7b5a-9d2e-3f4a5b6c7d8e"
GIVEN_ID = "11111111-2222-3333-4444-555555555555"
CANARY = "kari.canary@example.no"


async def echo(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


async def crash(token: str) -> Response:
    raise RuntimeError(f"secret {token}")


async def refuse() -> Response:
    raise OrderNotFoundError("No order of that id was posted.")


async def count(number: Annotated[int, Query()]) -> Response:
    return PlainTextResponse(str(number))


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def client(metrics: Metrics) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI(openapi_url=None)
    install_problems(app)
    app.add_api_route("/echo", echo, methods=["POST"])
    app.add_api_route("/large", echo, methods=["POST"])
    app.add_api_route("/crash/{token}", crash)
    app.add_api_route("/refuse", refuse)
    app.add_api_route("/count", count)
    app.add_middleware(BodyLimitMiddleware, limit=10, limits_by_path={re.compile("/large"): 20})
    app.add_middleware(RequestMiddleware, find_metrics=lambda: metrics, new_id=lambda: UUID(REQUEST_ID))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as opened:
        yield opened


def entries(log: StringIO) -> list[dict[str, object]]:
    return [
        entry
        for entry in map(json.loads, log.getvalue().splitlines())
        if str(entry["logger"]).startswith("invite_service")
    ]


def problem(code: str, status: int, detail: str, *errors: dict[str, str]) -> dict[str, object]:
    return {
        "type": f"urn:invite-service:problem:{code}",
        "title": code.replace("_", " ").capitalize(),
        "status": status,
        "code": code,
        "detail": detail,
        "request_id": REQUEST_ID,
        "errors": list(errors),
    }


async def test_a_domain_error_is_answered_with_its_problem(client: httpx.AsyncClient) -> None:
    answer = await client.get("/refuse")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"] == REQUEST_ID
    assert answer.json() == problem("order_not_found", 404, "No order of that id was posted.")


async def test_an_unknown_route_is_a_problem(client: httpx.AsyncClient) -> None:
    answer = await client.get("/nowhere")
    assert answer.status_code == 404
    assert answer.json() == problem("not_found", 404, "There is nothing at this address.")


async def test_a_wrong_method_is_a_problem_that_names_the_right_one(client: httpx.AsyncClient) -> None:
    answer = await client.get("/echo")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"
    assert answer.json() == problem("method_not_allowed", 405, "This address does not take this method.")


async def test_a_faulty_parameter_is_named_without_its_value(client: httpx.AsyncClient) -> None:
    answer = await client.get("/count", params={"number": "seven"})
    assert answer.status_code == 422
    fault = {"pointer": "?number", "code": "invalid_type", "detail": "Must be a whole number."}
    assert answer.json() == problem("invalid_input", 422, "The request has faults.", fault)


async def test_a_crash_is_answered_and_logged_without_what_the_request_held(
    client: httpx.AsyncClient, log: StringIO
) -> None:
    answer = await client.get(f"/crash/{CANARY}", params={"q": CANARY}, headers={"Authorization": f"Bearer {CANARY}"})
    assert answer.status_code == 500
    assert answer.json() == problem(
        "internal_error", 500, "Something went wrong on our side. Quote the request id when you ask about it."
    )
    assert CANARY not in log.getvalue()
    crashed, answered = entries(log)
    assert (crashed["event"], crashed["route"]) == ("Failed to answer a request", "/crash/{token}")
    assert (answered["route"], answered["status"]) == ("/crash/{token}", 500)


@pytest.mark.parametrize(("path", "limit"), [("/echo", 10), ("/large", 20)])
async def test_a_body_up_to_the_limit_is_read_and_a_larger_one_refused(
    client: httpx.AsyncClient, path: str, limit: int
) -> None:
    assert (await client.post(path, content=b"x" * limit)).text == str(limit)
    answer = await client.post(path, content=b"x" * (limit + 1))
    assert answer.status_code == 413
    assert answer.json() == problem("body_too_large", 413, f"The body is larger than {limit} bytes.")


async def test_a_body_of_unknown_length_is_refused_while_it_is_read(client: httpx.AsyncClient) -> None:
    chunks_sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal chunks_sent
        while True:
            chunks_sent += 1
            yield b"xxxx"

    answer = await client.post("/echo", content=endless())
    assert answer.status_code == 413
    assert answer.json() == problem("body_too_large", 413, "The body is larger than 10 bytes.")
    assert chunks_sent == 3


@pytest.mark.parametrize(
    ("given", "used"),
    [(GIVEN_ID, GIVEN_ID), (GIVEN_ID.replace("-", ""), GIVEN_ID.replace("-", "")), ("4791234567", REQUEST_ID)],
)
async def test_a_request_keeps_a_uuid_it_brings_and_nothing_else(
    client: httpx.AsyncClient, given: str, used: str
) -> None:
    answer = await client.post("/echo", headers={"X-Request-ID": given})
    assert answer.headers["x-request-id"] == used


async def test_each_request_leaves_one_entry_with_its_route_template(client: httpx.AsyncClient, log: StringIO) -> None:
    await client.post("/echo?email=kari@example.no", content=b"x")
    await client.get("/nowhere/kari@example.no")
    first, second = entries(log)
    assert {name: first[name] for name in ("event", "route", "method", "status", "merchant_id", "request_id")} == {
        "event": "Answered a request",
        "route": "/echo",
        "method": "POST",
        "status": 200,
        "merchant_id": None,
        "request_id": REQUEST_ID,
    }
    assert second["route"] == "unrouted"
    assert "kari" not in log.getvalue()


async def test_requests_are_counted_by_route_method_and_status(client: httpx.AsyncClient, metrics: Metrics) -> None:
    await client.post("/echo", content=b"x")
    await client.request("BREW", "/teapot/4711")
    text = metrics.render().decode()
    assert 'invite_http_requests_total{method="POST",route="/echo",status="200"} 1.0' in text
    assert 'invite_http_requests_total{method="other",route="unrouted",status="404"} 1.0' in text
    assert "teapot" not in text


@pytest.mark.parametrize("address", ["/refuse%00", "/refuse?number=%00"])
async def test_an_address_with_a_zero_character_is_refused(client: httpx.AsyncClient, address: str) -> None:
    answer = await client.get(address)
    assert answer.status_code == 400
    assert answer.json() == problem("bad_request", 400, "The address must not hold U+0000.")


async def test_a_client_that_leaves_before_its_body_has_come_is_no_failure(
    client: httpx.AsyncClient, log: StringIO
) -> None:
    transport = client._transport
    assert isinstance(transport, httpx.ASGITransport)
    sent = []

    async def receive() -> dict[str, object]:
        return {"type": "http.disconnect"}

    async def send(message: object) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/echo",
        "raw_path": b"/echo",
        "query_string": b"",
        "root_path": "",
        "headers": [],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    await transport.app(scope, receive, send)
    assert sent == []
    [entry] = entries(log)
    assert (entry["event"], entry["route"], entry["status"]) == ("Answered a request", "/echo", 499)


@pytest.mark.parametrize("address", ["/i/%00", "/i/x?stars=%00", "/u/a%00b/c", "/p/%00/review-policy"])
async def test_a_person_whose_link_has_a_zero_character_is_shown_a_page(
    client: httpx.AsyncClient, address: str
) -> None:
    answer = await client.get(address, headers={"Accept-Language": "nb"})
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert "Denne lenken virker ikke" in answer.text
