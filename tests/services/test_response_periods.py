"""Days and months are counted right whatever happens at once, and rates read from them are those counted one by one."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from zoneinfo import ZoneInfo

import pytest

from invite_service.domain.errors import ActionRefusedError
from invite_service.domain.feedback import Feedback
from invite_service.domain.insight import Dimension
from invite_service.domain.invitation import Invitation, InvitationStatus, Step
from invite_service.domain.listing import Span
from invite_service.domain.message import Message
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.providers.doubles import FakeSender, RecordingSender
from invite_service.services.account_insights import AccountInsightService
from invite_service.services.claim import WholeTurn
from invite_service.services.feedback import FeedbackService
from invite_service.services.invitations import InvitationService
from invite_service.services.send_report import SendReport
from invite_service.services.text_versions import TextVersions
from invite_service.services.tokens import TokenPurpose, TokenSigner
from invite_service.storage.database import Database
from tests.support.builders import make_merchant, new_id
from tests.support.responding import compare_periods
from tests.support.sending import SECRET, SendingHouse, driver_of

SIGNER = TokenSigner({0: SECRET.encode()}, current=0)


class FickleSender(RecordingSender):
    """Answers by chance, and takes its time."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self._chance = chance

    async def send(self, message: Message) -> Receipt:
        await asyncio.sleep(self._chance.random() / 100)
        receipt = await super().send(message)
        [outcome] = self._chance.choices([OutcomeWord.ACCEPTED, OutcomeWord.UNKNOWN], weights=[3, 1])
        return replace(receipt, outcome=outcome)


async def answer(house: SendingHouse, invitation: Invitation, *, stars: int) -> None:
    service = FeedbackService(house.database, texts=TextVersions(), signer=SIGNER, clock=house.clock, new_id=new_id)
    token = SIGNER.make(
        house.merchant.id, invitation.id, purpose=TokenPurpose.PAGE, step=Step.PRODUCT_1, at=house.clock.now
    )
    feedback = [Feedback(product_id=product_id, stars=stars) for product_id in invitation.product_ids]
    await service.leave_feedback(token, feedback)


async def settle_doubts(house: SendingHouse, invitations: Sequence[Invitation], chance: random.Random) -> None:
    service = InvitationService(house.database, bell=house.bell, clock=house.clock)
    for invitation in await house.invitations([invitation.id for invitation in invitations]):
        if invitation.status is InvitationStatus.IN_DOUBT and chance.random() < 0.7:
            await service.mark_sent(house.merchant, invitation.id, actor="key:first")


@pytest.mark.parametrize("seed", range(3))
async def test_days_are_those_of_a_recount_whatever_happens_at_once(house: SendingHouse, seed: int) -> None:
    chance = random.Random(seed)
    invitations = await house.invite_many(24)
    for _ in range(3):
        senders = [house.sending(FickleSender(chance), batch_size=5) for _ in range(2)]
        rated = chance.sample(invitations, 5)
        await asyncio.gather(
            *(sender.send_due(house.merchant.id, turn=WholeTurn()) for sender in senders for _ in range(2)),
            *(answer(house, invitation, stars=chance.randint(1, 5)) for invitation in rated),
            *(answer(house, invitation, stars=chance.randint(1, 5)) for invitation in rated[:2]),
        )
        await settle_doubts(house, invitations, chance)
        house.clock.advance(timedelta(days=chance.randint(0, 6), hours=chance.randint(0, 23)))
    counted, recounted = await compare_periods(house.database)
    assert counted == recounted
    # Which of them left, and how many were rated, depends on who came first.
    assert all(sum(counts) > 0 for counts in list(zip(*counted, strict=True))[3:])


async def test_message_settled_as_sent_days_later_counts_on_the_day_it_was_begun(house: SendingHouse) -> None:
    invitation = await house.invite()
    began_on = house.clock.now.date()
    await house.send(FakeSender([Receipt(outcome=OutcomeWord.UNKNOWN, reason="made_up", provider="fake")]))
    assert await compare_periods(house.database) == ([], [])
    service = InvitationService(house.database, bell=house.bell, clock=house.clock)
    house.clock.advance(timedelta(days=2))
    await service.mark_sent(house.merchant, invitation.id, actor="key:first")
    with pytest.raises(ActionRefusedError):
        await service.mark_sent(house.merchant, invitation.id, actor="key:first")
    periods = [(house.merchant.id, "day", began_on, 1, 0), (house.merchant.id, "month", began_on.replace(day=1), 1, 0)]
    assert await compare_periods(house.database) == (periods, periods)


async def test_second_message_and_edited_stars_count_nothing(house: SendingHouse) -> None:
    invitation = await house.invite()
    await house.send(RecordingSender())
    after = await house.invitation(invitation.id)
    house.clock.now = after.send_at
    assert await house.send(RecordingSender()) == SendReport(sent=1)
    for stars in (1, 5):
        await answer(house, invitation, stars=stars)
    counted, _ = await compare_periods(house.database)
    assert [(sent, ratings) for _, unit, _, sent, ratings in counted if unit == "day"] == [(1, 0), (0, 1)]


OSLO = ZoneInfo("Europe/Oslo")


SPANS = (
    (None, None),
    (datetime(2026, 3, 3, tzinfo=OSLO), None),
    (datetime(2026, 3, 1, tzinfo=OSLO), datetime(2026, 3, 4, tzinfo=OSLO)),
)


async def test_rates_read_from_days_are_those_counted_one_by_one(filled: SendingHouse) -> None:
    insights = AccountInsightService(filled.database)
    for by, (start, end) in product(Dimension, SPANS):
        read = await insights.response_rate(filled.merchant, Span(start=start, end=end), by=by)
        # A microsecond more on either side cuts a day, and nothing happened in it.
        sliver = timedelta(microseconds=1)
        wider = Span(
            start=start - sliver if start is not None else datetime(1999, 1, 1, 1, tzinfo=UTC),
            end=end + sliver if end is not None else datetime(2999, 1, 1, 1, tzinfo=UTC),
        )
        assert read == await insights.response_rate(filled.merchant, wider, by=by)
        assert read.whole.sent > 0


async def test_midnight_that_comes_twice_begins_a_day_once(database: Database) -> None:
    zone = ZoneInfo("Atlantic/Azores")
    house = await SendingHouse.build(database, merchant=make_merchant(time_zone=zone.key))
    invitation = await house.invite()
    # Ten minutes before clocks go back from one to midnight.
    sent_at = datetime(2026, 10, 25, 0, 50, tzinfo=zone)
    await house.rows("UPDATE invitations SET first_sent_at = $1 WHERE id = $2 RETURNING 1", sent_at, invitation.id)
    await house.rows(
        "INSERT INTO response_periods SELECT $1, unit, $2, 0, 1, 0 FROM unnest($3::text[]) AS unit RETURNING 1",
        house.merchant.id,
        sent_at.date(),
        ["day", "month"],
    )
    insights = AccountInsightService(database)
    found = [
        (await insights.response_rate(house.merchant, Span(start=midnight), by=Dimension.DAY)).whole.sent
        for midnight in (sent_at.replace(minute=0), sent_at.replace(minute=0, fold=1))
    ]
    assert found == [1, 0]


FILL = """
SET LOCAL session_replication_role = replica;
INSERT INTO invitations (
    merchant_id, id, kind, channel, language, contact_key, status, steps, policy_version, time_zone, spread_order_id,
    created_at, send_at, order_ids, moved_by_merchant, send_now, message_count, tries, first_sent_at
)
SELECT 'gift-shop', md5(n::text)::uuid, 'product', 'email', CASE WHEN n % 3 = 0 THEN 'nb' ELSE 'en' END, '', 'sent',
    '{product_1}', 1, 'UTC', '', '2026-03-01Z', '2026-03-01Z', '{}', FALSE, FALSE, 1, 0, first_sent_at
FROM (
    SELECT n, timestamptz '2026-02-20 22:30Z' + n * interval '1 hour 7 minutes' AS first_sent_at
    FROM generate_series(1, 400) AS n
) AS made;
INSERT INTO invitation_products (merchant_id, invitation_id, product_id, position, brought_by, asked, created_at)
SELECT 'gift-shop', id, 'p' || length(spread_order_id), 0, '{}', TRUE, created_at FROM invitations;
INSERT INTO attempts (
    merchant_id, id, invitation_id, step, channel, language, provider, message_id, idempotency_key, content_hash,
    product_ids, asked_at, started_at, outcome
)
SELECT 'gift-shop', id, id, 'product_1', 'email', 'nb', '', '', '', '', '{}', first_sent_at, first_sent_at, 'accepted'
FROM invitations;
INSERT INTO ratings (merchant_id, id, invitation_id, product_id, stars, state, created_at, updated_at)
SELECT 'gift-shop', id, id, 'p0', 5, 'published', first_sent_at + interval '30 hours', first_sent_at
FROM invitations WHERE ascii(right(id::text, 1)) % 3 = 0;
INSERT INTO response_periods (merchant_id, unit, starts_on, shard, sent, ratings)
SELECT 'gift-shop', unit, date_trunc(unit, first_sent_at AT TIME ZONE 'Europe/Oslo')::date, 1, count(*), 0
FROM invitations, unnest(ARRAY['day', 'month']) AS unit GROUP BY 2, 3;
INSERT INTO response_periods (merchant_id, unit, starts_on, shard, sent, ratings)
SELECT 'gift-shop', unit, date_trunc(unit, created_at AT TIME ZONE 'Europe/Oslo')::date, 2, 0, count(*)
FROM ratings, unnest(ARRAY['day', 'month']) AS unit GROUP BY 2, 3
"""


@pytest.fixture
async def filled(database: Database) -> SendingHouse:
    """A merchant in Oslo, of whom some hundred invitations left in three weeks."""
    house = await SendingHouse.build(database, merchant=make_merchant(id="gift-shop", time_zone="Europe/Oslo"))
    async with database.transaction() as stores:
        await driver_of(stores).execute(FILL)
    return house
