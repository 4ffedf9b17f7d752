"""What a customer said before stays on record, and what was said long ago stays as it is."""

import asyncio
from datetime import timedelta

import pytest

from invite_service.domain.errors import Fault, FeedbackTooOldError
from invite_service.domain.feedback import Rating, ReviewVersion
from invite_service.rules.feedback import EDITABLE_FOR
from invite_service.services.ratings import MAX_VERSIONS
from tests.services.test_feedback import FeedbackHouse, invite, stars
from tests.support.sending import SendingHouse


@pytest.fixture
async def shop(house: SendingHouse) -> FeedbackHouse:
    return FeedbackHouse(house)


async def history(shop: FeedbackHouse, rating: Rating) -> list[ReviewVersion]:
    return list((await shop.ratings.get_history(shop.house.merchant.id, rating.id)).versions)


async def test_every_change_by_the_customer_is_kept_with_its_instant(shop: FeedbackHouse) -> None:
    invitation, first_at = await invite(shop), shop.house.clock.now
    [rating] = await shop.leave(invitation, stars("mug", 5))
    assert await history(shop, rating) == [ReviewVersion(5, None, first_at, "customer")]
    shop.house.clock.advance(timedelta(days=1))
    await shop.leave(invitation, stars("mug", 5, "Nice."))
    # The same instant twice, as on a sandbox's clock that stands still.
    await shop.leave(invitation, stars("mug", 1, "It broke."))
    await shop.leave(invitation, stars("mug", 1, "It broke."))
    next_day = first_at + timedelta(days=1)
    assert await history(shop, rating) == [
        ReviewVersion(5, None, first_at, "customer"),
        ReviewVersion(5, "Nice.", next_day, "customer"),
        ReviewVersion(1, "It broke.", next_day, "customer"),
    ]
    found = await shop.ratings.get_history(shop.house.merchant.id, rating.id)
    assert (found.shown.rating.stars, found.shown.rating.reviewed_at) == (1, next_day)


async def test_of_very_many_versions_the_newest_are_told(shop: FeedbackHouse) -> None:
    invitation = await invite(shop)
    for number in range(MAX_VERSIONS + 2):
        [rating] = await shop.leave(invitation, stars("mug", 3, f"{number}"))
    told = await history(shop, rating)
    assert [version.text for version in told] == [str(number) for number in range(2, MAX_VERSIONS + 2)]


async def test_changes_at_once_are_all_kept(shop: FeedbackHouse) -> None:
    invitation = await invite(shop)
    await asyncio.gather(*(shop.leave(invitation, stars("mug", 3, f"{number}")) for number in range(6)))
    [rating] = await shop.leave(invitation, stars("mug", 3, "last"))
    told = [version.text for version in await history(shop, rating)]
    assert (sorted(str(text) for text in told[:-1]), told[-1]) == ([str(number) for number in range(6)], "last")


async def test_change_of_an_old_review_is_refused_with_everything_beside_it(shop: FeedbackHouse) -> None:
    invitation = await invite(shop, "mug", "tent")
    await shop.leave(invitation, stars("mug", 4))
    shop.house.clock.advance(timedelta(days=60))
    [rating] = await shop.leave(invitation, stars("mug", 4, "Nice."))
    shop.house.clock.advance(EDITABLE_FOR)
    with pytest.raises(FeedbackTooOldError) as refused:
        await shop.leave(invitation, stars("tent", 5), stars("mug", 1))
    assert refused.value.faults == (Fault("/ratings/1", "too_old_to_change", "The review is too old to be changed."),)
    # Saying the same again is no change, and what is not answered yet may be.
    same, tent = await shop.leave(invitation, stars("mug", 4, "Nice."), stars("tent", 5))
    assert (same, tent.stars) == (rating, 5)
    assert len(await history(shop, rating)) == 2


async def test_edit_does_not_prolong_the_time_for_the_next(shop: FeedbackHouse) -> None:
    invitation = await invite(shop)
    await shop.leave(invitation, stars("mug", 4, "Nice."))
    shop.house.clock.advance(EDITABLE_FOR - timedelta(days=1))
    await shop.leave(invitation, stars("mug", 4, "Nice!"))
    shop.house.clock.advance(timedelta(days=1))
    with pytest.raises(FeedbackTooOldError):
        await shop.leave(invitation, stars("mug", 4, "Nice?"))
