"""What the file of a company gives the registry, which imports it when the company is first named."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from invite_service.providers.base import EventReader, Mailbox, Sender
from invite_service.providers.event_addresses import EventAddresses
from invite_service.providers.reach import Reach

S = TypeVar("S")
"""The class of a company's options, once they are read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a sender may use besides its options."""

    mailbox: Mailbox
    clock: Callable[[], datetime]
    """Tells aware instants in UTC, for signatures that hold a time."""
    reach: Reach
    events: EventAddresses
    """Where those are told to report that are told so with each message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter(Generic[S]):
    """One company: from its options to what sends, and to what reads that it tells later."""

    parse: Callable[[Mapping[str, str]], S]
    """Reads the options; raises ProviderSettingsError with every fault at once."""
    create_sender: Callable[[S, Surroundings], Sender]
    create_reader: Callable[[S], EventReader | None] = lambda _: None
    """None where the options lack what requests are checked with."""
