"""Keeping messages instead of sending them, over a real database."""

from dataclasses import replace
from datetime import timedelta

import pytest

from invite_service.domain.invitation import Channel, Step
from invite_service.domain.message import Message
from invite_service.services.mailbox import DatabaseMailbox
from invite_service.services.paging import PageRequest
from invite_service.storage.database import Database
from invite_service.storage.mailbox import KeptMessage
from tests.support.builders import MERCHANT_ID, NOON, make_merchant, new_id
from tests.support.sending import SendingHouse


@pytest.fixture
async def house(database: Database) -> SendingHouse:
    merchant = make_merchant(sandbox=True, clock_offset=timedelta(days=3))
    return await SendingHouse.build(database, merchant=merchant)


def make_message() -> Message:
    return Message(
        attempt_id=new_id(),
        merchant_id=MERCHANT_ID,
        invitation_id=new_id(),
        step=Step.PRODUCT_1,
        channel=Channel.EMAIL,
        to_address="kari@example.com",
        to_name="Kari Nordmann",
        from_address="shop@example.com",
        from_name="Bjørns Gaver",
        reply_to="help@example.com",
        subject="How was it?",
        text="Tell us.",
        html="<p>Tell us.</p>",
        headers={"List-Unsubscribe": "<https://reviews.example/u/x>"},
        message_id="<1@example.com>",
        idempotency_key="1",
        raw=b"...",
    )


async def _kept(house: SendingHouse) -> list[KeptMessage]:
    async with house.database.autocommit() as stores:
        return await stores.mailbox.list_(house.merchant.id, part=PageRequest().to_slice())


async def test_message_is_kept_once_at_the_merchants_time(house: SendingHouse) -> None:
    mailbox = DatabaseMailbox(house.database, clock=house.clock)
    message = make_message()

    await mailbox.keep(message)
    house.clock.advance(timedelta(hours=1))
    await mailbox.keep(replace(message, subject="Other"))

    assert await _kept(house) == [
        KeptMessage(
            id=message.attempt_id,
            invitation_id=message.invitation_id,
            step=Step.PRODUCT_1,
            channel=Channel.EMAIL,
            to="kari@example.com",
            subject="How was it?",
            text="Tell us.",
            html="<p>Tell us.</p>",
            headers={
                "From": "Bjørns Gaver <shop@example.com>",
                "To": "Kari Nordmann <kari@example.com>",
                "Subject": "How was it?",
                "Message-ID": "<1@example.com>",
                "Reply-To": "help@example.com",
                "List-Unsubscribe": "<https://reviews.example/u/x>",
            },
            sent_at=NOON + timedelta(days=3),
        )
    ]


async def test_sms_shows_only_whom_it_is_from(house: SendingHouse) -> None:
    mailbox = DatabaseMailbox(house.database, clock=house.clock)
    sms = replace(
        make_message(),
        channel=Channel.SMS,
        to_address="+4790000001",
        from_address="Shop",
        subject="",
        html=None,
        raw=None,
    )

    await mailbox.keep(sms)

    [kept] = await _kept(house)
    assert (kept.channel, kept.to, kept.subject, kept.html, kept.headers) == (
        Channel.SMS,
        "+4790000001",
        "",
        None,
        {"From": "Shop"},
    )
