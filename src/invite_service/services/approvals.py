"""Publishing, holding, rejecting and moving ratings: by the merchant, and by the worker when a hold ends."""

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from invite_service.domain.decision import JsonFigure
from invite_service.domain.errors import ActionRefusedError
from invite_service.domain.feedback import Rating, ShownRating
from invite_service.domain.merchant import Merchant, MerchantId
from invite_service.domain.publishing import RejectReason
from invite_service.domain.support import SupportCase
from invite_service.domain.timeline import TimelineEntry, TimelineEvent
from invite_service.domain.webhook import WebhookKind
from invite_service.rules.publishing import ALL_PARTS, RatingPart, hold, publish, publish_when_due, reject
from invite_service.services.rating_news import rating_told
from invite_service.services.webhooks import announce
from invite_service.storage.database import Database
from invite_service.storage.rating_changes import RatingChange
from invite_service.storage.stores import Stores

WORKER: Final = "worker"
"""The actor of what a hold's end publishes."""

HOLD_ENDED: Final = "hold_ended"
"""Why the worker publishes."""

_KINDS: Final = {
    TimelineEvent.RATING_PUBLISHED: WebhookKind.RATING_PUBLISHED,
    TimelineEvent.RATING_HELD: WebhookKind.RATING_HELD,
    TimelineEvent.RATING_REJECTED: WebhookKind.RATING_REJECTED,
}
"""What merchants' systems are told of."""

MAX_AT_ONCE: Final = 200
"""Ratings that one transaction publishes."""


class ApprovalService:
    """Changes how ratings stand. Doing what has been done already changes nothing.

    Every action raises RatingNotFoundError where the merchant has no rating of that id, and ActionRefusedError
    `no_review` where it is about a text and there is none.
    """

    def __init__(self, database: Database, *, clock: Callable[[], datetime], new_id: Callable[[], UUID]) -> None:
        """Make a service; `clock` tells real time."""
        self._database = database
        self._clock = clock
        self._new_id = new_id

    async def publish(
        self, merchant: Merchant, rating_id: UUID, *, parts: Collection[RatingPart] = ALL_PARTS, actor: str
    ) -> ShownRating:
        """Let stars, text or both be seen now."""
        return await self._act(
            merchant,
            rating_id,
            lambda rating: publish(rating, parts),
            parts=parts,
            event=TimelineEvent.RATING_PUBLISHED,
            actor=actor,
        )

    async def hold(
        self, merchant: Merchant, rating_id: UUID, *, parts: Collection[RatingPart] = ALL_PARTS, actor: str
    ) -> ShownRating:
        """Keep stars, text or both from being seen until the merchant decides; opens a support case."""
        return await self._act(
            merchant,
            rating_id,
            lambda rating: hold(rating, parts),
            parts=parts,
            event=TimelineEvent.RATING_HELD,
            actor=actor,
        )

    async def reject(
        self,
        merchant: Merchant,
        rating_id: UUID,
        reason: RejectReason,
        *,
        parts: Collection[RatingPart] = ALL_PARTS,
        actor: str,
    ) -> ShownRating:
        """Refuse stars, text or both for a reason that has nothing to do with how content the customer was."""
        return await self._act(
            merchant,
            rating_id,
            lambda rating: reject(rating, reason, parts),
            parts=parts,
            event=TimelineEvent.RATING_REJECTED,
            reason=reason,
            actor=actor,
        )

    async def move_to_service(self, merchant: Merchant, rating_id: UUID, *, actor: str) -> ShownRating:
        """Let a product's rating that is about the service count for the service.

        Raises:
            ActionRefusedError: `is_service` for one left for the service, `service_rated` where the same invitation
                has a rating of the service already.
        """
        async with self._database.transaction() as stores:
            seen = await stores.ratings.get(merchant.id, rating_id)
            # The invitation's lock keeps its customer from rating the service meanwhile.
            await stores.invitations.lock(merchant.id, [seen.invitation_id])
            others = await stores.ratings.list_of_invitation(merchant.id, seen.invitation_id, lock=True)
            rating = next(other for other in others if other.id == rating_id)
            if rating.moved_from is not None:
                return await stores.ratings.get_shown(merchant.id, rating_id)
            if rating.product_id is None:
                raise ActionRefusedError("is_service", "It was left for the service.")
            if any(other.product_id is None for other in others):
                raise ActionRefusedError("service_rated", "Its invitation has a rating of the service already.")
            moved = replace(rating, product_id=None, moved_from=rating.product_id)
            await self._save(
                stores,
                merchant,
                RatingChange(rating=moved, stored=rating),
                event=TimelineEvent.RATING_MOVED,
                actor=actor,
                at=merchant.now(self._clock()),
            )
            return await stores.ratings.get_shown(merchant.id, rating_id)

    async def find_due(self) -> list[MerchantId]:
        """Find the merchants of whom something is to be published now."""
        async with self._database.autocommit() as stores:
            return await stores.ratings.find_merchants_with_due(self._clock())

    async def publish_due(self, merchant_id: MerchantId, *, due_by: datetime | None = None) -> int:
        """Publish what a merchant's holds have kept until now, a few at a time; tell how many ratings that were.

        `due_by` is a later instant of a sandbox's clock, which passes the end of each hold on its way there.
        """
        published = 0
        while True:
            async with self._database.transaction() as stores:
                merchant = await stores.merchants.get(merchant_id)
                now = merchant.now(self._clock())
                due = await stores.ratings.lock_due(merchant_id, due_by=due_by or now, limit=MAX_AT_ONCE)
                changes = [
                    RatingChange(rating=publish_when_due(rating, now=due_by or now), stored=rating) for rating in due
                ]
                await stores.ratings.save(merchant_id, changes, zone=merchant.time_zone)
                await stores.timeline.add(
                    merchant_id,
                    [
                        _entry(
                            change,
                            at=max(now, change.stored.publish_at or now) if change.stored is not None else now,
                            event=TimelineEvent.RATING_PUBLISHED,
                            reason=HOLD_ENDED,
                            actor=WORKER,
                        )
                        for change in changes
                    ],
                )
                for change in changes:
                    await self._announce(stores, merchant, WebhookKind.RATING_PUBLISHED, change.rating)
            published += len(due)
            if len(due) < MAX_AT_ONCE:
                return published

    async def _act(
        self,
        merchant: Merchant,
        rating_id: UUID,
        change: Callable[[Rating], Rating],
        *,
        parts: Collection[RatingPart],
        event: TimelineEvent,
        reason: str | None = None,
        actor: str,
    ) -> ShownRating:
        async with self._database.transaction() as stores:
            stored = await stores.ratings.get(merchant.id, rating_id, lock=True)
            if RatingPart.STARS not in parts and stored.review_state is None:
                raise ActionRefusedError("no_review", "It has no text.")
            changed = change(stored)
            if changed != stored:
                at = merchant.now(self._clock())
                rating_change = RatingChange(rating=changed, stored=stored)
                await self._save(stores, merchant, rating_change, event=event, reason=reason, actor=actor, at=at)
                if event is TimelineEvent.RATING_HELD:
                    await open_case(stores, merchant, changed, new_id=self._new_id, actor=actor, at=at)
            return await stores.ratings.get_shown(merchant.id, rating_id)

    async def _save(
        self,
        stores: Stores,
        merchant: Merchant,
        change: RatingChange,
        *,
        event: TimelineEvent,
        reason: str | None = None,
        actor: str,
        at: datetime,
    ) -> None:
        await stores.timeline.add(merchant.id, [_entry(change, at=at, event=event, reason=reason, actor=actor)])
        await stores.ratings.save(merchant.id, [change], zone=merchant.time_zone)
        kind = _KINDS.get(event)
        if kind is not None:
            await self._announce(stores, merchant, kind, change.rating)

    async def _announce(self, stores: Stores, merchant: Merchant, kind: WebhookKind, rating: Rating) -> None:
        data = {"invitation_id": str(rating.invitation_id), **rating_told(rating)}
        await announce(stores, merchant, kind, data, event_id=self._new_id(), real_now=self._clock())


async def open_case(
    stores: Stores, merchant: Merchant, rating: Rating, *, new_id: Callable[[], UUID], actor: str, at: datetime
) -> SupportCase | None:
    """Open a support case about a rating that this transaction has locked; None where one is open already."""
    if await stores.support_cases.find_open(merchant.id, [rating.id]):
        return None
    case = SupportCase(id=new_id(), rating_id=rating.id, opened_at=at, opened_by=actor)
    await stores.support_cases.add(merchant.id, case)
    entry = TimelineEntry(
        at=at,
        actor=actor,
        event=TimelineEvent.SUPPORT_CASE_OPENED,
        invitation_id=rating.invitation_id,
        data={"rating_id": str(rating.id), "support_case_id": str(case.id)},
    )
    await stores.timeline.add(merchant.id, [entry])
    data = {"support_case_id": str(case.id), "invitation_id": str(rating.invitation_id), **rating_told(rating)}
    await announce(
        stores, merchant, WebhookKind.SUPPORT_CASE_OPENED, data, event_id=new_id(), real_now=at - merchant.clock_offset
    )
    return case


def _entry(
    change: RatingChange, *, at: datetime, event: TimelineEvent, reason: str | None = None, actor: str
) -> TimelineEntry:
    rating = change.rating
    data: dict[str, JsonFigure] = {"rating_id": str(rating.id), "state": rating.state.value}
    if rating.review_state is not None:
        data["review_state"] = rating.review_state.value
    if rating.moved_from is not None:
        data["moved_from"] = rating.moved_from
    elif rating.product_id is not None:
        data["product_id"] = rating.product_id
    return TimelineEntry(at=at, actor=actor, event=event, invitation_id=rating.invitation_id, reason=reason, data=data)
