"""Publishing, holding, rejecting and moving ratings, and what the end of a hold publishes."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from invite_service.domain.errors import ActionRefusedError, Fault, RatingNotFoundError
from invite_service.domain.feedback import PublishState, Rating
from invite_service.domain.invitation import Invitation
from invite_service.domain.publishing import Approval, HoldScope, PublishingSettings, RejectReason
from invite_service.domain.timeline import TimelineEvent
from invite_service.services.approvals import ApprovalService
from invite_service.services.holidays import check_holidays
from invite_service.services.publishing import PublishingService
from tests.services.test_feedback import FeedbackHouse, invite, stars
from tests.support.builders import new_id
from tests.support.sending import SendingHouse

PUBLISHED, PENDING, REJECTED = PublishState.PUBLISHED, PublishState.PENDING, PublishState.REJECTED

MONDAY = datetime(2026, 5, 4, 12, tzinfo=UTC)
"""When customers answer."""

FIVE_WORKING_DAYS = timedelta(days=7)
"""From MONDAY, with a weekend in between."""


class ApprovalHouse(FeedbackHouse):
    """A merchant who decides what is seen."""

    def __init__(self, house: SendingHouse) -> None:
        super().__init__(house)
        self.approvals = ApprovalService(house.database, clock=house.clock, new_id=new_id)

    async def ask(self, *products: str, **changes: Any) -> Invitation:
        """Invite a customer, and let it be MONDAY."""
        invitation = await invite(self, *products, **changes)
        self.house.clock.now = MONDAY
        return invitation

    async def trigger_support(self, **changes: Any) -> PublishingSettings:
        service = PublishingService(self.house.database, clock=self.house.clock)
        changes = {"approval": Approval.SUPPORT_TRIGGER, **changes}
        return await service.patch(self.house.merchant, changes, replacing=None, actor="key:shop")

    async def told(self) -> list[tuple[str, TimelineEvent, str | None, datetime]]:
        """Tell what the timeline says besides what the customer did."""
        rows = await self.house.rows(
            "SELECT actor, event, reason, at FROM timeline_entries WHERE event LIKE 'rating%' OR event LIKE 'support%'"
            " ORDER BY id"
        )
        return [(row["actor"], TimelineEvent(row["event"]), row["reason"], row["at"]) for row in rows]

    async def cases(self) -> list[tuple[str, Any]]:
        rows = await self.house.rows("SELECT opened_by, rating_id FROM support_cases ORDER BY id")
        return [(row["opened_by"], row["rating_id"]) for row in rows]


@pytest.fixture
async def shop(house: SendingHouse) -> ApprovalHouse:
    return ApprovalHouse(house)


async def test_low_rating_waits_alerts_and_is_published_by_itself(shop: ApprovalHouse) -> None:
    await shop.trigger_support()
    [low] = await shop.leave(await shop.ask(), stars("mug", 2, "Broken."))
    assert (low.state, low.review_state, low.publish_at) == (PENDING, PENDING, MONDAY + FIVE_WORKING_DAYS)
    assert await shop.cases() == [("rule", low.id)]

    shop.house.clock.now = MONDAY + FIVE_WORKING_DAYS - timedelta(seconds=1)
    assert await shop.approvals.find_due() == []
    assert await shop.approvals.publish_due(shop.house.merchant.id) == 0
    shop.house.clock.now += timedelta(seconds=1)
    assert await shop.approvals.find_due() == [shop.house.merchant.id]
    assert await shop.approvals.publish_due(shop.house.merchant.id) == 1
    assert await shop.approvals.publish_due(shop.house.merchant.id) == 0

    shown = await shop.ratings.get(shop.house.merchant.id, low.id)
    assert (shown.rating.state, shown.rating.review_state, shown.rating.publish_at) == (PUBLISHED, PUBLISHED, None)
    assert await shop.told() == [
        ("rule", TimelineEvent.SUPPORT_CASE_OPENED, None, MONDAY),
        ("worker", TimelineEvent.RATING_PUBLISHED, "hold_ended", MONDAY + FIVE_WORKING_DAYS),
    ]
    assert await shop.totals() == await shop.recount()


async def test_holidays_of_the_merchants_country_do_not_count(shop: ApprovalHouse) -> None:
    await shop.trigger_support(holiday_country="NO", support_hold_working_days=1)
    invitation = await shop.ask()
    shop.house.clock.now = datetime(2026, 4, 1, 12, tzinfo=UTC)
    [low] = await shop.leave(invitation, stars("mug", 1))
    # Maundy Thursday, Good Friday, the weekend and Easter Monday lie between.
    assert low.publish_at == datetime(2026, 4, 7, 12, tzinfo=UTC)


def test_country_whose_holidays_nobody_knows_is_a_fault() -> None:
    detail = "Must be a country whose holidays are known, by its ISO 3166 alpha-2 code."
    settings = PublishingSettings(holiday_country="XX", holiday_region="1")
    assert check_holidays(settings) == [Fault("/holiday_country", "unknown_country", detail)]


async def test_customer_who_thinks_better_of_it_is_published_and_alerts_nobody_twice(shop: ApprovalHouse) -> None:
    await shop.trigger_support()
    invitation = await shop.ask()
    await shop.leave(invitation, stars("mug", 2))
    await shop.leave(invitation, stars("mug", 1, "Broken."))
    [happy] = await shop.leave(invitation, stars("mug", 5, "They sent a new one."))
    assert (happy.state, happy.review_state, happy.publish_at) == (PUBLISHED, PUBLISHED, None)
    assert await shop.cases() == [("rule", happy.id)]
    assert await shop.totals() == await shop.recount()


async def test_where_everyone_waits_only_low_ratings_alert(shop: ApprovalHouse) -> None:
    await shop.trigger_support(support_hold_scope=HoldScope.ALL_RATINGS)
    high, low = await shop.leave(await shop.ask("mug", "tent"), stars("mug", 5), stars("tent", 1))
    assert (high.publish_at, low.publish_at) == (MONDAY + FIVE_WORKING_DAYS, MONDAY + FIVE_WORKING_DAYS)
    assert await shop.cases() == [("rule", low.id)]


async def test_merchant_rejects_and_publishes_with_a_stored_reason(shop: ApprovalHouse) -> None:
    merchant = shop.house.merchant
    [left] = await shop.leave(await shop.ask(), stars("mug", 1, "Rubbish."))
    rejected = await shop.approvals.reject(merchant, left.id, RejectReason.OFFENSIVE, actor="key:shop")
    assert (rejected.rating.state, rejected.rating.review_state) == (REJECTED, REJECTED)
    assert await shop.approvals.reject(merchant, left.id, RejectReason.OFFENSIVE, actor="key:shop") == rejected
    assert await shop.totals() == await shop.recount()
    published = await shop.approvals.publish(merchant, left.id, actor="key:shop")
    assert (published.rating.state, published.rating.reject_reason) == (PUBLISHED, None)
    assert await shop.told() == [
        ("key:shop", TimelineEvent.RATING_REJECTED, "offensive", MONDAY),
        ("key:shop", TimelineEvent.RATING_PUBLISHED, None, MONDAY),
    ]
    assert await shop.totals() == await shop.recount()


async def test_hold_opens_a_case_and_outlasts_every_clock(shop: ApprovalHouse) -> None:
    [left] = await shop.leave(await shop.ask(), stars("mug", 4))
    await shop.approvals.hold(shop.house.merchant, left.id, actor="key:shop")
    assert await shop.cases() == [("key:shop", left.id)]
    shop.house.clock.now += timedelta(days=365)
    assert await shop.approvals.publish_due(shop.house.merchant.id) == 0
    assert (await shop.ratings.get(shop.house.merchant.id, left.id)).rating.state is PENDING


async def test_moved_rating_counts_for_the_service_and_stays_its_customers(shop: ApprovalHouse) -> None:
    merchant, invitation = shop.house.merchant, await shop.ask("mug", "tent")
    mug, tent = await shop.leave(invitation, stars("mug", 2, "Slow delivery."), stars("tent", 4))
    moved = await shop.approvals.move_to_service(merchant, mug.id, actor="key:shop")
    assert (moved.rating.product_id, moved.rating.moved_from) == (None, "mug")
    assert await shop.approvals.move_to_service(merchant, mug.id, actor="key:shop") == moved
    assert await shop.totals() == await shop.recount()

    [edited] = await shop.leave(invitation, stars("mug", 3))
    assert (edited.id, edited.product_id, edited.stars) == (mug.id, "mug", 3)
    assert (await shop.ratings.get(merchant.id, mug.id)).rating.product_id is None
    assert await shop.totals() == await shop.recount()
    with pytest.raises(ActionRefusedError) as refused:
        await shop.approvals.move_to_service(merchant, tent.id, actor="key:shop")
    assert refused.value.reason == "service_rated"


async def test_what_cannot_be_is_refused(shop: ApprovalHouse) -> None:
    merchant = shop.house.merchant
    with pytest.raises(RatingNotFoundError):
        await shop.approvals.publish(merchant, new_id(), actor="key:shop")
    [left] = await shop.leave(await shop.ask(), stars("mug", 4))
    with pytest.raises(ActionRefusedError) as refused:
        await shop.approvals.hold(merchant, left.id, parts=["review"], actor="key:shop")  # type: ignore[list-item]
    assert refused.value.reason == "no_review"


async def test_totals_stay_exact_while_customers_merchant_and_worker_meet(shop: ApprovalHouse) -> None:
    await shop.trigger_support()
    merchant, clock = shop.house.merchant, shop.house.clock
    invitations = [
        await shop.ask("mug", "tent", order_id=f"A{number}", email=f"a{number}@example.com") for number in range(4)
    ]
    left: list[Rating] = []
    for invitation in invitations:
        left += await shop.leave(invitation, stars("mug", 1, "Bad."), stars("tent", 2))
    clock.now += FIVE_WORKING_DAYS

    async def edit(offset: int) -> None:
        for turn in range(4):
            for invitation in invitations:
                await shop.leave(invitation, stars("mug", 1 + (turn + offset) % 5), stars("tent", 5 - turn))

    async def decide(offset: int) -> None:
        for turn, rating in enumerate(left * 2):
            if (turn + offset) % 3 == 0:
                await shop.approvals.reject(merchant, rating.id, RejectReason.SPAM, actor="key:shop")
            elif (turn + offset) % 3 == 1:
                await shop.approvals.hold(merchant, rating.id, actor="key:shop")
            else:
                await shop.approvals.publish(merchant, rating.id, actor="key:shop")

    async def publish() -> None:
        for _ in range(6):
            await shop.approvals.publish_due(merchant.id)

    await asyncio.gather(edit(0), edit(2), decide(0), decide(1), publish(), publish())
    assert await shop.totals() == await shop.recount()
