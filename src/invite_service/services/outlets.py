"""Where messages leave: a sender, and the places for its open calls in this process."""

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from invite_service.domain.channel import ChannelSettings
from invite_service.domain.invitation import Channel
from invite_service.domain.merchant import Merchant, MerchantId
from invite_service.providers.base import BatchSender, Sender
from invite_service.rules.circuits import Shut

MAX_PER_CALL: Final = 25
"""Messages in one call: enough that calls no longer set the pace, and no more than an unclear answer may leave in
doubt at once. Two such calls are open at a time, so that one is answered while the next is written."""


class NoPlaceError(Exception):
    """No place for a call became free in time."""


class CallPlaces:
    """The messages one sender may have in open calls in this process, shared by the batches that send through it.

    A place is held from before an attempt is written until after it is closed, so that open attempts never outnumber
    the places. Owners that have more to start share them evenly; where there are fewer places than owners, they take
    turns. Of an owner's own batches the elder goes first: many attempts are written and closed at the price of a few.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._held = 0
        # In the order in which they came.
        self._shares: dict[Share, None] = {}
        self._waiting: deque[tuple[Share, asyncio.Future[None]]] = deque()

    @property
    def capacity(self) -> int:
        """How many places there are."""
        return self._capacity

    @property
    def free(self) -> int:
        """How many places nobody holds."""
        return self._capacity - self._held

    @contextlib.contextmanager
    def share(self, owner: str) -> Iterator["Share"]:
        """Take part with one batch of an owner; whatever is still held at the end of the block is given back."""
        share = Share(self, owner)
        self._shares[share] = None
        try:
            yield share
        finally:
            del self._shares[share]
            share.hold(0)

    @contextlib.asynccontextmanager
    async def hold_one(self, owner: str, *, within: float) -> AsyncIterator[None]:
        """Hold one place for a single call.

        Raises:
            NoPlaceError: none was there within so many seconds.
        """
        with self.share(owner) as share:
            try:
                async with asyncio.timeout(within):
                    await share.wait()
            except TimeoutError as error:
                raise NoPlaceError from error
            share.is_hungry = False
            yield

    def limit_for(self, share: "Share") -> int:
        """How many places a share may hold now; 0 where it has to wait for its turn."""
        if self._yields(share):
            return 0
        owners = {other.owner for other in self._shares if other.is_hungry}
        return self._capacity // len(owners | {share.owner})

    def take(self, count: int) -> None:
        """Take free places."""
        self._held += count

    def give_back(self, count: int) -> None:
        """Hand places to those who wait, in their order, and free the others."""
        self._held -= count
        self._waiting = deque(entry for entry in self._waiting if not entry[1].done())
        passed_over = []
        while self._waiting and self.free:
            entry = self._waiting.popleft()
            if self._yields(entry[0]):
                passed_over.append(entry)
            else:
                self._grant(entry[0])
                entry[1].set_result(None)
        self._waiting.extendleft(reversed(passed_over))

    async def wait(self, share: "Share") -> None:
        """Wait for a place and give it to the share."""
        if self.free and not self._yields(share) and all(self._yields(other) for other, _ in self._waiting):
            self._grant(share)
            return
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((share, place))
        try:
            await place
        finally:
            place.cancel()

    def _yields(self, share: "Share") -> bool:
        """Say whether an elder batch of the same owner still has something to start."""
        for other in self._shares:
            if other is share:
                return False
            if other.owner == share.owner and other.is_hungry:
                return True
        return False

    def _grant(self, share: "Share") -> None:
        self._held += 1
        share.held += 1
        share.has_turn = True


class Share:
    """What one batch holds of the places."""

    def __init__(self, places: CallPlaces, owner: str) -> None:
        self._places = places
        self.owner = owner
        self.held = 0
        self.is_hungry = True
        """Whether the batch has more to start; one that has not leaves its part of the places to the others."""
        self.has_turn = False
        """Whether it may use the place it waited for, however many others want one."""

    @property
    def room(self) -> int:
        """How many calls this batch may have open now, those it has included."""
        limit = max(self._places.limit_for(self), int(self.has_turn))
        return min(limit, self.held + self._places.free)

    def hold(self, count: int) -> None:
        """Hold exactly so many places from now on, at most `room` where that is more than before."""
        self.has_turn = False
        more = count - self.held
        self.held = count
        if more > 0:
            self._places.take(more)
        else:
            self._places.give_back(-more)

    async def wait(self) -> None:
        """Wait until one more place is held, and it is this batch's turn to use it."""
        await self._places.wait(self)


@dataclass(frozen=True, slots=True)
class NotedShut:
    """What a process noted of a merchant's provider, and when on the event loop's clock."""

    shut: Shut
    noted_at: float


def find_batches(sender: Sender) -> BatchSender | None:
    """Say whether messages go to a sender many in one call.

    Not where the provider honours keys: a message's own key settles whether it left, and a batch has another one.
    """
    return sender if isinstance(sender, BatchSender) and sender.key_lifetime is None else None


class Outlet:
    """A sender as this process uses it."""

    def __init__(self, sender: Sender) -> None:
        self.sender = sender
        self.batches = find_batches(sender)
        self.per_call = min(self.batches.max_batch, MAX_PER_CALL) if self.batches is not None else 1
        """How many messages one call takes at the most; each of them holds a place."""
        self.places = CallPlaces(max(sender.max_in_flight, 2 * self.per_call) if self.batches else sender.max_in_flight)
        self.rests_until: datetime | None = None
        """Real time until which the provider asked us to wait; messages due before are postponed without a call."""
        self.failures: Counter[MerchantId] = Counter()
        """Of each merchant's calls, how many failed since one last did not."""
        self.shut: dict[MerchantId, NotedShut] = {}
        """Merchants whose circuit opened while this process sent for them."""


class Outlets(Protocol):
    """The outlets of an installation; bootstrap knows them."""

    def lend(
        self, merchant: Merchant, channel: Channel, settings: ChannelSettings
    ) -> contextlib.AbstractContextManager[Outlet]:
        """Give the outlet of a merchant's channel for as long as it is needed.

        Entering raises ProviderUnusableError where there is none.
        """
