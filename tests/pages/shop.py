"""A shop whose customers open hosted pages: the pages' routes over real services, and a look into what was recorded."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self

import httpx
from fastapi import FastAPI

from invite_service.api import pictures, public, scripts
from invite_service.api.errors import install_problems
from invite_service.api.pages import review_policy, routes
from invite_service.bootstrap import Factory, ProcessContext
from invite_service.config import Settings
from invite_service.domain.branding import Branding
from invite_service.domain.invitation import Invitation, Step
from invite_service.domain.policy import Policy
from invite_service.domain.suppression import Subject, SubjectKind
from invite_service.services.tokens import TokenPurpose
from invite_service.storage.database import Database
from tests.support.builders import make_branding, make_merchant, make_policy
from tests.support.sending import SECRET, ManualClock, SendingHouse

BASE_URL = "https://reviews.example"


class PageShop:
    """One merchant, its customers' invitations, and a browser without scripts."""

    def __init__(self, context: ProcessContext, house: SendingHouse, client: httpx.AsyncClient, app: FastAPI) -> None:
        self.context = context
        self.house = house
        self.client = client
        self.app = app

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls,
        database_url: str,
        *,
        policy: Policy | None = None,
        picture_dir: Path | None = None,
        database: Database | None = None,
    ) -> AsyncIterator[Self]:
        """Add a merchant; a `database` that is passed in, in place of one of its own, is left open."""
        clock = ManualClock()
        settings = Settings.model_validate(
            {"database_url": database_url, "secret_key": SECRET, "picture_dir": picture_dir}
        )
        context = await ProcessContext.create(settings, clock=clock, database=database)
        try:
            house = await SendingHouse.build(context.database, policy=policy or make_policy(), merchant=make_merchant())
            house.clock = clock
            app = make_app(context)
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url=BASE_URL) as client:
                yield cls(context, house, client, app)
        finally:
            await context.close()

    async def brand(self, branding: Branding | None = None) -> None:
        async with self.house.database.transaction() as stores:
            await stores.branding.replace(
                self.house.merchant.id, branding or make_branding(), replacing=0, at=self.house.clock.now
            )

    async def invite(self, *products: str, **changes: Any) -> Invitation:
        return await self.house.invite(products=products or ("mug",), **changes)

    def token(
        self, invitation: Invitation, *, step: Step | None = None, purpose: TokenPurpose = TokenPurpose.PAGE
    ) -> str:
        return self.context.signer.make(
            self.house.merchant.id,
            invitation.id,
            purpose=purpose,
            step=step or invitation.steps[0],
            at=self.house.clock.now,
        )

    def unsubscribe_token(self, invitation: Invitation) -> str:
        return self.token(invitation, purpose=TokenPurpose.UNSUBSCRIBE)

    async def erase(self, email: str) -> None:
        await (
            Factory(self.context)
            .create_customers()
            .erase(self.house.merchant, Subject(SubjectKind.EMAIL, email), keeps_reviews=False, actor="key:support")
        )

    async def recorded(self) -> dict[str, int]:
        """Count what customers' doings leave behind, views apart."""
        counts = {
            table: (await self.house.rows(f"SELECT count(*) FROM {table}"))[0][0]
            for table in ("ratings", "reviews", "suppressions")
        }
        doings = await self.house.rows(
            "SELECT event FROM timeline_entries WHERE actor = 'customer' AND event <> 'page_viewed'"
        )
        return {**counts, "doings": len(doings)}

    async def views(self) -> int:
        rows = await self.house.rows("SELECT count(*) FROM timeline_entries WHERE event = 'page_viewed'")
        count: int = rows[0][0]
        return count


NOTHING = {"ratings": 0, "reviews": 0, "suppressions": 0, "doings": 0}
"""What is recorded when nothing is."""


def make_app(context: ProcessContext) -> FastAPI:
    app = FastAPI()
    app.state.factory = Factory(context)
    app.include_router(routes.router)
    app.include_router(review_policy.router)
    app.include_router(public.router)
    app.include_router(pictures.open_router)
    app.include_router(scripts.router)
    install_problems(app)
    return app
