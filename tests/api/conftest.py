"""The API as it is served: the real application over a real database, its lifespan run."""

import functools
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import httpx
import pytest
import structlog
from pydantic import SecretStr

from invite_service.bootstrap import Factory, ProcessContext
from invite_service.config import Settings
from invite_service.main import create_app
from invite_service.storage.database import Database
from invite_service.telemetry import configure_logging

SECRET = "a secret of tests, long enough to be one"

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
"""Where the clock of this package's tests stands unless they move it: a Monday."""


class Clock:
    """Real time as a test sets it."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


class Api:
    """The served application, with clients that carry the keys of whoever calls."""

    def __init__(self, context: ProcessContext, http: httpx.AsyncClient, clock: Clock) -> None:
        self.context = context
        self.factory = Factory(context)
        self.http = http
        self.clock = clock
        self.operator_key = ""

    async def call(self, method: str, path: str, *, key: str | None, **request: Any) -> httpx.Response:
        """Send a request with a key, or without one."""
        headers = {**({"Authorization": f"Bearer {key}"} if key is not None else {}), **request.pop("headers", {})}
        return await self.http.request(method, path, headers=headers, **request)

    async def operate(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Send a request with the operator's key."""
        return await self.call(method, path, key=self.operator_key, **request)

    async def make_merchant(self, merchant_id: str = "gift-shop", **changes: Any) -> "MerchantClient":
        """Make a merchant over HTTP and give a client with its first key."""
        body = {
            "id": merchant_id,
            "name": "The Gift Shop",
            "time_zone": "Europe/Oslo",
            "homepage_url": "https://gifts.example",
            **changes,
        }
        answer = await self.operate("POST", "/v1/merchants", json=body)
        assert answer.status_code == 201, answer.text
        return MerchantClient(self, merchant_id, answer.json()["api_key"])


class MerchantClient:
    """Calls the API as one merchant."""

    def __init__(self, api: Api, merchant_id: str, key: str) -> None:
        self.api = api
        self.id = merchant_id
        self.key = key

    async def request(self, method: str, path: str, **request: Any) -> httpx.Response:
        return await self.api.call(method, path, key=self.key, **request)

    async def get(self, path: str, **params: Any) -> httpx.Response:
        # Empty parameters would take the place of those in the path.
        return await self.request("GET", path, **({"params": params} if params else {}))

    async def post(self, path: str, body: object = None, **request: Any) -> httpx.Response:
        return await self.request("POST", path, **({"json": body} if body is not None else {}), **request)

    async def post_order(self, **changes: Any) -> dict[str, Any]:
        """Post an order that is invited unless the changes say otherwise, and expect it to be taken."""
        answer = await self.post("/v1/orders", make_order(**changes))
        assert answer.status_code in {200, 201}, answer.text
        body: dict[str, Any] = answer.json()
        return body

    async def with_scopes(self, *scopes: str) -> "MerchantClient":
        """Make a further key with these scopes only."""
        body = {"merchant_id": self.id, "name": "narrow", "scopes": list(scopes)}
        answer = await self.api.operate("POST", "/v1/api-keys", json=body)
        assert answer.status_code == 201, answer.text
        return MerchantClient(self.api, self.id, answer.json()["api_key"])


def make_order(**changes: Any) -> dict[str, Any]:
    """Make an order as a shop posts it; triggers, with an e-mail address and one product."""
    order = {
        "order_id": "A-1001",
        "status": "shipped",
        "purchased_at": "2026-03-02T09:00:00Z",
        "customer": {"email": "kari@example.no", "name": "Kari Nordmann"},
        "language": "nb",
        "country": "NO",
        "products": [{"id": "t1", "name": "Tent", "url": "https://gifts.example/p/t1", "price": "1990.00"}],
    }
    return order | changes


def make_problem(code: str, status: int, detail: str, *errors: tuple[str, str, str], request_id: Any) -> dict[str, Any]:
    """Make the body of a problem; errors are pointer, code and detail."""
    return {
        "type": f"urn:invite-service:problem:{code}",
        "title": code.replace("_", " ").capitalize(),
        "status": status,
        "code": code,
        "detail": detail,
        "request_id": request_id,
        "errors": [{"pointer": pointer, "code": name, "detail": text} for pointer, name, text in errors],
    }


@asynccontextmanager
async def serve(settings: Settings, *, clock: Clock, database: Database | None = None) -> AsyncIterator[Api]:
    """Serve the application in this process, its lifespan run, with an operator's key made."""
    context = await ProcessContext.create(settings, name="invite-service tests", clock=clock, database=database)
    app = create_app(context=context)
    transport = httpx.ASGITransport(app, client=("203.0.113.9", 4711))
    try:
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://api.test") as http,
        ):
            api = Api(context, http, clock)
            api.operator_key = (await api.factory.access.create_operator_key("tests")).text
            yield api
    finally:
        await context.close()


@pytest.fixture(autouse=True)
def log() -> Iterator[StringIO]:
    """What the process logs, in the form that operators get."""
    stream = StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    configure_logging(stream=stream)
    yield stream
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


@pytest.fixture
def settings(database_url: str) -> Settings:
    return _settings_for(database_url)


@functools.cache
def _settings_for(database_url: str) -> Settings:
    """To read them takes longer than most tests."""
    return Settings(database_url=SecretStr(database_url), secret_key=SecretStr(SECRET), database_pool_size=4)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def api(settings: Settings, clock: Clock, database: Database) -> AsyncIterator[Api]:
    async with serve(settings, clock=clock, database=database) as served:
        yield served


@pytest.fixture
async def merchant(api: Api) -> MerchantClient:
    return await api.make_merchant()
