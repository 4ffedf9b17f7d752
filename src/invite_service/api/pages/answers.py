"""What was answered before, as its pages show it: the thanks, and what is too old to be changed."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final

from invite_service.domain.feedback import PublishState, Rating
from invite_service.domain.publishing import RejectReason
from invite_service.rendering.pages import Page, PageFrame, RatedItem, answered_page, make_item, thanks_page
from invite_service.rendering.review_policy import REASON_TEXTS
from invite_service.rules.slots import local_day
from invite_service.services.feedback_pages import FeedbackPage

MAX_THANKED: Final = 12
"""Ratings listed in the thanks for them."""

MAX_QUOTED: Final = 500
"""Characters of a review repeated in the thanks for it."""

MAX_SHOWN: Final = 6_000
"""Characters of reviews and replies on one page, which keeps it small; one review always has room."""

MAX_ITEMS: Final = 10
"""Products on one page; the next ones follow on pages of their own."""


def view_thanks(page: FeedbackPage, frame: PageFrame) -> Page:
    """Thank for everything that was answered, the newest first."""
    newest = sorted(page.ratings, key=lambda rating: rating.updated_at, reverse=True)
    items = [_item(page, frame, rating, text=_quoted(rating.review_text)) for rating in newest[:MAX_THANKED]]
    rated = {rating.product_id for rating in page.ratings}
    return thanks_page(
        frame,
        items,
        is_waiting=any(_standing(rating) is not PublishState.PUBLISHED for rating in page.ratings),
        waiting_until=_last_day(page),
        remaining_count=sum(product.product_id not in rated for product in page.products),
        can_change=any(page.is_open(rating.product_id) for rating in page.ratings),
    )


def view_answered(page: FeedbackPage, frame: PageFrame, *, skip: int) -> Page:
    """Show what was answered where nothing of it can be changed any more."""
    items = _settled(page, frame, page.ratings[min(skip, len(page.ratings) - 1) :])
    next_skip = skip + len(items)
    return answered_page(frame, items, next_skip=next_skip if next_skip < len(page.ratings) else None)


def settled_beside(page: FeedbackPage, frame: PageFrame) -> list[RatedItem]:
    """Show what can no longer be changed below a form for the rest, as far as there is room."""
    return _settled(page, frame, [rating for rating in page.ratings if not page.is_open(rating.product_id)])


def notes_of(page: FeedbackPage, frame: PageFrame, rating: Rating) -> tuple[str, ...]:
    """Say when something was answered, and whether everybody can see it."""
    texts = frame.texts

    def day(instant: datetime) -> str:
        return texts.day(local_day(instant, page.merchant.time_zone))

    notes = [texts("answered_on", date=day(rating.created_at))]
    if day(rating.updated_at) != day(rating.created_at):
        notes.append(texts("changed_on", date=day(rating.updated_at)))
    match _standing(rating):
        case PublishState.PUBLISHED:
            notes.append(texts("state_published"))
        case PublishState.REJECTED:
            # Customers who asked for it themselves need no reason.
            if rating.reject_reason not in {None, RejectReason.CUSTOMER_ASKED}:
                notes.append(texts("state_rejected", reason=texts(REASON_TEXTS[rating.reject_reason])))
        case _ if rating.publish_at is not None:
            notes.append(texts("state_waiting_until", date=day(rating.publish_at)))
        case _:
            notes.append(texts("state_waiting"))
    return tuple(notes)


def _settled(page: FeedbackPage, frame: PageFrame, ratings: Sequence[Rating]) -> list[RatedItem]:
    items: list[RatedItem] = []
    room = MAX_SHOWN
    for rating in ratings[:MAX_ITEMS]:
        item = _item(page, frame, rating, text=rating.review_text, notes=notes_of(page, frame, rating))
        room -= len(item.text or "") + len(item.reply or "")
        if room < 0 and items:
            break
        items.append(item)
    return items


def _item(
    page: FeedbackPage, frame: PageFrame, rating: Rating, *, text: str | None, notes: Sequence[str] = ()
) -> RatedItem:
    product = next((card for card in page.products if card.product_id == rating.product_id), None)
    reply = page.replies.get(rating.id)
    return make_item(
        product,
        frame,
        stars=rating.stars,
        text=text,
        notes=notes,
        picture_ids=rating.picture_ids,
        reply=reply.text if reply is not None and notes else None,
    )


def _standing(rating: Rating) -> PublishState:
    """Sum up stars and text: what is seen the least decides."""
    states = {rating.state, rating.review_state}
    order = (PublishState.REJECTED, PublishState.NEEDS_ATTENTION, PublishState.PENDING)
    return next((state for state in order if state in states), PublishState.PUBLISHED)


def _last_day(page: FeedbackPage) -> date | None:
    """Tell the day by which all that waits is shown; None where nothing waits, or somebody has to look at it first."""
    waiting = [rating for rating in page.ratings if _standing(rating) is not PublishState.PUBLISHED]
    instants = [rating.publish_at for rating in waiting if rating.publish_at is not None]
    is_known = bool(waiting) and all(_standing(rating) is PublishState.PENDING for rating in waiting)
    if not is_known or len(instants) < len(waiting):
        return None
    return local_day(max(instants), page.merchant.time_zone)


def _quoted(text: str | None) -> str | None:
    return text if text is None or len(text) <= MAX_QUOTED else f"{text[:MAX_QUOTED].rstrip()}…"
