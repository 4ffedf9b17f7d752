"""The mailbox: keeps, says so, and does not hide that a store failed."""

from uuid import UUID

from structlog.testing import capture_logs

from invite_service.domain.invitation import Channel
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.providers.mailbox import MailboxSender
from tests.providers.mailboxes import FakeMailbox
from tests.providers.messages import make_message


async def test_messages_of_both_channels_are_kept_and_accepted() -> None:
    mailbox = FakeMailbox()
    sender = MailboxSender(mailbox)
    messages = [make_message(1), make_message(2, channel=Channel.SMS, to_address="+4790000000", raw=None, subject="")]

    receipts = [await sender.send(message) for message in messages]

    assert list(mailbox.kept.values()) == messages
    assert receipts == [
        Receipt(
            outcome=OutcomeWord.ACCEPTED,
            reason="kept",
            provider="mailbox",
            provider_message_id=str(message.attempt_id),
        )
        for message in messages
    ]


async def test_store_that_fails_leaves_the_outcome_unknown_and_the_log_without_the_customer() -> None:
    sender = MailboxSender(FakeMailbox(fails=True))

    with capture_logs() as logs:
        receipt = await sender.send(make_message(1))

    assert receipt == Receipt(outcome=OutcomeWord.UNKNOWN, reason="mailbox_failed", provider="mailbox")
    assert logs == [
        {
            "event": "Failed to keep a message",
            "log_level": "warning",
            "attempt_id": str(UUID(int=1)),
            "error": "ConnectionError",
        }
    ]
