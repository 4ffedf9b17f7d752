"""The API as an ASGI application: lifespan, routers, middleware and problems."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

import structlog
from fastapi import APIRouter, FastAPI
from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.types import ASGIApp

from invite_service import __version__
from invite_service.api import (
    account_insights,
    batch_updates,
    branding,
    channels,
    customers,
    documentation,
    insights,
    invitations,
    notices,
    operations,
    operators,
    orders,
    pictures,
    policy,
    product_feed,
    provider_events,
    public,
    public_products,
    public_reviews,
    publishing,
    ratings,
    sandbox,
    scripts,
    simulations,
    support_cases,
    suppressions,
    texts,
    timeline,
    visitors,
    webhooks,
)
from invite_service.api.errors import answering, install_problems
from invite_service.api.middleware import BodyLimitMiddleware, RequestMiddleware
from invite_service.api.openapi import DocumentedApp
from invite_service.api.pages import review_policy
from invite_service.api.pages import routes as pages
from invite_service.api.pages.forms import MAX_UPLOAD_BYTES
from invite_service.api.schemas.batch import BatchRequest
from invite_service.api.schemas.batch_update import BatchUpdateRequest
from invite_service.api.schemas.branding import BrandingRequest
from invite_service.api.schemas.channel import ChannelRequest
from invite_service.api.schemas.customer import EraseRequest, ExportRequest
from invite_service.api.schemas.invitation import RescheduleRequest
from invite_service.api.schemas.merchant import ApiKeyRequest, MerchantRequest
from invite_service.api.schemas.order import OrderRequest
from invite_service.api.schemas.policy import PolicyPatch
from invite_service.api.schemas.preview import PreviewRequest, SendTestRequest
from invite_service.api.schemas.public import FeedbackRequest
from invite_service.api.schemas.publishing import PublishingPatch
from invite_service.api.schemas.rating import MoveRequest, RatingPartsRequest, RejectRequest, ReplyRequest
from invite_service.api.schemas.sandbox import ClockRequest
from invite_service.api.schemas.simulation import SimulationRequest
from invite_service.api.schemas.suppression import SubjectRequest, SuppressionsRequest
from invite_service.api.schemas.text import TextRequest
from invite_service.api.schemas.visitor import ReportRequest, VoteRequest
from invite_service.api.schemas.webhook import WebhookEndpointRequest
from invite_service.bootstrap import Factory, ProcessContext, new_id
from invite_service.config import Settings, load_settings
from invite_service.storage.errors import DatabaseUnavailableError, TransactionConflictError
from invite_service.telemetry import Metrics

log = structlog.get_logger()

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]

MEBIBYTE: Final = 1024 * 1024
GIBIBYTE: Final = 1024 * MEBIBYTE
BODY_LIMIT: Final = MEBIBYTE
BODY_LIMITS_BY_PATH: Final = {
    re.compile(r"/v1/orders/batch"): 8 * MEBIBYTE,
    re.compile(r"/v1/suppressions/import"): 16 * MEBIBYTE,
    re.compile(r"/public/v1/invitations/[^/]+/pictures"): MAX_UPLOAD_BYTES,
    # It reads no more than MAX_UPLOAD_BYTES, and then answers with a page.
    re.compile(r"/i/[^/]+"): GIBIBYTE,
}
"""Bytes of a body, where a path takes more than BODY_LIMIT."""

CLEAN_SECONDS: Final = 3600.0
"""Between two looks of each process for what need not be kept any more."""

# Looked through in this order, a few microseconds each: what is asked for most comes first.
_ROUTERS: Final[Sequence[APIRouter]] = (
    orders.router,
    invitations.router,
    notices.router,
    public.router,
    public_reviews.router,
    public_products.router,
    batch_updates.router,
    policy.router,
    simulations.router,
    branding.router,
    texts.router,
    channels.router,
    suppressions.router,
    customers.router,
    timeline.router,
    provider_events.router,
    publishing.router,
    ratings.router,
    pictures.router,
    pictures.open_router,
    support_cases.router,
    webhooks.router,
    insights.router,
    account_insights.router,
    sandbox.router,
    operators.router,
    scripts.router,
    product_feed.router,
    visitors.router,
    visitors.merchant_router,
    operations.router,
    documentation.router,
    pages.router,
    review_policy.router,
)

_BODIES: Final = (
    ApiKeyRequest,
    BatchRequest,
    BatchUpdateRequest,
    BrandingRequest,
    ChannelRequest,
    ClockRequest,
    FeedbackRequest,
    MerchantRequest,
    MoveRequest,
    OrderRequest,
    PolicyPatch,
    PreviewRequest,
    PublishingPatch,
    RatingPartsRequest,
    RejectRequest,
    ReplyRequest,
    ReportRequest,
    RescheduleRequest,
    SendTestRequest,
    SimulationRequest,
    SubjectRequest,
    SuppressionsRequest,
    ExportRequest,
    EraseRequest,
    TextRequest,
    VoteRequest,
    WebhookEndpointRequest,
)
"""JSON bodies that routes read themselves, for the OpenAPI document."""


class _App(DocumentedApp):
    """Our application, with nothing around its routes that our own middleware does already."""

    def build_middleware_stack(self) -> ASGIApp:
        """Put around the routes what they and their problems need, then our middleware.

        FastAPI would add the last net for bugs, a count of the body's bytes and a watch for OpenTelemetry; they took a
        tenth of what a request costs apart from its service.
        """
        app: ASGIApp = ExceptionMiddleware(AsyncExitStackMiddleware(self.router), handlers=self.exception_handlers)
        for middleware, arguments, options in reversed(self.user_middleware):
            app = middleware(app, *arguments, **options)
        return app


def create_app(settings: Settings | None = None, *, context: ProcessContext | None = None) -> FastAPI:
    """Make the application; nothing is connected before its lifespan begins.

    A `context` that is passed in stays its maker's to close. Without one it is made of the settings, or without these
    of the environment, and the lifespan raises what `ProcessContext.create` does.
    """
    app = _App(
        bodies=_BODIES,
        title="Invite service",
        summary="Asks webshop customers for reviews at the right moment, and says why.",
        version=__version__,
        lifespan=_lifespan_of(settings, context),
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    install_problems(app)
    app.add_exception_handler(
        TransactionConflictError, answering("busy", "Others changed the same customer's orders; send it again.")
    )
    app.add_exception_handler(
        DatabaseUnavailableError, answering("database_unavailable", "The database cannot be reached right now.")
    )
    for router in _ROUTERS:
        # Its routes as they are. Including the router makes each of them anew at an application's first request, which
        # takes half a second; nothing is added to them here, no prefix and no dependency.
        app.router.routes.extend(router.routes)
    app.add_middleware(BodyLimitMiddleware, limit=BODY_LIMIT, limits_by_path=BODY_LIMITS_BY_PATH)
    app.add_middleware(RequestMiddleware, find_metrics=lambda: _metrics_of(app), new_id=new_id)
    return app


def _lifespan_of(settings: Settings | None, context: ProcessContext | None) -> Lifespan:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        running = context or await ProcessContext.create(settings or load_settings(), name="invite-service api")
        app.state.context = running
        app.state.factory = Factory(running)
        await _clean(app.state.factory)
        cleaning = asyncio.create_task(_clean_regularly(app.state.factory))
        try:
            yield
        finally:
            cleaning.cancel()
            await asyncio.gather(cleaning, return_exceptions=True)
            if running is not context:
                await running.close()

    return lifespan


async def _clean_regularly(services: Factory) -> None:
    while True:
        await asyncio.sleep(CLEAN_SECONDS)
        await _clean(services)


async def _clean(services: Factory) -> None:
    try:
        await services.create_idempotency().clean()
        await services.create_visitors().clean()
    except Exception:
        log.exception("Failed to delete what need not be kept any more")
    try:
        await services.create_pictures().clean()
    except Exception:
        log.exception("Failed to remove pictures that go with no review")


def _metrics_of(app: FastAPI) -> Metrics:
    context: ProcessContext = app.state.context
    return context.metrics
