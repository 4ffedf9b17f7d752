"""Merchants whose e-mails bounce, or are called spam, are paused by themselves and resumed by hand."""

from datetime import timedelta
from uuid import UUID

import pytest

from invite_service.domain.errors import MerchantNotFoundError
from invite_service.domain.merchant import MerchantId
from invite_service.domain.policy import ProductSteps
from invite_service.domain.provider_event import EventKind
from invite_service.providers.doubles import RecordingSender
from invite_service.services.claim import WholeTurn
from invite_service.services.reputation import ReputationService
from invite_service.services.send_report import SendReport
from invite_service.storage.database import Database
from tests.support.builders import MERCHANT_ID, make_merchant, make_order_event, make_policy, new_id
from tests.support.sending import SendingHouse
from tests.support.telling import TellingHouse, make_event


@pytest.fixture
async def telling(database: Database) -> TellingHouse:
    return TellingHouse(await SendingHouse.build(database, policy=make_policy(product_steps=ProductSteps.FIRST_ONLY)))


def service(telling: TellingHouse) -> ReputationService:
    return ReputationService(telling.house.database, bell=telling.bell, clock=telling.house.clock, new_id=new_id)


async def make_due(telling: TellingHouse, count: int, *, prefix: str) -> None:
    """Ingest orders of as many customers whose messages are to leave now."""
    house = telling.house
    await house.post(
        *(
            make_order_event(order_id=f"{prefix}{n}", email=f"{prefix}{n}@example.com", purchased_at=house.clock.now)
            for n in range(count)
        )
    )
    await house.rows(
        "UPDATE invitations SET send_now = true, send_at = $1, next_attempt_at = $1 WHERE spread_order_id LIKE $2",
        house.clock.now,
        f"{prefix}%",
    )
    # What autovacuum would have done before so many were due.
    await house.rows("ANALYZE")


async def send_many(telling: TellingHouse, count: int = 200, *, prefix: str = "A") -> list[UUID]:
    """Send e-mails to as many customers, and give the ids of all attempts, the newest last."""
    await make_due(telling, count, prefix=prefix)
    await telling.house.sending(RecordingSender(), batch_size=500).send_due(MERCHANT_ID, turn=WholeTurn())
    return [attempt["id"] for attempt in await telling.house.attempts()]


async def tell_of(telling: TellingHouse, kind: EventKind, attempt_ids: list[UUID]) -> None:
    await telling.tell(*(make_event(kind, attempt_id=attempt_id) for attempt_id in attempt_ids))


async def pause_of(telling: TellingHouse) -> tuple[object, object]:
    [row] = await telling.house.rows("SELECT paused_at, paused_reason FROM merchants WHERE id = $1", MERCHANT_ID)
    return row["paused_at"], row["paused_reason"]


async def told(telling: TellingHouse) -> list[tuple[str, str, str | None, object]]:
    rows = await telling.house.rows(
        "SELECT actor, event, reason, data FROM timeline_entries WHERE event LIKE 'merchant_%' ORDER BY id"
    )
    return [(row["actor"], row["event"], row["reason"], row["data"]) for row in rows]


async def send_notice(telling: TellingHouse, attempt_id: UUID, notice: str = "reply_notice") -> UUID:
    """Have a customer who was asked hear of a reply, a second ago, and give the notice's id."""
    house, notice_id, rating_id = telling.house, new_id(), new_id()
    await house.rows(
        "INSERT INTO ratings (merchant_id, id, invitation_id, product_id, stars, state, created_at, updated_at)"
        " SELECT merchant_id, $2, invitation_id, $3, 5, 'published', $4, $4 FROM attempts WHERE id = $1",
        attempt_id,
        rating_id,
        str(rating_id),
        house.clock.now,
    )
    await house.rows(
        "INSERT INTO notices (merchant_id, id, notice, invitation_id, rating_id, channel, created_at, status, tries,"
        " started_at, ended_at, provider)"
        " SELECT merchant_id, $2, $3, invitation_id, $4, 'email', $5, 'sent', 0, $6, $6, provider"
        " FROM attempts WHERE id = $1",
        attempt_id,
        notice_id,
        notice,
        rating_id,
        house.clock.now - timedelta(days=3),
        house.clock.now - timedelta(seconds=1),
    )
    return notice_id


async def test_bounces_of_notices_count_and_those_of_the_merchants_own_support_do_not(telling: TellingHouse) -> None:
    attempt_ids = await send_many(telling, 199)
    alert = await send_notice(telling, attempt_ids[0], "support_alert")
    reply = await send_notice(telling, attempt_ids[1])
    await tell_of(telling, EventKind.BOUNCED_SOFT, [alert, *attempt_ids[:10]])
    assert await pause_of(telling) == (None, None)
    await tell_of(telling, EventKind.BOUNCED_SOFT, [reply])
    assert await pause_of(telling) == (telling.house.clock.now, "too_many_bounces")
    assert await told(telling) == [
        ("worker", "merchant_paused", "too_many_bounces", {"messages": 200, "bounced": 11, "complained": 0})
    ]


async def test_more_than_5_percent_bounces_pause_the_merchant_when_they_are_told(telling: TellingHouse) -> None:
    await telling.house.rows(
        "INSERT INTO webhook_endpoints (merchant_id, id, url, kinds, key_id, sealed_secret, created_at)"
        " VALUES ($1, $2, 'https://shop.example/hook', '{}', 'k', '', $3)",
        MERCHANT_ID,
        new_id(),
        telling.house.clock.now,
    )
    attempt_ids = await send_many(telling)
    await tell_of(telling, EventKind.BOUNCED_HARD, attempt_ids[:10])
    assert await pause_of(telling) == (None, None)
    await tell_of(telling, EventKind.BOUNCED_SOFT, attempt_ids[10:11])
    assert await pause_of(telling) == (telling.house.clock.now, "too_many_bounces")
    assert await told(telling) == [
        ("worker", "merchant_paused", "too_many_bounces", {"messages": 200, "bounced": 11, "complained": 0})
    ]
    [event] = await telling.house.rows("SELECT * FROM webhook_events WHERE kind = 'merchant.paused'")
    assert event["data"] == {"reason": "too_many_bounces", "messages": 200, "bounced": 11, "complained": 0}
    await make_due(telling, 1, prefix="B")
    assert await telling.house.send(RecordingSender()) == SendReport(postponed=1)


async def test_one_complaint_of_200_pauses_the_merchant(telling: TellingHouse) -> None:
    await tell_of(telling, EventKind.COMPLAINED, (await send_many(telling))[:1])
    assert (await pause_of(telling))[1] == "too_many_complaints"


async def test_many_events_at_once_pause_it_when_the_worker_has_done_them(telling: TellingHouse) -> None:
    await tell_of(telling, EventKind.BOUNCED_SOFT, (await send_many(telling))[:30])
    assert await pause_of(telling) == (None, None)
    await telling.work()
    assert (await pause_of(telling))[1] == "too_many_bounces"


async def test_message_that_bounces_again_and_again_counts_once(telling: TellingHouse) -> None:
    attempt_ids = await send_many(telling)
    for _ in range(3):
        await tell_of(telling, EventKind.BOUNCED_SOFT, attempt_ids[:5])
    assert await pause_of(telling) == (None, None)


async def test_news_of_messages_that_are_not_ours_count_nothing(telling: TellingHouse) -> None:
    await send_many(telling)
    await telling.tell(*(make_event(EventKind.BOUNCED_HARD, address=f"x{n}@example.net") for n in range(19)))
    assert await pause_of(telling) == (None, None)
    assert await service(telling).find_due() == []


async def test_sms_that_do_not_arrive_say_nothing_about_the_emails(telling: TellingHouse) -> None:
    sms = (await send_many(telling, 220))[:20]
    await telling.house.rows("UPDATE attempts SET channel = 'sms' WHERE id = ANY($1)", sms)
    await tell_of(telling, EventKind.BOUNCED_SOFT, sms)
    assert await pause_of(telling) == (None, None)
    assert await service(telling).find_due() == []


async def test_look_every_minute_finds_what_nobody_paused(telling: TellingHouse) -> None:
    attempt_ids = await send_many(telling, 250)
    await tell_of(telling, EventKind.BOUNCED_SOFT, attempt_ids[:12])
    assert await service(telling).find_due() == []
    # As if the process had died between the event and its look.
    await telling.house.rows("UPDATE attempts SET outcome = 'rejected' WHERE id = ANY($1)", attempt_ids[-20:])
    assert await service(telling).find_due() == [MERCHANT_ID]
    assert await service(telling).watch(MERCHANT_ID) == 1
    assert await service(telling).watch(MERCHANT_ID) == 0
    assert await service(telling).find_due() == []
    assert len(await told(telling)) == 1


async def test_what_is_older_than_a_day_counts_nothing(telling: TellingHouse) -> None:
    attempt_ids = await send_many(telling)
    telling.house.clock.advance(timedelta(hours=24, seconds=1))
    await tell_of(telling, EventKind.BOUNCED_SOFT, attempt_ids[:20])
    assert await pause_of(telling) == (None, None)


async def test_resumed_merchant_sends_what_waited_and_is_judged_by_what_is_new(telling: TellingHouse) -> None:
    first = await send_many(telling)
    await tell_of(telling, EventKind.COMPLAINED, first[:1])
    await make_due(telling, 1, prefix="B")
    await telling.house.send(RecordingSender())
    telling.bell.rung.clear()
    telling.house.clock.advance(timedelta(minutes=1))

    resumed = await service(telling).resume(MERCHANT_ID, actor="operator")

    assert resumed.paused_at is None
    assert telling.bell.rung == [MERCHANT_ID]
    assert await pause_of(telling) == (None, None)
    assert (await told(telling))[1:] == [("operator", "merchant_resumed", "too_many_complaints", {})]
    assert await telling.house.send(RecordingSender()) == SendReport(sent=1)
    # Of those before, complaints go on coming.
    await tell_of(telling, EventKind.COMPLAINED, first[1:4])
    assert await pause_of(telling) == (None, None)
    telling.house.clock.advance(timedelta(seconds=1))
    second = await send_many(telling, prefix="C")
    await tell_of(telling, EventKind.COMPLAINED, first[4:8])
    assert await pause_of(telling) == (None, None)
    await tell_of(telling, EventKind.COMPLAINED, second[-1:])
    assert (await pause_of(telling))[1] == "too_many_complaints"


async def test_resuming_what_is_not_paused_changes_nothing(telling: TellingHouse) -> None:
    assert await service(telling).resume(MERCHANT_ID, actor="operator") == make_merchant()
    assert await told(telling) == []
    assert telling.bell.rung == []
    with pytest.raises(MerchantNotFoundError):
        await service(telling).resume(MerchantId("nobody"), actor="operator")
