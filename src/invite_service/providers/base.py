"""What every provider adapter offers the service that sends, and the few things it may be asked besides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable

from invite_service.domain.message import Message
from invite_service.domain.provider_event import EventReading
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
    def key_lifetime(self) -> timedelta | None:
        """For how long a second `send` of the same message sends nothing twice; None where no keys are honoured."""

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

    async def look_up(
        self, message_id: str, *, to_address: str, attempted_at: datetime, content_hash: str
    ) -> Receipt | None:
        """Find the message by its Message-ID, or by what left, near the attempt's aware instant.

        `content_hash` is the message's, of companies that hand nothing of ours back but its text.
        None means that the provider cannot say yet, which is not the same as `not_sent`. A question that takes longer
        than a few seconds (doubts.LOOK_SECONDS) is cancelled, and the provider left alone for a while.
        """


@runtime_checkable
class BatchSender(Protocol):
    """A sender whose provider takes many messages in one call.

    None that honours keys: a message's own key settles whether it left, and a batch has another one.
    """

    @property
    def max_batch(self) -> int:
        """How many messages one call takes; `send_many` divides longer sequences itself."""

    async def send_many(self, messages: Sequence[Message]) -> Sequence[Receipt]:
        """Hand the messages over and say of each, in their order, what became of it; like `send` in all else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRequest:
    """One request to the address that a provider tells its events to, as it came; secrets stay out of its repr."""

    body: bytes = field(repr=False)
    """Before anything has parsed it, since signatures are over these octets."""
    headers: Mapping[str, str] = field(repr=False)
    """Names in lower case."""
    url: str = field(default="", repr=False)
    """The whole address that the provider was told to call, for providers that sign it."""
    url_secret: str | None = field(default=None, repr=False)
    """The secret that the address carried in its path or query, for providers that sign nothing."""


class EventReader(Protocol):
    """Reads what one provider tells later under one merchant's secrets; touches no store and counts nothing twice.

    It does not know which events came before: whoever stores them ignores an `event_id` that is there already.
    """

    @property
    def name(self) -> str:
        """The provider's name, as in `Sender`."""

    async def read(self, request: EventRequest, *, now: datetime) -> EventReading:
        """Check whom the request is from, at an aware instant, and read the events in it.

        Nothing that the request contains is raised: a wrong signature and a body without sense are verdicts.
        """

    async def close(self) -> None:
        """Give back connections, where the check needs any; a second call does nothing."""


class Mailbox(Protocol):
    """Where the `mailbox` provider keeps messages; a store implements it, bootstrap passes it in."""

    async def keep(self, message: Message) -> None:
        """Store the message under its attempt id; storing the same attempt again changes nothing."""
