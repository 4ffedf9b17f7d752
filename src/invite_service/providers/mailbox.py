"""The `mailbox` provider: keeps messages of both channels in the database instead of sending them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import structlog

from invite_service.domain.message import Message
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.providers.adapter import Adapter, Surroundings
from invite_service.providers.base import Mailbox

log = structlog.get_logger()

NAME = "mailbox"

MAX_IN_FLIGHT = 8
"""Each call is a short transaction; more at once than a process has database connections only queue up."""


@dataclass(frozen=True, slots=True)
class MailboxSettings:
    """The mailbox has nothing to set."""


class MailboxSender:
    """Sender of sandbox merchants and local runs: a kept message counts as accepted."""

    name = NAME
    max_in_flight = MAX_IN_FLIGHT
    key_lifetime: timedelta | None = timedelta.max
    """Keeping is idempotent by attempt id, so an unclear outcome is settled by keeping again."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def send(self, message: Message) -> Receipt:
        """Keep the message; its id at this provider is the attempt id.

        A store that fails may have committed before it failed, so that the outcome is `unknown`.
        """
        try:
            await self._mailbox.keep(message)
        except Exception as error:
            log.warning("Failed to keep a message", attempt_id=str(message.attempt_id), error=type(error).__name__)
            return Receipt(outcome=OutcomeWord.UNKNOWN, reason="mailbox_failed", provider=NAME)
        return Receipt(
            outcome=OutcomeWord.ACCEPTED,
            reason="kept",
            provider=NAME,
            provider_message_id=str(message.attempt_id),
        )

    async def check(self) -> Receipt:
        """Answer that there is nothing to get wrong: the mailbox has no settings."""
        return Receipt(outcome=OutcomeWord.ACCEPTED, reason="settings_work", provider=NAME)

    async def close(self) -> None:
        """Do nothing: the database belongs to bootstrap."""


def _parse(options: Mapping[str, str]) -> MailboxSettings:
    return MailboxSettings()


def _create_sender(settings: MailboxSettings, given: Surroundings) -> MailboxSender:
    return MailboxSender(given.mailbox)


ADAPTER = Adapter(parse=_parse, create_sender=_create_sender)
