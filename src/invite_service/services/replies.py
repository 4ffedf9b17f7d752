"""What a merchant says to a review in public: written, edited, withdrawn; the customer hears of it."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from invite_service.domain.errors import ActionRefusedError, InvalidInputError
from invite_service.domain.feedback import Rating, ShownRating
from invite_service.domain.merchant import Merchant
from invite_service.domain.message import Notice
from invite_service.domain.notice import Reply
from invite_service.domain.timeline import TimelineEntry, TimelineEvent
from invite_service.rules.feedback import check_reply, tidy_text
from invite_service.services.notices import queue_notice
from invite_service.storage.database import Database
from invite_service.storage.stores import Stores


class ReplyService:
    """Writes replies. Every call raises RatingNotFoundError where the merchant has no rating of that id."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime], new_id: Callable[[], UUID]) -> None:
        """Make a service; `clock` tells real time."""
        self._database = database
        self._clock = clock
        self._new_id = new_id

    async def write(self, merchant: Merchant, rating_id: UUID, text: str, *, actor: str) -> ShownRating:
        """Reply to a review, or put another text in the place of the reply; the same text changes nothing.

        The customer is told of the first text, not of its edits.

        Raises:
            InvalidInputError: the text has faults; all of them are named.
            ActionRefusedError: `no_review` for stars alone.
        """
        tidied = tidy_text(text) or ""
        faults = check_reply(tidied)
        if faults:
            raise InvalidInputError("The reply has faults.", faults=faults)
        async with self._database.transaction() as stores:
            rating = await stores.ratings.get(merchant.id, rating_id, lock=True)
            if rating.review_text is None:
                raise ActionRefusedError("no_review", "It has no text to reply to.")
            real_now = self._clock()
            at = merchant.now(real_now)
            stored = (await stores.replies.find(merchant.id, [rating_id])).get(rating_id)
            if stored is None or stored.text != tidied:
                reply = Reply(
                    rating_id=rating_id,
                    text=tidied,
                    created_at=stored.created_at if stored is not None else at,
                    created_by=stored.created_by if stored is not None else actor,
                    updated_at=at,
                )
                await stores.replies.save(merchant.id, reply)
                await _tell(stores, merchant, rating, TimelineEvent.REPLY_WRITTEN, actor=actor, at=at)
                await stores.totals.raise_version(merchant.id, rating.product_id)
            if stored is None:
                await queue_notice(
                    stores, merchant, Notice.REPLY_NOTICE, rating, notice_id=self._new_id(), real_now=real_now
                )
            return await stores.ratings.get_shown(merchant.id, rating_id)

    async def withdraw(self, merchant: Merchant, rating_id: UUID, *, actor: str) -> ShownRating:
        """Take a reply back; a notice of it that has not left yet is not sent. Withdrawing again changes nothing."""
        async with self._database.transaction() as stores:
            rating = await stores.ratings.get(merchant.id, rating_id, lock=True)
            if await stores.replies.delete(merchant.id, rating_id):
                at = merchant.now(self._clock())
                await _tell(stores, merchant, rating, TimelineEvent.REPLY_WITHDRAWN, actor=actor, at=at)
                await stores.totals.raise_version(merchant.id, rating.product_id)
            return await stores.ratings.get_shown(merchant.id, rating_id)


async def _tell(
    stores: Stores, merchant: Merchant, rating: Rating, event: TimelineEvent, *, actor: str, at: datetime
) -> None:
    entry = TimelineEntry(
        at=at, actor=actor, event=event, invitation_id=rating.invitation_id, data={"rating_id": str(rating.id)}
    )
    await stores.timeline.add(merchant.id, [entry])
