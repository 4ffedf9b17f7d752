"""A provider that tells what a test wants: events in, the service that takes them, and its worker's part."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from invite_service.bell import RecordingBell
from invite_service.domain.merchant import Merchant
from invite_service.domain.provider_event import EventKind, EventReading, EventVerdict, ProviderEvent
from invite_service.providers.base import EventRequest
from invite_service.services.event_effects import EventEffects
from invite_service.services.provider_events import EventSource, ProviderEventService
from invite_service.services.reputation import ReputationService
from tests.support.builders import new_id
from tests.support.sending import SendingHouse


def make_event(kind: EventKind, **changes: Any) -> ProviderEvent:
    """Make an event of the provider that the doubles send through."""
    values = {
        "provider": "recording",
        "kind": kind,
        "raw_kind": kind.value.upper(),
        "event_id": str(new_id()),
        "occurred_at": None,
    }
    return ProviderEvent(**values | changes)


@dataclass
class ScriptedReader:
    """Reads whatever a test says the next request holds."""

    name: str = "recording"
    verdict: EventVerdict = EventVerdict.TRUE
    events: Sequence[ProviderEvent] = ()
    requests: list[EventRequest] = field(default_factory=list)

    async def read(self, request: EventRequest, *, now: datetime) -> EventReading:
        self.requests.append(request)
        return EventReading(verdict=self.verdict, events=tuple(self.events))

    async def close(self) -> None:
        return


class TellingHouse:
    """A merchant whose messages are sent for real, and whose provider tells about them."""

    def __init__(self, house: SendingHouse) -> None:
        self.house = house
        self.reader = ScriptedReader()
        self.records_engagement = False
        self.bell = RecordingBell()
        self.observed: list[tuple[str, str | None, list[str]]] = []
        self.service = ProviderEventService(
            house.database,
            readers=self,
            effects=EventEffects(house.database, bell=self.bell, clock=house.clock),
            reputation=ReputationService(house.database, bell=self.bell, clock=house.clock, new_id=new_id),
            clock=house.clock,
            observe=self.observe,
        )

    async def find(self, merchant: Merchant, provider: str) -> EventSource | None:
        if provider != self.reader.name:
            return None
        return EventSource(self.reader, records_engagement=self.records_engagement)

    def observe(self, verdict: EventVerdict, provider: str | None, kinds: Sequence[EventKind]) -> None:
        self.observed.append((verdict.value, provider, [kind.value for kind in kinds]))

    async def tell(self, *events: ProviderEvent, provider: str = "recording") -> None:
        """Have the provider tell events in one request."""
        self.reader.events = events
        await self.service.receive(
            self.house.merchant.id, provider, body=b"{}", headers={}, url="https://reviews.example/", url_secret=None
        )

    async def work(self) -> None:
        """Do what a worker does until nothing is due."""
        for merchant_id in await self.service.find_merchants():
            while await self.service.work(merchant_id):
                pass

    async def attempt_id(self) -> UUID:
        """Give the id of the only attempt."""
        [attempt] = await self.house.attempts()
        attempt_id: UUID = attempt["id"]
        return attempt_id

    async def delivery(self) -> Any:
        """Give what the only attempt says of its delivery."""
        [attempt] = await self.house.attempts()
        return attempt["delivery"]

    async def suppressions(self) -> list[tuple[str, str | None, str]]:
        """List what is suppressed: reason, channel and source."""
        rows = await self.house.rows("SELECT reason, channel, source FROM suppressions ORDER BY id")
        return [tuple(row) for row in rows]
