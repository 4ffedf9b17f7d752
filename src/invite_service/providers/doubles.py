"""Senders for tests and dry runs: one remembers what it was given, one answers what it was told to."""

from collections import deque
from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING

from invite_service.domain.message import Message
from invite_service.domain.receipt import OutcomeWord, Receipt
from invite_service.providers.base import Sender


class RecordingSender:
    """Accepts everything and remembers it in `messages`, in the order of the calls."""

    name = "recording"
    max_in_flight = 8
    key_lifetime: timedelta | None = None

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.closed = False

    async def send(self, message: Message) -> Receipt:
        """Remember the message and accept it under its attempt id."""
        self.messages.append(message)
        return Receipt(
            outcome=OutcomeWord.ACCEPTED,
            reason="recorded",
            provider=self.name,
            provider_message_id=str(message.attempt_id),
        )

    async def check(self) -> Receipt:
        """Answer that the settings work."""
        return Receipt(outcome=OutcomeWord.ACCEPTED, reason="settings_work", provider=self.name)

    async def close(self) -> None:
        """Remember that the sender was closed."""
        self.closed = True


class FakeSender(RecordingSender):
    """Answers with the given receipts, one a call, and accepts once they have run out; remembers as well."""

    name = "fake"

    def __init__(
        self,
        receipts: Iterable[Receipt] = (),
        *,
        check_receipt: Receipt | None = None,
        max_in_flight: int = 8,
        key_lifetime: timedelta | None = None,
    ) -> None:
        super().__init__()
        self._receipts = deque(receipts)
        self._check_receipt = check_receipt
        self.max_in_flight = max_in_flight
        self.key_lifetime = key_lifetime

    async def send(self, message: Message) -> Receipt:
        """Remember the message and answer with the next receipt of the script."""
        accepted = await super().send(message)
        return self._receipts.popleft() if self._receipts else accepted

    async def check(self) -> Receipt:
        """Answer with the receipt given for checks, else that the settings work."""
        return self._check_receipt or await super().check()


if TYPE_CHECKING:
    # mypy holds the doubles to the protocol that they stand for.
    _SENDERS: tuple[Sender, ...] = (RecordingSender(), FakeSender())
