"""Group commit: single order events of one merchant that arrive together are accepted in one transaction.

An event that arrives while none of its merchant is under way starts at once. Those that arrive meanwhile go together
in the next group, which costs little more than one of them alone: most of an ingest call is round trips and the commit.
A second group does not wait for the first to end, only until it is as large. Without that, the first answers of a group
would bring about a group of one, and the others would wait behind it.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final, Protocol

from invite_service.domain.errors import DomainError
from invite_service.domain.merchant import MerchantId
from invite_service.services.ingest import IngestItem, IngestResult
from invite_service.storage.errors import DatabaseUnavailableError

MAX_GROUP: Final = 200
"""Events accepted in one transaction at most: a larger one would make its first wait for its last."""

MAX_WAITING: Final = 2000
"""Events of all merchants that wait in this process at most."""

MAX_GROUPS_AT_ONCE: Final = 2
"""Groups of one merchant under way at once in this process: one is decided on while the database writes the other.

On two busy cores, 16 clients got 1.3 times as many orders through as with one group, and as with a second group that
starts at once (medians of 25 rounds taken in turns); a third group gained nothing.
"""


MAX_SECONDS: Final = 10.0
"""How long an event waits for a database that hangs: a shop's checkout never waits for us."""


class IngestOverloadedError(DomainError):
    """More order events arrive than can be stored, or the process is about to stop; nothing of this one is stored."""

    code: ClassVar[str] = "overloaded"


class Ingest(Protocol):
    """The use case behind the queue, which OrderIngestService is."""

    async def ingest(self, merchant_id: MerchantId, items: Sequence[IngestItem]) -> list[IngestResult]:
        """Accept order events in one transaction; the result is aligned with them."""


@dataclass(slots=True, eq=False)
class _Waiting:
    item: IngestItem
    result: asyncio.Future[IngestResult]
    since: float


@dataclass(slots=True)
class _Lane:
    """The events of one merchant that wait, the tasks that take them in groups, and how many these have taken."""

    waiting: deque[_Waiting] = field(default_factory=deque)
    groups: set[asyncio.Task[None]] = field(default_factory=set)
    under_way: int = 0

    def has_group_waiting(self, max_group: int) -> bool:
        """Say whether those that wait are enough for a group beside what is under way."""
        return bool(self.waiting) and len(self.waiting) >= min(self.under_way, max_group)


def observe_nothing(seconds: float) -> None:
    """Take a duration and do nothing with it."""


class IngestQueue:
    """Collects single order events and hands them on in groups, merchant by merchant."""

    def __init__(
        self,
        service: Ingest,
        *,
        max_group: int = MAX_GROUP,
        max_waiting: int = MAX_WAITING,
        max_groups_at_once: int = MAX_GROUPS_AT_ONCE,
        max_seconds: float = MAX_SECONDS,
        observe: Callable[[float], None] = observe_nothing,
    ) -> None:
        """Make a queue; `observe` is told how many seconds each event took from its arrival to its commit."""
        self._service = service
        self._max_group = max_group
        self._max_waiting = max_waiting
        self._max_groups_at_once = max_groups_at_once
        self._max_seconds = max_seconds
        self._observe = observe
        self._lanes: dict[MerchantId, _Lane] = {}
        self._waiting_count = 0
        self._is_closed = False

    async def ingest(self, merchant_id: MerchantId, item: IngestItem) -> IngestResult:
        """Accept one order event; returns once it is committed. Giving up waiting does not take it back.

        Raises:
            IngestOverloadedError: too many wait already, or the queue is closed.
            MerchantNotFoundError: there is no such merchant.
            TransactionConflictError: others came in between again and again; it is not stored.
            DatabaseUnavailableError: the database is away, or hangs. What had begun by then may be stored yet.
        """
        if self._is_closed:
            raise IngestOverloadedError("The service is about to stop; try again.")
        if self._waiting_count >= self._max_waiting:
            raise IngestOverloadedError("More orders arrive than can be stored; try again in a moment.")
        loop = asyncio.get_running_loop()
        waiting = _Waiting(item, loop.create_future(), loop.time())
        lane = self._lanes.setdefault(merchant_id, _Lane())
        lane.waiting.append(waiting)
        self._waiting_count += 1
        # A task that has taken nothing yet will take this one too.
        may_go_beside = lane.under_way > 0 and len(lane.groups) < self._max_groups_at_once
        if not lane.groups or (may_go_beside and lane.has_group_waiting(self._max_group)):
            # A task of its own: a client that hangs up cancels its request, and nothing of this.
            group = loop.create_task(self._empty(merchant_id, lane))
            lane.groups.add(group)
            group.add_done_callback(lane.groups.discard)
        timer = loop.call_later(self._max_seconds, self._give_up, lane, waiting)
        try:
            return await waiting.result
        finally:
            timer.cancel()

    async def close(self) -> None:
        """Take no more events and wait until those that were taken are stored."""
        self._is_closed = True
        while groups := [group for lane in self._lanes.values() for group in lane.groups]:
            await asyncio.wait(groups)

    def _give_up(self, lane: _Lane, waiting: _Waiting) -> None:
        # Were it stored after its sender was told otherwise, it could come after what the sender posts next.
        if waiting in lane.waiting:
            lane.waiting.remove(waiting)
            self._waiting_count -= 1
        _fail(waiting, DatabaseUnavailableError("The database does not answer."))

    async def _empty(self, merchant_id: MerchantId, lane: _Lane) -> None:
        while lane.has_group_waiting(self._max_group):
            group = [lane.waiting.popleft() for _ in range(min(len(lane.waiting), self._max_group))]
            self._waiting_count -= len(group)
            lane.under_way += len(group)
            try:
                await self._accept(merchant_id, group)
            finally:
                lane.under_way -= len(group)
        if self._lanes.get(merchant_id) is lane and len(lane.groups) <= 1:
            del self._lanes[merchant_id]

    async def _accept(self, merchant_id: MerchantId, group: Sequence[_Waiting]) -> None:
        """Accept a group in one transaction, or, where that fails, one by one, so that one bad event fails alone."""
        try:
            results = await self._service.ingest(merchant_id, [waiting.item for waiting in group])
        except (DomainError, DatabaseUnavailableError) as error:
            for waiting in group:
                _fail(waiting, error)
        except Exception as error:
            if len(group) == 1:
                _fail(group[0], error)
                return
            for waiting in group:
                await self._accept(merchant_id, [waiting])
        else:
            now = asyncio.get_running_loop().time()
            for waiting, result in zip(group, results, strict=True):
                self._observe(now - waiting.since)
                if not waiting.result.done():
                    waiting.result.set_result(result)


def _fail(waiting: _Waiting, error: Exception) -> None:
    if not waiting.result.done():
        waiting.result.set_exception(error)
