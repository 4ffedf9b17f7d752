"""What a customer does with a message's link: confirm or deny delivery, leave stars and words, unsubscribe.

Opening a page decides nothing: mail scanners open every link. It may leave a note in the timeline, at most once a
minute and step, so that a scanner cannot fill it.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, TypeVar
from uuid import UUID

from invite_service.domain.decision import JsonFigure
from invite_service.domain.errors import (
    Fault,
    FeedbackTooOldError,
    InvalidInputError,
    MerchantNotFoundError,
    PictureNotFoundError,
    TokenNotFoundError,
)
from invite_service.domain.feedback import Feedback, Rating
from invite_service.domain.invitation import Invitation
from invite_service.domain.message import Notice
from invite_service.domain.publishing import PublishingSettings
from invite_service.domain.suppression import SuppressionReason, SuppressionSource
from invite_service.domain.timeline import TimelineEntry, TimelineEvent
from invite_service.domain.webhook import WebhookKind
from invite_service.rules.feedback import (
    HIGHEST_STARS,
    check_age,
    check_feedback,
    check_pictures,
    is_change,
    pictures_after,
    tidy,
)
from invite_service.rules.publishing import Publishing, decide_publishing, display_name
from invite_service.rules.sites import is_allowed_site
from invite_service.rules.states import record_feedback, report_not_received
from invite_service.services.approvals import open_case
from invite_service.services.conflicts import try_again
from invite_service.services.feedback_pages import (
    FeedbackPage,
    LastVisits,
    UnsubscribePage,
    as_left,
    read_look,
    read_page,
)
from invite_service.services.holidays import end_of_hold_by
from invite_service.services.notices import queue_notice
from invite_service.services.rating_news import rating_told
from invite_service.services.suppressing import close_customer
from invite_service.services.text_versions import TextVersions
from invite_service.services.tokens import TokenClaims, TokenPurpose, TokenSigner
from invite_service.services.visits import CUSTOMER, Visit, find_visit, unknown_token
from invite_service.services.webhooks import announce
from invite_service.storage.database import Database
from invite_service.storage.invitations import InvitationChange
from invite_service.storage.rating_changes import RatingChange, ReviewSigning

RULE: Final = "rule"
"""The actor of what follows from feedback by a rule."""

VIEW_INTERVAL: Final = timedelta(minutes=1)
"""Views of one step's page within this after another are not noted."""

T = TypeVar("T")


class FeedbackService:
    """Takes what customers answer. Every method raises TokenNotFoundError for a token that leads nowhere (any more)."""

    def __init__(
        self,
        database: Database,
        *,
        texts: TextVersions,
        signer: TokenSigner,
        clock: Callable[[], datetime],
        new_id: Callable[[], UUID],
        takes_pictures: bool = False,
    ) -> None:
        self._takes_pictures = takes_pictures
        self._database = database
        self._texts = texts
        self._signer = signer
        self._clock = clock
        self._new_id = new_id

    async def open_page(self, token: str, *, is_noted: bool) -> FeedbackPage:
        """Read what the page of a link shows; `is_noted` is for a GET, whose view may be noted, and not for a HEAD."""
        claims = self._signer.read(token, TokenPurpose.PAGE)
        async with self._database.transaction() as stores:
            visit = await find_visit(stores, claims, real_now=self._clock())
            last = await LastVisits.read(visit)
            if is_noted and (last.viewed_at is None or visit.now - last.viewed_at >= VIEW_INTERVAL):
                await stores.timeline.add(visit.merchant.id, [visit.entry(TimelineEvent.PAGE_VIEWED)])
            page = await read_page(visit, is_delivery_confirmed=last.is_delivery_confirmed, texts=self._texts)
            return replace(page, takes_pictures=self._takes_pictures)

    async def allows_site(self, token: str, origin: str) -> bool:
        """Say whether a page of an origin may read what this token is answered; forged tokens allow none.

        An expired one, and that of an erased customer, allow what their merchant does: their pages are told so.
        """
        try:
            claims = self._signer.read(token, TokenPurpose.PAGE)
            async with self._database.autocommit() as stores:
                merchant = await stores.merchants.get(claims.merchant_id)
                branding = await stores.branding.get(merchant.id)
        except (TokenNotFoundError, MerchantNotFoundError):
            return False
        return is_allowed_site(origin, branding, homepage_url=merchant.homepage_url)

    async def confirm_delivery(self, token: str) -> None:
        """Note that the order has arrived; confirming again changes nothing."""

        async def confirm(visit: Visit) -> None:
            if not (await LastVisits.read(visit)).is_delivery_confirmed:
                entry = visit.entry(TimelineEvent.DELIVERY_CONFIRMED)
                await visit.stores.timeline.add(visit.merchant.id, [entry])

        await self._change(token, confirm)

    async def report_not_received(self, token: str) -> None:
        """Take the report that not everything has arrived: a pending second step moves (RULES.md section 6)."""

        async def report(visit: Visit) -> None:
            stores, merchant, invitation = visit.stores, visit.merchant, visit.invitation
            versions = {merchant.policy_version, invitation.policy_version}
            policies = await stores.policies.find_versions(merchant.id, versions)
            reported = report_not_received(
                invitation,
                policy=policies[merchant.policy_version],
                plan=policies[invitation.policy_version],
                merchant=merchant,
                now=visit.now,
            )
            if reported == invitation:
                return
            await stores.invitations.save(merchant.id, [InvitationChange(reported, invitation)])
            moved: dict[str, JsonFigure] = {}
            if reported.send_at != invitation.send_at:
                moved["send_at"] = reported.send_at.isoformat()
            await stores.timeline.add(merchant.id, [visit.entry(TimelineEvent.NOT_RECEIVED, moved)])
            told: dict[str, JsonFigure] = {**_ids_of(invitation), **moved}
            await self._announce(visit, WebhookKind.INVITATION_NOT_RECEIVED, told)

        await self._change(token, report)

    async def leave_feedback(self, token: str, feedback: Sequence[Feedback]) -> list[Rating]:
        """Store stars and words, in place of earlier ones on the same product; the invitation has responded.

        Any token of the invitation takes feedback on whatever it ever asked about, in whichever state it is. Returns
        the ratings as they now stand, in the order given; a review that is not given again stays.

        Raises:
            InvalidInputError: with every fault, pointers counting from `/ratings/0`; nothing was stored.
            FeedbackTooOldError: likewise, where what would change is too old for that.
        """
        given = tidy(feedback)

        return await self._change(token, lambda visit: self._leave(visit, given))

    async def find_faults(self, token: str, feedback: Sequence[Feedback]) -> list[Fault]:
        """Name what is wrong with feedback by itself, and store nothing."""
        claims = self._signer.read(token, TokenPurpose.PAGE)
        async with self._database.autocommit() as stores:
            visit = await find_visit(stores, claims, real_now=self._clock())
        return check_feedback(tidy(feedback), visit.invitation)

    async def add_pictures(self, token: str, product_id: str | None, picture_ids: Sequence[UUID]) -> Rating:
        """Let pictures from the shelf go with a review that was left before; raises as `leave_feedback` does."""

        async def add(visit: Visit) -> Rating:
            stored = await self._find_rating(visit, product_id)
            stars = stored.stars if stored is not None else HIGHEST_STARS
            added = Feedback(product_id=product_id, stars=stars, added_pictures=tuple(picture_ids))
            [rating] = await self._leave(visit, [added])
            return rating

        return await self._change(token, add)

    async def remove_picture(self, token: str, picture_id: UUID) -> Rating:
        """Take a picture away from the customer's review, however old that is.

        Raises:
            PictureNotFoundError: none of the invitation's reviews has it.
        """

        async def remove(visit: Visit) -> Rating:
            earlier = await visit.stores.ratings.list_of_invitation(visit.merchant.id, visit.invitation.id)
            stored = next((rating for rating in earlier if picture_id in rating.picture_ids), None)
            if stored is None:
                raise PictureNotFoundError("There is no such picture.")
            removed = Feedback(product_id=_asked_as(stored), stars=stored.stars, removed_pictures=(picture_id,))
            [rating] = await self._leave(visit, [removed])
            return rating

        return await self._change(token, remove)

    async def _find_rating(self, visit: Visit, product_id: str | None) -> Rating | None:
        earlier = await visit.stores.ratings.list_of_invitation(visit.merchant.id, visit.invitation.id)
        return next((rating for rating in earlier if _asked_as(rating) == product_id), None)

    async def _leave(self, visit: Visit, feedback: Sequence[Feedback]) -> list[Rating]:
        stores, merchant_id, invitation = visit.stores, visit.merchant.id, visit.invitation
        settings = await stores.publishing.get(merchant_id)
        end_of_hold = await end_of_hold_by(settings, zone=visit.merchant.time_zone)
        earlier = await stores.ratings.list_of_invitation(merchant_id, invitation.id, lock=True)
        stored = {_asked_as(rating): rating for rating in earlier}
        faults = [*check_feedback(feedback, invitation), *check_pictures(feedback, stored)]
        if faults:
            raise InvalidInputError("The feedback has faults.", faults=faults)
        faults = check_age(feedback, stored, now=visit.now)
        if faults:
            raise FeedbackTooOldError("What was answered is too old to be changed.", faults=faults)
        left = [
            self._rate(visit, given, stored.get(given.product_id), settings=settings, end_of_hold=end_of_hold)
            for given in feedback
        ]
        ratings = [rating for rating, _ in left]
        signing = ReviewSigning(
            display_name(invitation.customer_name, settings.review_name_display), invitation.language, CUSTOMER
        )
        changes = [
            RatingChange(rating=rating, stored=stored.get(_asked_as(rating)), signing=signing)
            for rating in ratings
            if rating != stored.get(_asked_as(rating))
        ]
        responded = record_feedback(invitation)
        if responded != invitation:
            await stores.invitations.save(merchant_id, [InvitationChange(responded, invitation)])
        await stores.timeline.add(merchant_id, [_feedback_entry(visit, change) for change in changes])
        await stores.ratings.save(merchant_id, changes, zone=visit.merchant.time_zone)
        for change in changes:
            kind = WebhookKind.RATING_CREATED if change.stored is None else WebhookKind.RATING_UPDATED
            await self._announce(visit, kind, {**_ids_of(invitation), **rating_told(change.rating)})
        changed_ids = {change.rating.id for change in changes}
        for rating, publishing in left:
            if publishing.alerts_support and rating.id in changed_ids:
                await self._alert_support(visit, rating, settings=settings)
        await self._give_voucher(visit, changes)
        return [as_left(rating) for rating in ratings]

    async def _alert_support(self, visit: Visit, rating: Rating, *, settings: PublishingSettings) -> None:
        """Open a case where none is open, and let support, and the customer where that is wanted, hear of it."""
        case = await open_case(visit.stores, visit.merchant, rating, new_id=self._new_id, actor=RULE, at=visit.now)
        if case is None:
            return
        await self._queue(visit, Notice.SUPPORT_ALERT, rating)
        if settings.support_notifies_customer:
            await self._queue(visit, Notice.SUPPORT_NOTICE, rating)

    async def _give_voucher(self, visit: Visit, changes: Sequence[RatingChange]) -> None:
        """Queue the voucher that an order brought, at the first review and whatever its stars."""
        first = next(
            (
                change.rating
                for change in changes
                if change.rating.review_text is not None
                and (change.stored is None or change.stored.review_text is None)
            ),
            None,
        )
        if first is not None and await visit.stores.notices.find_voucher(visit.merchant.id, visit.invitation.id):
            await self._queue(visit, Notice.VOUCHER, first)

    async def _announce(self, visit: Visit, kind: WebhookKind, data: Mapping[str, JsonFigure]) -> None:
        await announce(visit.stores, visit.merchant, kind, data, event_id=self._new_id(), real_now=self._clock())

    async def _queue(self, visit: Visit, notice: Notice, rating: Rating) -> None:
        await queue_notice(
            visit.stores, visit.merchant, notice, rating, notice_id=self._new_id(), real_now=self._clock()
        )

    def _rate(
        self,
        visit: Visit,
        given: Feedback,
        stored: Rating | None,
        *,
        settings: PublishingSettings,
        end_of_hold: Callable[[datetime], datetime],
    ) -> tuple[Rating, Publishing]:
        """Make the rating as it is to stand; the one that stands where the customer changed nothing of it."""
        text = given.text or (stored.review_text if stored is not None else None)
        pictures = pictures_after(given, stored)
        publishing = decide_publishing(
            given.stars,
            text,
            stored=stored,
            settings=settings,
            now=visit.now,
            end_of_hold=end_of_hold,
            has_pictures=bool(pictures),
        )
        if stored is not None and pictures == stored.picture_ids and not is_change(given, stored):
            return stored, publishing
        reviewed_at = stored.reviewed_at if stored is not None else None
        rating = Rating(
            id=stored.id if stored is not None else self._new_id(),
            invitation_id=visit.invitation.id,
            product_id=given.product_id if stored is None else stored.product_id,
            stars=given.stars,
            state=publishing.stars,
            review_text=text,
            review_state=publishing.text,
            reviewed_at=visit.now if text is not None and reviewed_at is None else reviewed_at,
            picture_ids=pictures,
            publish_at=publishing.publish_at,
            held_since=publishing.held_since,
            is_fixed=stored.is_fixed if stored is not None else False,
            is_review_fixed=_is_text_fixed(stored),
            reject_reason=stored.reject_reason if stored is not None else None,
            moved_from=stored.moved_from if stored is not None else None,
            created_at=stored.created_at if stored is not None else visit.now,
            updated_at=visit.now,
        )
        return rating, publishing

    async def open_unsubscribe(self, token: str) -> UnsubscribePage:
        """Read what the unsubscribe page of a link shows; nothing is noted."""
        claims = self._signer.read(token, TokenPurpose.UNSUBSCRIBE)
        async with self._database.transaction() as stores:
            visit = await find_visit(stores, claims, real_now=self._clock())
            branding, own_texts = await read_look(stores, visit.merchant, texts=self._texts)
        return UnsubscribePage(visit.merchant, branding, own_texts, visit.invitation.language)

    async def unsubscribe(self, token: str) -> UnsubscribePage:
        """Suppress every contact of the orders behind the invitation, on every channel, and end what is scheduled.

        RULES.md sections 3 ("Channel") and 8. What is being sent right now is asked again by may_send. Unsubscribing
        again changes nothing.
        """
        claims = self._signer.read(token, TokenPurpose.UNSUBSCRIBE)
        return await try_again(lambda: self._unsubscribe(claims))

    async def _unsubscribe(self, claims: TokenClaims) -> UnsubscribePage:
        async with self._database.transaction() as stores:
            visit = await find_visit(stores, claims, real_now=self._clock())
            merchant, invitation = visit.merchant, visit.invitation
            branding, own_texts = await read_look(stores, merchant, texts=self._texts)
            try:
                is_news = await close_customer(
                    stores,
                    merchant.id,
                    invitation,
                    SuppressionReason.UNSUBSCRIBED,
                    source=SuppressionSource.UNSUBSCRIBE,
                    told=visit.entry(TimelineEvent.UNSUBSCRIBED),
                )
            except MerchantNotFoundError:
                raise unknown_token() from None
            if is_news:
                await self._announce(visit, WebhookKind.CUSTOMER_UNSUBSCRIBED, _ids_of(invitation))
        return UnsubscribePage(merchant, branding, own_texts, invitation.language)

    async def _change(self, token: str, change: Callable[[Visit], Awaitable[T]]) -> T:
        """Change the invitation of a page's token under its lock."""
        claims = self._signer.read(token, TokenPurpose.PAGE)

        async def change_once() -> T:
            async with self._database.transaction() as stores:
                return await change(await find_visit(stores, claims, real_now=self._clock(), lock=True))

        return await try_again(change_once)


def _feedback_entry(visit: Visit, change: RatingChange) -> TimelineEntry:
    rating, stored = change.rating, change.stored
    data: dict[str, JsonFigure] = {"stars": rating.stars, "state": rating.state.value}
    if rating.product_id is not None:
        data["product_id"] = rating.product_id
    if stored is not None:
        data["earlier_stars"] = stored.stars
    if rating.review_state is not None and (stored is None or stored.review_text != rating.review_text):
        data["review_state"] = rating.review_state.value
    if rating.picture_ids != (stored.picture_ids if stored is not None else ()):
        data["pictures"] = len(rating.picture_ids)
    return visit.entry(TimelineEvent.FEEDBACK_LEFT, data)


def _asked_as(rating: Rating) -> str | None:
    """Tell what the customer was asked about: a rating that the merchant moved is still their word on the product."""
    return rating.moved_from or rating.product_id


def _ids_of(invitation: Invitation) -> dict[str, JsonFigure]:
    return {"invitation_id": str(invitation.id), "order_ids": list(invitation.order_ids)}


def _is_text_fixed(stored: Rating | None) -> bool:
    """Say whether the merchant's hold or rejection covers the text, also one that was not there yet."""
    if stored is None:
        return False
    return stored.is_review_fixed or (stored.is_fixed and stored.review_state is None)
