"""What holds for every sender, whatever is behind it. A new provider adds itself to `every_sender`."""

import asyncio
import dataclasses
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta

import pytest

from invite_service.domain.message import Message
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.providers.base import LookUp, Sender
from invite_service.providers.doubles import FakeSender, RecordingSender
from invite_service.providers.mailbox import MailboxSender
from tests.providers.companies import COMPANIES, SMS_COMPANIES
from tests.providers.mailboxes import FakeMailbox
from tests.providers.messages import make_message, open_sender
from tests.providers.played import PlayedCompany, make_api_message, make_sms, open_api
from tests.support.smtp_server import ScriptedSmtpServer


@asynccontextmanager
async def open_recording() -> AsyncIterator[Sender]:
    yield RecordingSender()


@asynccontextmanager
async def open_fake() -> AsyncIterator[Sender]:
    yield FakeSender()


@asynccontextmanager
async def open_mailbox() -> AsyncIterator[Sender]:
    yield MailboxSender(FakeMailbox())


@asynccontextmanager
async def open_smtp() -> AsyncIterator[Sender]:
    async with ScriptedSmtpServer() as server, open_sender(server) as sender:
        yield sender


Opener = Callable[[], AbstractAsyncContextManager[Sender]]


def opener_of(made: type[PlayedCompany]) -> Opener:
    @asynccontextmanager
    async def open_company() -> AsyncIterator[Sender]:
        async with open_api(made()) as (_, sender):
            yield sender

    return open_company


OPENERS: dict[str, Opener] = {
    "recording": open_recording,
    "fake": open_fake,
    "mailbox": open_mailbox,
    "smtp": open_smtp,
    **{made.name: opener_of(made) for made in COMPANIES},
}
WITH_LOOK_UP = {"mailgun", "mailjet", "postmark", "sinch", "twilio"}

OF_SMS = {made.name for made in SMS_COMPANIES}

every_sender = pytest.mark.parametrize("opener", OPENERS.values(), ids=OPENERS.keys())


def message_of(sender: Sender, number: int = 1) -> Message:
    """A message of the sender's channel."""
    return (make_sms if sender.name in OF_SMS else make_api_message)(number)


@every_sender
async def test_good_message_is_accepted_in_the_senders_name(opener: Opener) -> None:
    async with opener() as sender:
        receipt = await sender.send(message_of(sender))

    assert (receipt.outcome, receipt.provider) == (OutcomeWord.ACCEPTED, sender.name)
    assert re.fullmatch(r"[a-z0-9_]+", receipt.reason)
    assert receipt.retry_after is None
    assert len(receipt.raw_answer) <= 500


@every_sender
async def test_many_messages_at_once_are_each_answered(opener: Opener) -> None:
    async with opener() as sender:
        calls = (sender.send(message_of(sender, number)) for number in range(3 * sender.max_in_flight))
        receipts = await asyncio.gather(*calls)

    assert [receipt.outcome for receipt in receipts] == [OutcomeWord.ACCEPTED] * 3 * sender.max_in_flight


@every_sender
async def test_settings_that_work_pass_the_check(opener: Opener) -> None:
    async with opener() as sender:
        receipt = await sender.check()

    assert receipt == Receipt(outcome=OutcomeWord.ACCEPTED, reason="settings_work", provider=sender.name)


@every_sender
async def test_sender_can_be_closed_twice(opener: Opener) -> None:
    async with opener() as sender:
        await sender.close()
        await sender.close()


@every_sender
async def test_sender_that_cannot_look_up_does_not_pretend_to(opener: Opener) -> None:
    async with opener() as sender:
        assert isinstance(sender, LookUp) == (sender.name in WITH_LOOK_UP)


async def test_recording_sender_remembers_in_order() -> None:
    sender = RecordingSender()
    messages = [make_message(1), make_message(2)]

    for message in messages:
        await sender.send(message)
    await sender.close()

    assert (sender.messages, sender.closed) == (messages, True)


async def test_fake_sender_plays_its_script_and_then_accepts() -> None:
    unknown = Receipt(outcome=OutcomeWord.UNKNOWN, reason="timeout_after_data", provider="fake")
    refused = Receipt(outcome=OutcomeWord.MISCONFIGURED, reason="auth_failed", provider="fake")
    sender = FakeSender([unknown, refused], check_receipt=refused, max_in_flight=2, key_lifetime=timedelta(hours=24))

    receipts = [await sender.send(make_message(number)) for number in (1, 2, 3)]

    assert [receipt.outcome for receipt in receipts] == [
        OutcomeWord.UNKNOWN,
        OutcomeWord.MISCONFIGURED,
        OutcomeWord.ACCEPTED,
    ]
    assert [message.message_id for message in sender.messages] == [f"<{number}@example.com>" for number in (1, 2, 3)]
    assert await sender.check() == refused
    assert (sender.max_in_flight, sender.key_lifetime) == (2, timedelta(hours=24))


def test_hash_of_a_message_is_taken_over_what_leaves() -> None:
    email = make_message(1)
    other = dataclasses.replace(email, raw=b"Subject: x\r\n\r\ny\r\n")
    sms = dataclasses.replace(email, raw=None, text="Hei på deg")

    assert email.content_hash() == dataclasses.replace(email, text="unseen").content_hash()
    assert len({email.content_hash(), other.content_hash(), sms.content_hash()}) == 3
    assert sms.content_hash() == "a7b0660a9f7736cd5ff3443d39848b2d0976573ea41b9cdc4d11dff793b1510a"


def test_message_does_not_show_the_customer() -> None:
    shown = repr(make_message(1, html="<p>Hello Kari</p>"))

    assert "kari" not in shown.lower()
