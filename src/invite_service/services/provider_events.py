"""Taking what providers tell later: checked, kept once, and acted on at once where they are few.

What is not acted on when it arrives, because there are many, their message is not known yet or something failed,
a worker does.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final, Protocol

import structlog

from invite_service.domain.errors import DomainError, MerchantNotFoundError
from invite_service.domain.merchant import Merchant, MerchantId
from invite_service.domain.provider_event import EventKind, EventReading, EventVerdict, ProviderEvent
from invite_service.providers.base import EventReader, EventRequest
from invite_service.rules.contacts import normalise_contact
from invite_service.rules.deliveries import ENGAGEMENT
from invite_service.rules.reputation import HARMFUL
from invite_service.rules.stop_words import means_stop
from invite_service.services.event_effects import BATCH, EventEffects
from invite_service.services.reputation import ReputationService
from invite_service.storage.database import Database
from invite_service.storage.provider_events import NewProviderEvent

log = structlog.get_logger()

AT_ONCE: Final = 20
"""Events that are acted on before the provider is answered; the rest of a larger request is the workers'."""

ROUNDS: Final = 5
"""Batches of one merchant's events before others have their turn."""

_NOTHING_TO_DO: Final = frozenset({EventKind.UNKNOWN, EventKind.REPLIED})


class EventNotVerifiedError(DomainError):
    """Nobody can say that the request comes from the provider; one answer, whatever is wrong."""

    code: ClassVar[str] = "event_not_verified"


class EventUnreadableError(DomainError):
    """The request comes from the provider, in a form that cannot be read."""

    code: ClassVar[str] = "event_unreadable"


class EventUncheckedError(DomainError):
    """What the check needs could not be fetched; the provider should ask again."""

    code: ClassVar[str] = "event_unchecked"


@dataclass(frozen=True, slots=True)
class EventSource:
    """A merchant's provider as one that tells things."""

    reader: EventReader
    records_engagement: bool
    """Whether the merchant wants opens and clicks recorded."""


class EventReaders(Protocol):
    """Who reads what merchants' providers tell; bootstrap knows them."""

    async def find(self, merchant: Merchant, provider: str) -> EventSource | None:
        """Find the source that a merchant's provider is; None where it is not set up to tell anything."""


class EventObserver(Protocol):
    """Who counts."""

    def __call__(self, verdict: EventVerdict, provider: str | None, kinds: Sequence[EventKind]) -> None:
        """Take one request: what became of it, and what was new in it; the provider is None where none is set up."""


class ProviderEventService:
    """Takes providers' events."""

    def __init__(
        self,
        database: Database,
        *,
        readers: EventReaders,
        effects: EventEffects,
        reputation: ReputationService,
        clock: Callable[[], datetime],
        observe: EventObserver,
    ) -> None:
        """Make a service; `clock` tells real time."""
        self._database = database
        self._readers = readers
        self._effects = effects
        self._reputation = reputation
        self._clock = clock
        self._observe = observe

    async def receive(
        self,
        merchant_id: MerchantId,
        provider: str,
        *,
        body: bytes,
        headers: Mapping[str, str],
        url: str,
        url_secret: str | None,
    ) -> None:
        """Take one request of a provider; what it told before is ignored, what no message is known of is kept.

        The names of headers are in lower case; `url` is the address as the world calls it.

        Raises:
            EventNotVerifiedError: no such merchant or provider, or the request does not prove where it is from.
            EventUnreadableError: it is from the provider, and cannot be read.
            EventUncheckedError: where it is from could not be found out just now.
        """
        real_now = self._clock()
        merchant, source = await self._find_source(merchant_id, provider)
        request = EventRequest(body=body, headers=headers, url=url, url_secret=url_secret)
        reading = await source.reader.read(request, now=real_now)
        if reading.verdict is not EventVerdict.TRUE:
            self._observe(reading.verdict, provider, ())
            raise _refusal(reading)
        events = [
            _new(event, real_now=real_now)
            for event in reading.events
            if source.records_engagement or event.kind not in ENGAGEMENT
        ]
        async with self._database.transaction() as stores:
            added = await stores.provider_events.add(merchant.id, events)
        self._observe(reading.verdict, provider, list(added.values()))
        waiting = [event_id for event_id, kind in added.items() if kind not in _NOTHING_TO_DO]
        if len(waiting) <= AT_ONCE:
            for event_id in waiting:
                await self._effects.apply(merchant, event_id)
            if not HARMFUL.isdisjoint(added.values()):
                await self._watch(merchant.id)

    async def find_merchants(self) -> list[MerchantId]:
        """Find merchants with events that something is left to do about now."""
        async with self._database.autocommit() as stores:
            return await stores.provider_events.list_merchants_with_pending(real_now=self._clock())

    async def work(self, merchant_id: MerchantId) -> int:
        """Do what is due about a merchant's events, at most ROUNDS batches of them, and say of how many."""
        async with self._database.autocommit() as stores:
            merchant = await stores.merchants.get(merchant_id)
        count = 0
        for _ in range(ROUNDS):
            taken = await self._effects.apply_due(merchant)
            count += taken
            if taken < BATCH:
                break
        await self._watch(merchant_id)
        return count

    async def _watch(self, merchant_id: MerchantId) -> None:
        """Look at what the events say of the merchant; where that fails, the worker's own look makes up for it."""
        try:
            await self._reputation.watch(merchant_id)
        except Exception as error:
            log.warning("Failed to look at a reputation", merchant_id=merchant_id, error=type(error).__name__)

    async def _find_source(self, merchant_id: MerchantId, provider: str) -> tuple[Merchant, EventSource]:
        try:
            async with self._database.autocommit() as stores:
                merchant = await stores.merchants.get(merchant_id)
        except MerchantNotFoundError:
            merchant = None
        source = await self._readers.find(merchant, provider) if merchant is not None else None
        if merchant is None or source is None:
            self._observe(EventVerdict.UNSIGNED, None, ())
            raise _not_verified()
        return merchant, source


def _new(event: ProviderEvent, *, real_now: datetime) -> NewProviderEvent:
    kind = event.kind
    if kind is EventKind.REPLIED and event.text is not None and means_stop(event.text):
        kind = EventKind.STOPPED
    return NewProviderEvent(
        provider=event.provider,
        event_id=event.event_id,
        kind=kind,
        raw_kind=event.raw_kind,
        reason=event.reason,
        attempt_id=event.attempt_id or event.attempt_of_message_id,
        provider_message_id=event.provider_message_id,
        contact=normalise_contact(event.address) if event.address else None,
        # A clock that is ahead of ours must not make a bounce count for longer.
        occurred_at=min(event.occurred_at or real_now, real_now),
        received_at=real_now,
        look_at=None if kind in _NOTHING_TO_DO else real_now,
    )


def _refusal(reading: EventReading) -> DomainError:
    match reading.verdict:
        case EventVerdict.UNREADABLE:
            return EventUnreadableError("The events cannot be read.")
        case EventVerdict.UNCHECKED:
            return EventUncheckedError("Where the request is from cannot be checked right now; send it again.")
        case _:
            return _not_verified()


def _not_verified() -> EventNotVerifiedError:
    return EventNotVerifiedError("The request does not prove that it comes from this merchant's provider.")
