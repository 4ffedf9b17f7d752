"""What customers answer: delivery, stars and words, and that they want no more questions."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from invite_service.domain.errors import Fault, InvalidInputError, TokenNotFoundError
from invite_service.domain.feedback import Feedback, PublishState, Rating
from invite_service.domain.invitation import Invitation, InvitationStatus, Step
from invite_service.domain.merchant import MerchantId
from invite_service.domain.publishing import RejectReason
from invite_service.domain.suppression import SuppressionReason
from invite_service.domain.timeline import TimelineEntry, TimelineEvent
from invite_service.providers.doubles import RecordingSender
from invite_service.rules.averages import StarCounts
from invite_service.services.approvals import ApprovalService
from invite_service.services.feedback import FeedbackService
from invite_service.services.ratings import RatingService, RatingSummary, Standing
from invite_service.services.text_versions import TextVersions
from invite_service.services.tokens import PAGE_LIFETIME, TokenPurpose, TokenSigner
from invite_service.storage.contacts import ContactKeys
from invite_service.storage.database import Database
from invite_service.storage.errors import TransactionConflictError
from invite_service.storage.stores import Stores
from tests.support.builders import NOON, make_branding, make_line, make_order_event, new_id
from tests.support.sending import SECRET, SendingHouse

SIGNER = TokenSigner({0: SECRET.encode()}, current=0)


class FeedbackHouse:
    """A merchant whose customers answer."""

    def __init__(self, house: SendingHouse) -> None:
        self.house = house
        self.service = FeedbackService(
            house.database, texts=TextVersions(), signer=SIGNER, clock=house.clock, new_id=new_id
        )
        self.ratings = RatingService(house.database)

    def token(
        self,
        invitation: Invitation,
        *,
        purpose: TokenPurpose = TokenPurpose.PAGE,
        step: Step = Step.PRODUCT_1,
        merchant_id: MerchantId | None = None,
    ) -> str:
        return SIGNER.make(
            merchant_id or self.house.merchant.id, invitation.id, purpose=purpose, step=step, at=self.house.clock.now
        )

    def unsubscribe_token(self, invitation: Invitation) -> str:
        return self.token(invitation, purpose=TokenPurpose.UNSUBSCRIBE)

    async def leave(self, invitation: Invitation, *feedback: Feedback) -> list[Rating]:
        return await self.service.leave_feedback(self.token(invitation), feedback)

    async def entries(self, invitation: Invitation) -> list[TimelineEntry]:
        async with self.house.database.transaction() as stores:
            entries = await stores.timeline.list_of_invitation(self.house.merchant.id, invitation.id)
        return [entry for entry in entries if entry.actor == "customer"]

    async def events(self, invitation: Invitation) -> list[TimelineEvent]:
        return [entry.event for entry in await self.entries(invitation)]

    async def totals(self, table: str = "rating_totals") -> dict[tuple[str, str], tuple[int, ...]]:
        rows = await self.house.rows(f"SELECT * FROM {table}")
        return {
            (row["product_id"], row["state"]): counts
            for row in rows
            if any(counts := tuple(row[f"stars_{stars}"] for stars in range(1, 6)))
        }

    async def recount(self) -> dict[tuple[str, str], tuple[int, ...]]:
        """Count every rating again, the slow way, and see that the texts are counted right as well."""
        shown = "CASE WHEN v.state = 'published' THEN r.state ELSE v.state END"
        texts = f"SELECT r.product_id, {shown} AS state, r.stars FROM reviews v JOIN ratings r ON r.id = v.rating_id"
        assert await self.totals("review_totals") == await self._recount(texts)
        return await self._recount("SELECT product_id, state, stars FROM ratings")

    async def _recount(self, query: str) -> dict[tuple[str, str], tuple[int, ...]]:
        counts: dict[tuple[str, str], list[int]] = {}
        for row in await self.house.rows(query):
            keys = [row["product_id"], *(["*"] if row["product_id"] else [])]
            for key in keys:
                counts.setdefault((key, row["state"]), [0] * 5)[row["stars"] - 1] += 1
        return {key: tuple(stars) for key, stars in counts.items()}


@pytest.fixture
async def shop(house: SendingHouse) -> FeedbackHouse:
    return FeedbackHouse(house)


def stars(product_id: str | None, count: int, text: str | None = None) -> Feedback:
    return Feedback(product_id=product_id, stars=count, text=text)


async def invite(shop: FeedbackHouse, *products: str, **changes: Any) -> Invitation:
    return await shop.house.invite(products=products or ("mug",), **changes)


# Opening


async def test_page_shows_what_was_asked_and_answered(shop: FeedbackHouse) -> None:
    async with shop.house.database.transaction() as stores:
        await stores.branding.replace(shop.house.merchant.id, make_branding(), replacing=0, at=NOON)
    invitation = await invite(shop, "mug", "tent")
    [rating] = await shop.leave(invitation, stars("mug", 4, "Nice."))
    page = await shop.service.open_page(shop.token(invitation, step=Step.PRODUCT_2), is_noted=False)
    assert page.merchant == shop.house.merchant
    assert page.branding == make_branding()
    assert page.invitation.id == invitation.id
    assert page.step is Step.PRODUCT_2
    assert [(card.product_id, card.name, card.image_url) for card in page.products] == [
        ("mug", "The mug", "https://gifts.example/i/mug.jpg"),
        ("tent", "The tent", "https://gifts.example/i/tent.jpg"),
    ]
    assert page.ratings == (rating,)
    assert page.is_delivery_confirmed is False


async def test_view_is_noted_once_a_minute_and_step(shop: FeedbackHouse) -> None:
    invitation = await invite(shop)
    first, second = (shop.token(invitation, step=step) for step in (Step.PRODUCT_1, Step.PRODUCT_2))
    for token in (first, first, second, first, second):
        await shop.service.open_page(token, is_noted=True)
    shop.house.clock.advance(timedelta(seconds=60))
    await shop.service.open_page(first, is_noted=True)
    assert [(entry.event, entry.data) for entry in await shop.entries(invitation)] == [
        (TimelineEvent.PAGE_VIEWED, {"step": "product_1"}),
        (TimelineEvent.PAGE_VIEWED, {"step": "product_2"}),
        (TimelineEvent.PAGE_VIEWED, {"step": "product_1"}),
    ]


async def test_looking_without_a_note_leaves_no_trace(shop: FeedbackHouse) -> None:
    invitation = await invite(shop)
    await shop.service.open_page(shop.token(invitation), is_noted=False)
    await shop.service.open_unsubscribe(shop.unsubscribe_token(invitation))
    assert await shop.events(invitation) == []
    assert await shop.house.invitation(invitation.id) == invitation


async def test_product_that_was_taken_out_before_it_was_asked_about_is_not_shown(shop: FeedbackHouse) -> None:
    invitation = await invite(shop, "mug", "tent")
    await shop.house.post(make_order_event(lines=(make_line(id="mug"), make_line(id="tent", returned=True))))
    page = await shop.service.open_page(shop.token(invitation), is_noted=False)
    assert [card.product_id for card in page.products] == ["mug"]


@pytest.mark.parametrize("call", ["open_page", "confirm_delivery", "report_not_received", "leave_feedback"])
async def test_token_that_leads_nowhere_is_refused_everywhere(shop: FeedbackHouse, call: str) -> None:
    invitation = await invite(shop)
    expired = shop.token(invitation)
    stranger = replace(invitation, id=new_id())
    bad = [
        "nonsense",
        shop.unsubscribe_token(invitation),
        shop.token(stranger),
        shop.token(invitation, merchant_id=MerchantId("somebody-else")),
    ]
    for token in bad:
        with pytest.raises(TokenNotFoundError):
            await use(shop, call, token)
    shop.house.clock.advance(PAGE_LIFETIME + timedelta(days=1))
    with pytest.raises(TokenNotFoundError):
        await use(shop, call, expired)
    await shop.house.rows("UPDATE invitations SET status = 'erased'")
    with pytest.raises(TokenNotFoundError):
        await use(shop, call, shop.token(invitation))


async def use(shop: FeedbackHouse, call: str, token: str) -> None:
    match call:
        case "open_page":
            await shop.service.open_page(token, is_noted=True)
        case "leave_feedback":
            await shop.service.leave_feedback(token, [stars("mug", 5)])
        case "confirm_delivery":
            await shop.service.confirm_delivery(token)
        case _:
            await shop.service.report_not_received(token)


@pytest.mark.parametrize("is_page_token", [True, False])
async def test_unsubscribe_takes_its_own_tokens_only(shop: FeedbackHouse, *, is_page_token: bool) -> None:
    invitation = await invite(shop)
    token = shop.token(invitation) if is_page_token else "nonsense"
    for call in (shop.service.open_unsubscribe, shop.service.unsubscribe):
        with pytest.raises(TokenNotFoundError):
            await call(token)


# Delivery


async def test_delivery_is_confirmed_once(shop: FeedbackHouse) -> None:
    invitation = await invite(shop)
    for _ in range(2):
        await shop.service.confirm_delivery(shop.token(invitation))
    assert [(entry.event, entry.at) for entry in await shop.entries(invitation)] == [
        (TimelineEvent.DELIVERY_CONFIRMED, shop.house.clock.now)
    ]
    page = await shop.service.open_page(shop.token(invitation), is_noted=False)
    assert page.is_delivery_confirmed is True


async def test_delivery_is_asked_about_again_after_a_report(shop: FeedbackHouse) -> None:
    invitation = await invite(shop)
    token = shop.token(invitation)
    for call in (shop.service.confirm_delivery, shop.service.report_not_received):
        await call(token)
        shop.house.clock.advance(timedelta(minutes=5))
    assert (await shop.service.open_page(token, is_noted=False)).is_delivery_confirmed is False
    await shop.service.confirm_delivery(token)
    assert (await shop.service.open_page(token, is_noted=False)).is_delivery_confirmed is True


async def test_report_moves_the_second_message_once_a_day(shop: FeedbackHouse) -> None:
    invitation = await invite(shop)
    await shop.house.send(RecordingSender())
    sent = await shop.house.invitation(invitation.id)
    assert (sent.next_step, sent.message_count) == (Step.PRODUCT_2, 1)
    for _ in range(2):
        await shop.service.report_not_received(shop.token(invitation))
    moved = await shop.house.invitation(invitation.id)
    assert moved.send_at - sent.send_at == timedelta(days=9)
    assert moved.next_attempt_at == moved.send_at
    [entry] = await shop.entries(invitation)
    assert (entry.event, entry.data) == (
        TimelineEvent.NOT_RECEIVED,
        {"step": "product_1", "send_at": moved.send_at.isoformat()},
    )


# Stars and words


async def test_feedback_is_stored_published_and_ends_the_asking(shop: FeedbackHouse) -> None:
    invitation = await invite(shop, "mug", "tent")
    ratings = await shop.leave(invitation, stars("mug", 4, "  Nice.\r\nVery.  "), stars("tent", 2))
    now = shop.house.clock.now
    assert ratings == [
        Rating(
            id=ratings[0].id,
            invitation_id=invitation.id,
            product_id="mug",
            stars=4,
            state=PublishState.PUBLISHED,
            review_text="Nice.\nVery.",
            review_state=PublishState.PUBLISHED,
            reviewed_at=now,
            created_at=now,
            updated_at=now,
        ),
        Rating(
            id=ratings[1].id,
            invitation_id=invitation.id,
            product_id="tent",
            stars=2,
            state=PublishState.PUBLISHED,
            review_text=None,
            review_state=None,
            created_at=now,
            updated_at=now,
        ),
    ]
    responded = await shop.house.invitation(invitation.id)
    assert (responded.status, responded.next_step, responded.next_attempt_at) == (
        InvitationStatus.RESPONDED,
        None,
        None,
    )
    [review] = await shop.house.rows("SELECT * FROM reviews")
    assert (review["text"], review["displayed_name"], review["language"], review["state"]) == (
        "Nice.\nVery.",
        "Kari N.",
        "nb",
        "published",
    )
    assert [(entry.event, entry.data) for entry in await shop.entries(invitation)] == [
        (
            TimelineEvent.FEEDBACK_LEFT,
            {
                "step": "product_1",
                "product_id": "mug",
                "stars": 4,
                "state": "published",
                "review_state": "published",
            },
        ),
        (
            TimelineEvent.FEEDBACK_LEFT,
            {"step": "product_1", "product_id": "tent", "stars": 2, "state": "published"},
        ),
    ]


async def test_feedback_again_takes_the_place_of_the_earlier(shop: FeedbackHouse) -> None:
    invitation = await invite(shop)
    [first] = await shop.leave(invitation, stars("mug", 2, "So so."))
    shop.house.clock.advance(timedelta(hours=1))
    [second] = await shop.leave(invitation, stars("mug", 5))
    assert second == replace(first, stars=5, updated_at=shop.house.clock.now)
    page = await shop.service.open_page(shop.token(invitation), is_noted=False)
    assert page.ratings == (second,)
    assert (await shop.entries(invitation))[-1].data == {
        "step": "product_1",
        "product_id": "mug",
        "stars": 5,
        "earlier_stars": 2,
        "state": "published",
    }
    assert await shop.totals() == {("mug", "published"): (0, 0, 0, 0, 1), ("*", "published"): (0, 0, 0, 0, 1)}


async def test_same_feedback_again_changes_nothing(shop: FeedbackHouse) -> None:
    invitation = await invite(shop)
    first = await shop.leave(invitation, stars("mug", 4, "Nice."))
    shop.house.clock.advance(timedelta(hours=1))
    assert await shop.leave(invitation, stars("mug", 4, " Nice. ")) == first
    assert await shop.events(invitation) == [TimelineEvent.FEEDBACK_LEFT]


async def test_merchants_rejection_stands_when_the_customer_edits(shop: FeedbackHouse) -> None:
    invitation = await invite(shop)
    approvals = ApprovalService(shop.house.database, clock=shop.house.clock, new_id=new_id)
    [left] = await shop.leave(invitation, stars("mug", 1, "Rubbish."))
    await approvals.reject(shop.house.merchant, left.id, RejectReason.OFFENSIVE, actor="key:shop")
    [edited] = await shop.leave(invitation, stars("mug", 2, "Bad."))
    assert (edited.state, edited.review_state) == (PublishState.REJECTED, PublishState.REJECTED)
    assert await shop.totals() == await shop.recount()


async def test_review_with_a_picture_waits_for_the_merchant(shop: FeedbackHouse) -> None:
    invitation = await invite(shop)
    [rating] = await shop.leave(invitation, stars("mug", 4, "See https://img.example/mug.jpg"))
    assert (rating.state, rating.review_state) == (PublishState.PUBLISHED, PublishState.NEEDS_ATTENTION)
    [edited] = await shop.leave(invitation, stars("mug", 4, "No picture any more"))
    assert edited.review_state is PublishState.PUBLISHED


@pytest.mark.parametrize("status", [status for status in InvitationStatus if status is not InvitationStatus.ERASED])
async def test_feedback_is_taken_in_every_state(shop: FeedbackHouse, status: InvitationStatus) -> None:
    invitation = await invite(shop)
    await shop.house.rows("UPDATE invitations SET status = $1", status.value)
    await shop.service.leave_feedback(shop.token(invitation, step=Step.PRODUCT_2), [stars("mug", 3)])
    assert (await shop.house.invitation(invitation.id)).status is InvitationStatus.RESPONDED


async def test_every_fault_is_named_and_nothing_stored(shop: FeedbackHouse) -> None:
    invitation = await invite(shop, "mug", "tent")
    with pytest.raises(InvalidInputError) as caught:
        await shop.leave(
            invitation,
            stars("mug", 6, "x" * 5001),
            stars("lamp", 3, "\x07"),
            stars(None, 3),
            stars("tent", 3),
            stars("tent", 4),
        )
    assert [(fault.pointer, fault.code) for fault in caught.value.faults] == [
        ("/ratings/0/stars", "stars_out_of_range"),
        ("/ratings/0/review/text", "text_too_long"),
        ("/ratings/1/product_id", "product_unknown"),
        ("/ratings/1/review/text", "text_not_plain"),
        ("/ratings/2/product_id", "product_unknown"),
        ("/ratings/3/product_id", "rated_twice"),
        ("/ratings/4/product_id", "rated_twice"),
    ]
    assert await shop.house.rows("SELECT * FROM ratings") == []
    assert await shop.events(invitation) == []
    assert await shop.house.invitation(invitation.id) == invitation


async def test_nothing_at_all_is_a_fault(shop: FeedbackHouse) -> None:
    invitation = await invite(shop)
    with pytest.raises(InvalidInputError) as caught:
        await shop.leave(invitation)
    assert caught.value.faults == (Fault("/ratings", "nothing_rated", "Give at least one rating."),)


# Counting


def summary_of(product: StarCounts, service: StarCounts) -> RatingSummary:
    return RatingSummary(product=Standing(product, StarCounts()), service=Standing(service, StarCounts()))


async def test_summary_counts_products_and_service_apart(shop: FeedbackHouse) -> None:
    mug = await invite(shop, "mug", "tent")
    await shop.leave(mug, stars("mug", 5), stars("tent", 4))
    assert await shop.ratings.summary(shop.house.merchant.id) == summary_of(StarCounts(four=1, five=1), StarCounts())
    assert await shop.ratings.summary(shop.house.merchant.id, product_ids=["mug", "none"]) == summary_of(
        StarCounts(five=1), StarCounts()
    )
    assert await shop.ratings.summary(shop.house.merchant.id, product_ids=[]) == summary_of(StarCounts(), StarCounts())


async def test_summary_puts_pending_and_needs_attention_together_and_leaves_rejected_out(
    shop: FeedbackHouse,
) -> None:
    states = ("published", "pending", "needs_attention", "rejected")
    for count, state in enumerate(states, start=1):
        await shop.house.rows(
            "INSERT INTO rating_totals (merchant_id, product_id, state, stars_1, stars_2, stars_3, stars_4, stars_5)"
            " VALUES ($1, '', $2, 0, 0, 0, 0, $3)",
            shop.house.merchant.id,
            state,
            count,
        )
    assert (await shop.ratings.summary(shop.house.merchant.id)).service == Standing(
        published=StarCounts(five=1), pending=StarCounts(five=5)
    )


async def test_product_named_like_the_sum_is_counted_apart_from_it(shop: FeedbackHouse) -> None:
    invitation = await invite(shop, "*", "**", "mug")
    await shop.leave(invitation, stars("*", 1), stars("**", 2), stars("mug", 3))
    summaries = [
        (await shop.ratings.summary(shop.house.merchant.id, product_ids=ids)).product.published
        for ids in (["*"], ["**"], ["mug"], None)
    ]
    assert summaries == [StarCounts(one=1), StarCounts(two=1), StarCounts(three=1), StarCounts(1, 1, 1)]


async def test_totals_stay_exact_while_many_rate_and_edit_at_once(shop: FeedbackHouse) -> None:
    products = ("mug", "tent", "lamp")
    invitations = [
        await invite(shop, *products, order_id=f"A{number}", email=f"a{number}@example.com") for number in range(6)
    ]

    async def rate(invitation: Invitation, offset: int) -> None:
        for turn in range(4):
            order = products if (turn + offset) % 2 else products[::-1]
            given = [
                stars(product, 1 + (turn + offset + place) % 5, f"Turn {turn}." if (turn + place) % 2 else None)
                for place, product in enumerate(order)
            ]
            await shop.leave(invitation, *given[: 1 + (turn + offset) % 3])

    await asyncio.gather(*(rate(invitation, offset) for offset in range(2) for invitation in invitations))
    totals = await shop.totals()
    assert totals == await shop.recount()
    assert sum(totals["*", "published"]) == len(await shop.house.rows("SELECT 1 FROM ratings"))


# Unsubscribing


async def suppressed(shop: FeedbackHouse, *contacts: str) -> Sequence[tuple[str, SuppressionReason]]:
    async with shop.house.database.transaction() as stores:
        found = await stores.suppressions.list_suppressions(shop.house.merchant.id, contacts)
    return sorted((entry.contact, entry.reason) for entry in found)


async def test_unsubscribing_suppresses_every_contact_and_ends_what_is_scheduled(shop: FeedbackHouse) -> None:
    first = await invite(shop, "mug", phone="+4791234567")
    same_phone = await shop.house.invite(
        order_id="1002",
        email="kari.other@example.com",
        phone="+4791234567",
        products=("lamp",),
        purchased_at=NOON - timedelta(days=1),
    )
    stranger = await shop.house.invite(order_id="1003", email="ola@example.com", products=("mug",))
    page = await shop.service.unsubscribe(shop.unsubscribe_token(first))
    assert (page.merchant, page.language) == (shop.house.merchant, "nb")
    contacts = ("kari@example.com", "+4791234567", "kari.other@example.com", "ola@example.com")
    assert await suppressed(shop, *contacts) == [
        ("+4791234567", SuppressionReason.UNSUBSCRIBED),
        ("kari@example.com", SuppressionReason.UNSUBSCRIBED),
    ]
    ended = await shop.house.invitations([first.id, same_phone.id, stranger.id])
    assert {invitation.id: (invitation.status, invitation.ended_reason) for invitation in ended} == {
        first.id: (InvitationStatus.CANCELLED, "unsubscribed"),
        same_phone.id: (InvitationStatus.CANCELLED, "unsubscribed"),
        stranger.id: (InvitationStatus.SCHEDULED, None),
    }
    assert await shop.events(first) == [TimelineEvent.UNSUBSCRIBED, TimelineEvent.INVITATION_CANCELLED]
    assert await shop.events(same_phone) == [TimelineEvent.INVITATION_CANCELLED]


async def test_unsubscribing_between_the_messages_ends_the_second(shop: FeedbackHouse) -> None:
    invitation = await invite(shop)
    await shop.house.send(RecordingSender())
    await shop.service.unsubscribe(shop.unsubscribe_token(invitation))
    ended = await shop.house.invitation(invitation.id)
    assert (ended.status, ended.ended_reason, ended.next_attempt_at) == (InvitationStatus.SENT, "unsubscribed", None)


async def test_unsubscribing_again_changes_nothing(shop: FeedbackHouse) -> None:
    invitation = await invite(shop)
    for _ in range(2):
        await shop.service.unsubscribe(shop.unsubscribe_token(invitation))
        shop.house.clock.advance(timedelta(hours=1))
    assert await shop.events(invitation) == [TimelineEvent.UNSUBSCRIBED, TimelineEvent.INVITATION_CANCELLED]


async def test_unsubscribed_customer_is_not_written_to(shop: FeedbackHouse) -> None:
    invitation = await invite(shop)
    await shop.service.unsubscribe(shop.unsubscribe_token(invitation))
    sender = RecordingSender()
    await shop.house.send(sender)
    assert sender.messages == []


async def test_unsubscribing_many_times_at_once_ends_in_one(shop: FeedbackHouse) -> None:
    invitation = await invite(shop, phone="+4791234567")
    token = shop.unsubscribe_token(invitation)
    await asyncio.gather(*(shop.service.unsubscribe(token) for _ in range(5)))
    assert (await shop.events(invitation)).count(TimelineEvent.UNSUBSCRIBED) == 1


class BusyDatabase(Database):
    """Lets other transactions come in between, as often as it is told."""

    def __init__(self, url: str, *, conflicts: int) -> None:
        super().__init__(url, contact_keys=ContactKeys(SECRET), new_id=new_id, pool_size=2)
        self.conflicts = conflicts

    @contextlib.asynccontextmanager
    async def transaction(self, *, by_key: bool = False) -> AsyncIterator[Stores]:
        async with super().transaction(by_key=by_key) as stores:
            yield stores
            if self.conflicts:
                self.conflicts -= 1
                raise TransactionConflictError("Another transaction came in between.")


@pytest.mark.parametrize(("conflicts", "is_taken"), [(4, True), (5, False)])
async def test_change_is_begun_again_when_others_come_in_between(
    shop: FeedbackHouse, database_url: str, *, conflicts: int, is_taken: bool
) -> None:
    invitation = await invite(shop)
    database = BusyDatabase(database_url, conflicts=conflicts)
    service = FeedbackService(database, texts=TextVersions(), signer=SIGNER, clock=shop.house.clock, new_id=new_id)
    expected = contextlib.nullcontext() if is_taken else pytest.raises(TransactionConflictError)
    with expected:
        await service.leave_feedback(shop.token(invitation), [stars("mug", 5)])
    await database.close()
    assert len(await shop.house.rows("SELECT 1 FROM ratings")) == is_taken
    assert await shop.totals() == await shop.recount()


async def test_order_that_joins_meanwhile_is_unsubscribed_too(shop: FeedbackHouse) -> None:
    invitation = await invite(shop)
    token = shop.unsubscribe_token(invitation)
    joining = make_order_event(order_id="1002", products=("lamp",), phone="+4791234567")
    await asyncio.gather(shop.house.post(joining), shop.service.unsubscribe(token))
    [stored] = await shop.house.rows("SELECT outcome FROM orders WHERE order_id = '1002'")
    found = await suppressed(shop, "kari@example.com", "+4791234567")
    # An order that had joined is unsubscribed with all its contacts; one that came later is blocked.
    if stored["outcome"] == "merged":
        assert [contact for contact, _ in found] == ["+4791234567", "kari@example.com"]
    else:
        assert stored["outcome"] == "blocked"
        assert [contact for contact, _ in found] == ["kari@example.com"]


async def test_token_of_the_written_message_is_ours(shop: FeedbackHouse) -> None:
    invitation = await invite(shop)
    sender = RecordingSender()
    await shop.house.send(sender)
    [message] = sender.messages
    unsubscribe = message.headers["List-Unsubscribe"].strip("<>").rpartition("/")[2]
    assert (await shop.service.open_unsubscribe(unsubscribe)).merchant == shop.house.merchant
    assert message.invitation_id == invitation.id
    assert isinstance(message.attempt_id, UUID)
