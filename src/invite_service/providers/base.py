"""What every provider adapter offers the service that sends, and the few things it may be asked besides."""

from datetime import datetime
from typing import Protocol, runtime_checkable

from invite_service.domain.message import Message
from invite_service.domain.receipt import Receipt


class Sender(Protocol):
    """Hands messages to one provider under one set of credentials; safe to use from many tasks of one event loop."""

    @property
    def name(self) -> str:
        """The provider's name in settings, receipts and routes, such as `smtp`."""

    @property
    def max_in_flight(self) -> int:
        """How many `send` calls are worth having open at once; further ones wait their turn."""

    @property
    def honours_idempotency_key(self) -> bool:
        """True when a second `send` of the same message within the provider's time limit sends nothing twice."""

    async def send(self, message: Message) -> Receipt:
        """Hand the message over once and say what became of it.

        Nothing that the provider or the network does is raised. Cancelling the call leaves the outcome `unknown`.
        """

    async def check(self) -> Receipt:
        """Try the settings as far as that goes without sending: `accepted` means that they work."""

    async def close(self) -> None:
        """Give back connections; a second call does nothing, and nothing may be sent afterwards."""


@runtime_checkable
class LookUp(Protocol):
    """A sender whose provider can be asked later whether it has a message; resolves `unknown`."""

    async def look_up(self, message_id: str, *, to_address: str, attempted_at: datetime) -> Receipt | None:
        """Find the message by its Message-ID near the attempt's aware instant.

        None means that the provider cannot say yet, which is not the same as `not_sent`.
        """


class Mailbox(Protocol):
    """Where the `mailbox` provider keeps messages; a store implements it, bootstrap passes it in."""

    async def keep(self, message: Message) -> None:
        """Store the message under its attempt id; storing the same attempt again changes nothing."""
