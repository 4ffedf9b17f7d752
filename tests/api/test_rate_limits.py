"""How many requests a key may make, and how it is told."""

from collections.abc import AsyncIterator
from datetime import timedelta
from unittest.mock import ANY

import pytest

from invite_service.config import Settings
from tests.api.conftest import Api, Clock, MerchantClient, make_problem, serve


@pytest.fixture
async def narrow(settings: Settings, clock: Clock) -> AsyncIterator[Api]:
    """The application with a limit of two requests a minute."""
    async with serve(settings.model_copy(update={"rate_limit": 2}), clock=clock) as api:
        yield api


async def test_every_answer_to_a_key_says_how_many_requests_are_left(merchant: MerchantClient) -> None:
    for path, left in (("/v1/policy", 299_999), ("/v1/orders/none", 299_998), ("/v1/orders?limit=0", 299_997)):
        answer = await merchant.get(path)
        assert answer.headers["ratelimit-policy"] == '"default";q=300000;w=60'
        assert answer.headers["ratelimit"] == f'"default";r={left};t=60'


async def test_one_request_too_many_is_refused_until_the_next_minute(narrow: Api) -> None:
    merchant = await narrow.make_merchant()
    other = await narrow.make_merchant("other-shop")
    first = await merchant.get("/v1/policy")
    assert first.headers["ratelimit"] == '"default";r=1;t=60'
    narrow.clock.now += timedelta(seconds=20, milliseconds=500)
    assert (await merchant.post("/v1/orders", {})).headers["ratelimit"] == '"default";r=0;t=40'
    for _ in range(2):
        refused = await merchant.get("/v1/policy")
        assert refused.status_code == 429
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.headers["retry-after"] == "40"
        assert refused.headers["ratelimit-policy"] == '"default";q=2;w=60'
        assert refused.headers["ratelimit"] == '"default";r=0;t=40'
        assert refused.json() == make_problem(
            "quota_exceeded", 429, "The key has made more than 2 requests in a minute.", request_id=ANY
        )
    assert (await other.get("/v1/policy")).status_code == 200
    narrow.clock.now += timedelta(seconds=39, milliseconds=500)
    assert (await merchant.get("/v1/policy")).status_code == 200


async def test_who_has_no_key_of_a_merchant_is_not_counted(narrow: Api) -> None:
    for _ in range(3):
        listed = await narrow.operate("GET", "/v1/merchants")
        assert listed.status_code == 200
        assert "ratelimit" not in listed.headers
        assert (await narrow.call("GET", "/v1/policy", key="wrong")).status_code == 401


async def test_without_a_limit_nothing_is_counted(settings: Settings, clock: Clock) -> None:
    async with serve(settings.model_copy(update={"rate_limit": 0}), clock=clock) as api:
        merchant = await api.make_merchant()
        answer = await merchant.get("/v1/policy")
        assert answer.status_code == 200
        assert "ratelimit" not in answer.headers
