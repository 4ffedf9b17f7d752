"""What load balancers, monitoring and readers of the documentation get."""

from collections.abc import AsyncIterator
from unittest.mock import ANY

import asyncpg
import httpx
import pytest
from pydantic import SecretStr

from invite_service.bootstrap import new_id
from invite_service.config import Settings
from invite_service.domain.errors import SchemaOutdatedError
from invite_service.domain.invitation import Step
from invite_service.domain.merchant import MerchantId
from invite_service.main import create_app
from invite_service.services.tokens import TokenPurpose
from tests.api.conftest import SECRET, Api, Clock, MerchantClient, make_order, make_problem, serve


async def test_a_process_that_answers_is_alive(api: Api) -> None:
    answer = await api.http.get("/livez")
    assert (answer.status_code, answer.json()) == (200, {"status": "alive"})


async def test_without_redis_it_is_ready(api: Api) -> None:
    answer = await api.http.get("/readyz")
    assert (answer.status_code, answer.json()) == (
        200,
        {"status": "ready", "database": "ok", "redis": "not_configured"},
    )


async def test_with_redis_it_is_ready_and_says_so(settings: Settings, redis_url: str, clock: Clock) -> None:
    with_redis = settings.model_copy(update={"redis_url": SecretStr(redis_url)})
    async with serve(with_redis, clock=clock) as api:
        answer = await api.http.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "database": "ok", "redis": "ok"})


async def test_with_redis_gone_it_is_ready_but_degraded(settings: Settings, clock: Clock) -> None:
    with_redis = settings.model_copy(update={"redis_url": SecretStr("redis://127.0.0.1:9")})
    async with serve(with_redis, clock=clock) as api:
        answer = await api.http.get("/readyz")
        decided = await (await api.make_merchant()).post_order()
    assert (answer.status_code, answer.json()) == (
        200,
        {"status": "degraded", "database": "ok", "redis": "unreachable"},
    )
    assert decided["outcome"] == "invited"


async def test_on_an_older_schema_it_is_not_ready(api: Api) -> None:
    async with api.context.database.transaction() as stores:
        await stores._driver.execute("UPDATE alembic_version SET version_num = '0000'")
    answer = await api.http.get("/readyz")
    assert (answer.status_code, answer.json()) == (
        503,
        {"status": "not_ready", "database": "outdated", "redis": "not_configured"},
    )


async def test_it_refuses_to_start_on_a_database_without_a_schema(unmigrated_database_url: str) -> None:
    app = create_app(
        Settings(database_url=SecretStr(unmigrated_database_url), secret_key=SecretStr(SECRET), database_pool_size=2)
    )
    with pytest.raises(SchemaOutdatedError, match="run `invite-service migrate`"):
        async with app.router.lifespan_context(app):
            pass


async def test_with_the_database_gone_it_says_so_and_asks_to_come_back(
    api: Api, merchant: MerchantClient, database_url: str
) -> None:
    server, _, name = database_url.replace("+asyncpg", "").rpartition("/")
    admin = await asyncpg.connect(f"{server}/postgres")
    await admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
    await admin.close()
    answer = await merchant.get("/v1/policy")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.json() == make_problem(
        "database_unavailable", 503, "The database cannot be reached right now.", request_id=ANY
    )
    merchant_id = MerchantId(merchant.id)
    token = api.context.signer.make(
        merchant_id, new_id(), purpose=TokenPurpose.PAGE, step=Step.SERVICE, at=api.clock.now
    )
    page = await api.http.get(f"/i/{token}")
    assert (page.status_code, page.headers["retry-after"]) == (503, "1")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    ready = await api.http.get("/readyz")
    assert (ready.status_code, ready.json()) == (
        503,
        {"status": "not_ready", "database": "unreachable", "redis": "not_configured"},
    )
    assert (await api.http.get("/livez")).status_code == 200


async def test_metrics_are_for_the_machine_itself_and_for_operators(api: Api, merchant: MerchantClient) -> None:
    await merchant.post_order()
    assert (await api.http.get("/metrics")).status_code == 401
    assert (await merchant.get("/metrics")).status_code == 401
    for_operators = await api.operate("GET", "/metrics")
    assert for_operators.status_code == 200
    assert for_operators.headers["content-type"].startswith("text/plain; version=")
    assert 'invite_orders_ingested_total{outcome="invited"} 1.0' in for_operators.text
    assert 'invite_http_requests_total{method="POST",route="/v1/orders",status="201"} 1.0' in for_operators.text
    app = create_app(context=api.context)
    local = httpx.ASGITransport(app, client=("127.0.0.1", 4711))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=local, base_url="http://api.test") as http,
    ):
        assert (await http.get("/metrics")).status_code == 200


async def test_the_documentation_is_one_page_that_needs_nothing_else(api: Api) -> None:
    answer = await api.http.get("/docs")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert "Post an order event" in answer.text
    assert "<script" not in answer.text
    assert "src=" not in answer.text


async def test_unknown_addresses_and_methods_are_problems(api: Api) -> None:
    for method, path, status, code in (
        ("GET", "/", 404, "not_found"),
        ("GET", "/v1/nothing", 404, "not_found"),
        ("DELETE", "/v1/orders", 405, "method_not_allowed"),
        ("POST", "/v1/orders/", 405, "method_not_allowed"),
        ("BREW", "/livez", 405, "method_not_allowed"),
    ):
        answer = await api.http.request(method, path)
        assert (answer.status_code, answer.json()["code"]) == (status, code), (method, path)
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/v1/orders", "GET, POST"),
        ("/v1/orders/batch", "GET, POST"),
        ("/v1/policy", "GET, PATCH"),
        ("/v1/api-keys/abc", "DELETE"),
        ("/livez", "GET, HEAD"),
        ("/public/v1/invitations/abc", "GET, OPTIONS"),
    ],
)
async def test_a_wrong_method_is_told_every_right_one(api: Api, path: str, methods: str) -> None:
    answer = await api.http.put(path)
    assert answer.status_code == 405
    assert answer.headers["allow"] == methods


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
async def test_a_load_balancer_may_ask_by_head(api: Api, path: str) -> None:
    answer = await api.http.head(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")


async def test_parameters_are_refused_where_none_are_taken(api: Api, merchant: MerchantClient) -> None:
    for method, path in (
        ("POST", "/v1/simulations?replan=preview"),
        ("POST", "/v1/orders?replan=preview"),
        ("GET", "/public/v1/invitations/abc?replan=preview"),
    ):
        answer = await merchant.request(method, path, json={}, headers={"If-Match": "*"})
        assert answer.status_code == 422, path
        assert answer.json() == make_problem(
            "invalid_input",
            422,
            "The request has faults.",
            ("?replan", "unknown_field", "There is no field of this name here."),
            request_id=ANY,
        )
    several = await merchant.get("/v1/ratings/summary?b&a=SECRET&b=2&")
    assert [fault["pointer"] for fault in several.json()["errors"]] == ["?b", "?a"]
    assert "SECRET" not in several.text
    assert (await api.http.get("/livez?verbose")).status_code == 200


async def test_a_page_of_the_merchants_site_may_read_what_is_answered_before_and_above_the_route(
    api: Api, merchant: MerchantClient
) -> None:
    async def too_much() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b" " * 512 * 1024

    token = api.context.signer.make(
        MerchantId(merchant.id), new_id(), purpose=TokenPurpose.PAGE, step=Step.PRODUCT_1, at=api.clock.now
    )
    path = f"/public/v1/invitations/{token}/ratings"
    for origin, allowed in (("https://gifts.example", ["https://gifts.example"]), ("https://other.example", [])):
        headers = {"Origin": origin}
        for answer, status in (
            (await api.http.post(path, content=too_much(), headers=headers), 413),
            (await api.http.post(path, content=b"{", headers=headers), 400),
            (await api.http.post(path, json={"ratings": [{"product_id": "mug", "stars": 5}]}, headers=headers), 404),
            (await api.http.options(path, headers=headers), 204),
        ):
            assert answer.status_code == status
            assert answer.headers.get_list("access-control-allow-origin") == allowed


async def test_orders_that_cannot_be_stored_in_time_are_to_be_sent_again(api: Api, merchant: MerchantClient) -> None:
    await api.context.ingest_queue.close()
    answer = await merchant.post("/v1/orders", make_order())
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.json() == make_problem("overloaded", 503, "The service is about to stop; try again.", request_id=ANY)
