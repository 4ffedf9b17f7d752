"""What providers tell later of notices: it closes addresses and customers, and ends doubts, as news of messages do."""

from typing import Any
from unittest.mock import ANY
from uuid import UUID

import pytest

from invite_service.domain.provider_event import EventKind
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.providers.doubles import FakeSender, RecordingSender
from tests.services.test_feedback import stars
from tests.services.test_notices import NoticeHouse
from tests.support.builders import make_branding
from tests.support.sending import SendingHouse
from tests.support.telling import TellingHouse, make_event

KARI = "kari@example.com"


@pytest.fixture
async def shop(house: SendingHouse) -> NoticeHouse:
    return NoticeHouse(house)


@pytest.fixture
def telling(shop: NoticeHouse) -> TellingHouse:
    return TellingHouse(shop.house)


async def write_reply(shop: NoticeHouse, sender: RecordingSender) -> UUID:
    """Let a customer hear of a reply, and give the message's id."""
    [rating] = await shop.leave(await shop.ask(), stars("mug", 4, "Nice."))
    await shop.reply(rating, "Thank you!")
    await shop.send(sender)
    return sender.messages[-1].attempt_id


async def told(shop: NoticeHouse, event: str) -> list[tuple[str, str, dict[str, Any]]]:
    """List what the timeline tells of one kind: who told it, why, and what else."""
    rows = await shop.house.rows("SELECT actor, reason, data FROM timeline_entries WHERE event = $1 ORDER BY id", event)
    return [tuple(row) for row in rows]


@pytest.mark.parametrize(
    ("kind", "suppressed"),
    [
        (EventKind.BOUNCED_HARD, ("hard_bounce", "email", "provider_event")),
        (EventKind.COMPLAINED, ("complained", None, "provider_event")),
        (EventKind.UNSUBSCRIBED, ("unsubscribed", None, "provider_event")),
    ],
)
async def test_news_of_a_notice_close_what_news_of_a_message_would(
    shop: NoticeHouse, telling: TellingHouse, kind: EventKind, suppressed: tuple[str, str | None, str]
) -> None:
    notice_id = await write_reply(shop, RecordingSender())
    await telling.tell(make_event(kind, attempt_id=notice_id, address=KARI))
    assert suppressed in await telling.suppressions()
    assert await told(shop, "delivery_reported") == [
        (
            "provider",
            kind.value,
            {
                "notice": "reply_notice",
                "channel": "email",
                "provider": "recording",
                "attempt_id": str(notice_id),
                "occurred_at": ANY,
            },
        )
    ]


async def test_delivery_ends_the_doubt_about_a_notice(shop: NoticeHouse, telling: TellingHouse) -> None:
    unknown = Receipt(outcome=OutcomeWord.UNKNOWN, reason="timeout", provider="recording")
    sender = FakeSender([unknown])
    sender.name = "recording"
    notice_id = await write_reply(shop, sender)
    assert await shop.statuses() == [("reply_notice", "in_doubt", "timeout")]
    await telling.tell(make_event(EventKind.DELIVERED, attempt_id=notice_id, address=KARI))
    assert await shop.statuses() == [("reply_notice", "sent", "delivered")]
    [[rating_id]] = await shop.house.rows("SELECT rating_id FROM notices")
    ended = {"notice": "reply_notice", "notice_id": str(notice_id), "rating_id": str(rating_id)}
    assert await told(shop, "notice_sent") == [("provider", "delivered", ended)]
    [reported] = await told(shop, "delivery_reported")
    assert reported[:2] == ("provider", "delivered")


async def test_bounce_of_an_alert_says_nothing_of_the_customer(shop: NoticeHouse, telling: TellingHouse) -> None:
    await shop.brand(make_branding(support_email="help@gifts.example"))
    await shop.trigger_support()
    await shop.leave(await shop.ask(), stars("mug", 1))
    sender = RecordingSender()
    await shop.send(sender)
    [alert] = sender.messages
    await telling.tell(make_event(EventKind.BOUNCED_HARD, attempt_id=alert.attempt_id, address="help@gifts.example"))
    assert await telling.suppressions() == []
    [reported] = await told(shop, "delivery_reported")
    assert (reported[1], reported[2]["notice"]) == ("bounced_hard", "support_alert")


async def test_news_of_another_provider_are_not_believed(shop: NoticeHouse, telling: TellingHouse) -> None:
    notice_id = await write_reply(shop, FakeSender())
    await telling.tell(make_event(EventKind.COMPLAINED, attempt_id=notice_id, address=KARI))
    assert await telling.suppressions() == []
