"""What providers tell later, and what comes of it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from invite_service.domain.invitation import Invitation, InvitationStatus
from invite_service.domain.provider_event import EventKind, EventVerdict
from invite_service.domain.receipt import OutcomeWord
from invite_service.domain.timeline import TimelineEvent
from invite_service.providers.doubles import FakeSender, RecordingSender
from invite_service.services.event_effects import KEPT_FOR
from invite_service.services.provider_events import (
    AT_ONCE,
    EventNotVerifiedError,
    EventUncheckedError,
    EventUnreadableError,
)
from invite_service.storage.database import Database
from tests.services.test_sending_outcomes import make_receipt
from tests.support.builders import new_id
from tests.support.sending import SendingHouse
from tests.support.telling import TellingHouse, make_event

KARI, PHONE = "kari@example.com", "+4790000001"


@pytest.fixture
async def telling(database: Database) -> TellingHouse:
    return TellingHouse(await SendingHouse.build(database))


async def send(telling: TellingHouse, **order: object) -> Invitation:
    """Send an order's first message."""
    invitation = await telling.house.invite(**order)
    await telling.house.send(RecordingSender(), sms=RecordingSender())
    return invitation


async def told(telling: TellingHouse, invitation: Invitation) -> list[tuple[str, str, str | None]]:
    """Tell what the timeline says since the message was sent: actor, event and reason."""
    rows = await telling.house.rows(
        "SELECT actor, event, reason FROM timeline_entries WHERE invitation_id = $1 ORDER BY id",
        invitation.id,
    )
    entries = [tuple(row) for row in rows]
    return entries[[event for _, event, _ in entries].index("message_sent") + 1 :]


async def test_delivery_is_noted_on_the_attempt_and_in_the_timeline(telling: TellingHouse) -> None:
    invitation = await send(telling)
    attempt_id = await telling.attempt_id()
    happened = telling.house.clock.now - timedelta(seconds=3)
    await telling.tell(make_event(EventKind.DELIVERED, attempt_id=attempt_id, occurred_at=happened, reason="250 OK"))
    [attempt] = await telling.house.attempts()
    assert (attempt["delivery"], attempt["delivery_at"]) == ("delivered", happened)
    assert await told(telling, invitation) == [("provider", "delivery_reported", "delivered")]
    [data] = await telling.house.rows("SELECT data FROM timeline_entries WHERE event = 'delivery_reported'")
    assert data["data"] == {
        "step": "product_1",
        "channel": "email",
        "provider": "recording",
        "attempt_id": str(attempt_id),
        "occurred_at": happened.isoformat(),
        "detail": "250 OK",
    }
    assert telling.observed == [("true", "recording", ["delivered"])]


async def test_event_told_again_is_ignored(telling: TellingHouse) -> None:
    invitation = await send(telling)
    event = make_event(EventKind.DELIVERED, attempt_id=await telling.attempt_id())
    for _ in range(3):
        await telling.tell(event, event)
    assert len(await told(telling, invitation)) == 1
    assert [kinds for _, _, kinds in telling.observed] == [["delivered"], [], []]


@pytest.mark.parametrize("second", [EventKind.DEFERRED, EventKind.SENT])
async def test_waypoint_that_comes_late_takes_nothing_back(telling: TellingHouse, second: EventKind) -> None:
    await send(telling)
    attempt_id = await telling.attempt_id()
    for kind in (EventKind.SENT, EventKind.DELIVERED, second):
        await telling.tell(make_event(kind, attempt_id=attempt_id))
    assert await telling.delivery() == "delivered"


async def test_message_is_found_by_its_message_id_or_by_provider_s_id_and_address(telling: TellingHouse) -> None:
    await send(telling)
    attempt_id = await telling.attempt_id()
    await telling.tell(make_event(EventKind.SENT, message_id=f"<{attempt_id}@reviews.example>"))
    assert await telling.delivery() == "sent"
    by_address = make_event(EventKind.DELIVERED, provider_message_id=str(attempt_id), address=" Kari@Example.com")
    await telling.tell(by_address)
    assert await telling.delivery() == "delivered"


async def test_event_of_another_provider_about_the_attempt_is_not_believed(telling: TellingHouse) -> None:
    await send(telling)
    event = make_event(EventKind.BOUNCED_HARD, provider="other", attempt_id=await telling.attempt_id())
    await telling.tell(event)
    assert (await telling.delivery(), await telling.suppressions()) == (None, [])


@pytest.mark.parametrize(
    ("order", "reason", "channel"),
    [({}, "hard_bounce", "email"), ({"email": None, "phone": PHONE}, "sms_undeliverable", "sms")],
)
async def test_hard_bounce_suppresses_the_address_at_once(
    telling: TellingHouse, order: dict[str, str | None], reason: str, channel: str
) -> None:
    invitation = await send(telling, **order)
    await telling.tell(make_event(EventKind.BOUNCED_HARD, attempt_id=await telling.attempt_id()))
    assert await telling.suppressions() == [(reason, channel, "provider_event")]
    assert await told(telling, invitation) == [
        ("provider", "contacts_suppressed", reason),
        ("provider", "delivery_reported", "bounced_hard"),
    ]


async def test_second_message_to_an_address_that_bounced_is_skipped(telling: TellingHouse) -> None:
    invitation = await send(telling)
    await telling.tell(make_event(EventKind.BOUNCED_HARD, attempt_id=await telling.attempt_id()))
    telling.house.clock.now = (await telling.house.invitation(invitation.id)).send_at
    sender = RecordingSender()
    await telling.house.send(sender)
    ended = await telling.house.invitation(invitation.id)
    assert (sender.messages, ended.status, ended.ended_reason) == ([], InvitationStatus.SENT, "suppressed")


async def test_address_that_was_corrected_meanwhile_stays_open(telling: TellingHouse) -> None:
    await send(telling)
    await telling.tell(
        make_event(EventKind.BOUNCED_HARD, attempt_id=await telling.attempt_id(), address="old@example.com")
    )
    async with telling.house.database.transaction() as stores:
        of_kari = await stores.suppressions.list_suppressions(telling.house.merchant.id, [KARI])
        of_old = await stores.suppressions.list_suppressions(telling.house.merchant.id, ["old@example.com"])
    assert (len(of_kari), len(of_old)) == (0, 1)


@pytest.mark.parametrize(
    ("kind", "reason"), [(EventKind.COMPLAINED, "complained"), (EventKind.UNSUBSCRIBED, "unsubscribed")]
)
async def test_complaint_closes_every_channel_and_ends_what_is_scheduled(
    telling: TellingHouse, kind: EventKind, reason: str
) -> None:
    invitation = await send(telling, phone=PHONE)
    await telling.tell(make_event(kind, attempt_id=await telling.attempt_id()))
    assert sorted(await telling.suppressions()) == [(reason, None, "provider_event")] * 2
    ended = await telling.house.invitation(invitation.id)
    assert (ended.status, ended.ended_reason) == (InvitationStatus.SENT, reason)
    assert await told(telling, invitation) == [
        ("provider", "contacts_suppressed", reason),
        ("provider", "invitation_cancelled", reason),
        ("provider", "delivery_reported", kind.value),
    ]


async def test_third_soft_bounce_within_three_days_suppresses(telling: TellingHouse) -> None:
    await send(telling)
    attempt_id = await telling.attempt_id()
    start = telling.house.clock.now
    for hours in (0, 30, 71):
        telling.house.clock.now = start + timedelta(hours=hours)
        assert await telling.suppressions() == []
        await telling.tell(make_event(EventKind.BOUNCED_SOFT, attempt_id=attempt_id))
    assert await telling.suppressions() == [("soft_bounces", "email", "provider_event")]


async def test_soft_bounces_farther_apart_do_not(telling: TellingHouse) -> None:
    await send(telling)
    attempt_id = await telling.attempt_id()
    start = telling.house.clock.now
    for hours in (0, 36, 72, 110):
        telling.house.clock.now = start + timedelta(hours=hours)
        await telling.tell(make_event(EventKind.BOUNCED_SOFT, attempt_id=attempt_id))
    assert await telling.suppressions() == []


@pytest.mark.parametrize("kind", [EventKind.SENT, EventKind.DELIVERED, EventKind.BOUNCED_HARD, EventKind.OPENED])
async def test_news_of_a_message_in_doubt_settle_it_as_accepted(telling: TellingHouse, kind: EventKind) -> None:
    telling.records_engagement = True
    invitation = await telling.house.invite()
    await telling.house.send(FakeSender([make_receipt(OutcomeWord.UNKNOWN)]))
    assert (await telling.house.invitation(invitation.id)).status is InvitationStatus.IN_DOUBT
    await telling.tell(make_event(kind, provider="fake", attempt_id=await telling.attempt_id()))
    settled = await telling.house.invitation(invitation.id)
    assert (settled.status, settled.message_count) == (InvitationStatus.SCHEDULED, 1)
    rows = await telling.house.rows("SELECT actor, reason FROM timeline_entries WHERE event = 'message_settled'")
    assert [tuple(row) for row in rows] == [("provider", kind.value)]
    assert telling.bell.rung == [telling.house.merchant.id]


async def test_failure_of_a_message_in_doubt_leaves_it_to_an_operator(telling: TellingHouse) -> None:
    invitation = await telling.house.invite()
    await telling.house.send(FakeSender([make_receipt(OutcomeWord.UNKNOWN)]))
    await telling.tell(make_event(EventKind.FAILED, provider="fake", attempt_id=await telling.attempt_id()))
    assert (await telling.house.invitation(invitation.id)).status is InvitationStatus.IN_DOUBT
    assert await telling.delivery() == "failed"


async def test_event_that_comes_before_its_message_is_known_is_joined_later(telling: TellingHouse) -> None:
    invitation = await telling.house.invite()
    early = make_event(EventKind.BOUNCED_HARD, provider="fake", provider_message_id="p-1", address=KARI)
    await telling.tell(early)
    accepted = replace(make_receipt(OutcomeWord.ACCEPTED), provider_message_id="p-1")
    await telling.house.send(FakeSender([accepted]))
    telling.house.clock.advance(timedelta(seconds=10))
    await telling.work()
    assert await telling.suppressions() == [("hard_bounce", "email", "provider_event")]
    assert await told(telling, invitation) != []
    assert await telling.service.find_merchants() == []


async def test_event_of_a_message_that_is_being_handed_over_waits_for_the_answer(telling: TellingHouse) -> None:
    await send(telling)
    await telling.house.rows("UPDATE attempts SET ended_at = NULL, outcome = NULL")
    await telling.tell(make_event(EventKind.DELIVERED, attempt_id=await telling.attempt_id()))
    assert await telling.delivery() is None
    await telling.house.rows("UPDATE attempts SET ended_at = started_at, outcome = 'accepted'")
    telling.house.clock.advance(timedelta(seconds=6))
    await telling.work()
    assert await telling.delivery() == "delivered"


async def test_event_of_no_message_of_ours_is_looked_for_seldom_and_then_given_up(telling: TellingHouse) -> None:
    await telling.tell(make_event(EventKind.COMPLAINED, attempt_id=new_id(), address=KARI))
    looks = 0
    end = telling.house.clock.now + KEPT_FOR + timedelta(hours=2)
    while telling.house.clock.now < end:
        looks += bool(await telling.service.find_merchants())
        await telling.work()
        telling.house.clock.advance(timedelta(minutes=20))
    assert looks < 90
    assert await telling.suppressions() == []
    [event] = await telling.house.rows("SELECT look_at, invitation_id FROM provider_events")
    assert tuple(event) == (None, None)


async def test_many_events_at_once_are_the_worker_s(telling: TellingHouse) -> None:
    invitation = await send(telling)
    attempt_id = await telling.attempt_id()
    await telling.tell(*(make_event(EventKind.DELIVERED, attempt_id=attempt_id) for _ in range(AT_ONCE + 1)))
    assert await telling.delivery() is None
    await telling.work()
    assert await telling.delivery() == "delivered"
    assert len(await told(telling, invitation)) == AT_ONCE + 1


async def test_opens_and_clicks_are_dropped_unless_the_merchant_wants_them(telling: TellingHouse) -> None:
    invitation = await send(telling)
    attempt_id = await telling.attempt_id()
    await telling.tell(make_event(EventKind.OPENED, attempt_id=attempt_id))
    assert await telling.house.rows("SELECT 1 FROM provider_events") == []
    telling.records_engagement = True
    await telling.tell(make_event(EventKind.DELIVERED, attempt_id=attempt_id))
    await telling.tell(make_event(EventKind.CLICKED, attempt_id=attempt_id))
    assert [reason for _, _, reason in await told(telling, invitation)] == ["delivered", "clicked"]
    assert await telling.delivery() == "delivered"


async def test_word_that_nobody_knows_is_kept_and_does_nothing(telling: TellingHouse) -> None:
    invitation = await send(telling)
    event = make_event(EventKind.UNKNOWN, raw_kind="WOBBLED", attempt_id=await telling.attempt_id())
    await telling.tell(event)
    [kept] = await telling.house.rows("SELECT kind, raw_kind, look_at FROM provider_events")
    assert tuple(kept) == ("unknown", "WOBBLED", None)
    assert await told(telling, invitation) == []


@pytest.mark.parametrize("text", ["STOP", "stopp!", " Avslutt. "])
async def test_stop_by_sms_closes_every_channel_and_ends_what_is_scheduled(telling: TellingHouse, text: str) -> None:
    await send(telling, order_id="1", email=None, phone=PHONE)
    waiting = await telling.house.invite(order_id="2", email=KARI, phone=PHONE, products=("lamp",))
    await telling.tell(make_event(EventKind.REPLIED, address=PHONE, text=text))
    assert await telling.suppressions() == [("unsubscribed", None, "sms_stop")]
    ended = await telling.house.invitation(waiting.id)
    assert (ended.status, ended.ended_reason) == (InvitationStatus.CANCELLED, "unsubscribed")
    rows = await telling.house.rows(
        "SELECT actor, event FROM timeline_entries WHERE invitation_id = $1 ORDER BY id",
        waiting.id,
    )
    assert tuple(rows[-1]) == ("customer", TimelineEvent.INVITATION_CANCELLED)


async def test_stop_from_a_number_nobody_was_invited_at_closes_the_number(telling: TellingHouse) -> None:
    await telling.tell(make_event(EventKind.STOPPED, address=PHONE))
    assert await telling.suppressions() == [("unsubscribed", None, "sms_stop")]


async def test_answer_that_means_something_else_is_forgotten(telling: TellingHouse) -> None:
    await send(telling, email=None, phone=PHONE)
    await telling.tell(make_event(EventKind.REPLIED, address=PHONE, text="Please stop by at noon"))
    assert await telling.suppressions() == []
    [kept] = await telling.house.rows("SELECT * FROM provider_events")
    assert "noon" not in str(dict(kept))


@pytest.mark.parametrize(
    ("verdict", "error"),
    [
        (EventVerdict.UNSIGNED, EventNotVerifiedError),
        (EventVerdict.STALE, EventNotVerifiedError),
        (EventVerdict.UNREADABLE, EventUnreadableError),
        (EventVerdict.UNCHECKED, EventUncheckedError),
    ],
)
async def test_request_that_cannot_be_believed_is_refused_and_counted(
    telling: TellingHouse, verdict: EventVerdict, error: type[Exception]
) -> None:
    telling.reader.verdict = verdict
    with pytest.raises(error):
        await telling.tell()
    assert telling.observed == [(verdict.value, "recording", [])]
    assert await telling.house.rows("SELECT 1 FROM provider_events") == []


async def test_provider_that_nobody_set_up_is_answered_like_a_wrong_signature(telling: TellingHouse) -> None:
    with pytest.raises(EventNotVerifiedError):
        await telling.tell(provider="other")
    assert telling.observed == [("unsigned", None, [])]
