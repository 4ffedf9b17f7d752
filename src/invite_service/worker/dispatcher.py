"""The line in which merchants with due invitations wait for their turns to send.

A turn is one batch of one merchant. A fixed number of turns run at once, and a merchant with more to send goes to the
end of the line, so that ten mails of a small merchant never wait for a hundred thousand of a large one. A turn that has
had its time gives its place to a merchant without one, so that nobody waits for calls to a provider that hangs.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from invite_service.domain.merchant import MerchantId

log = structlog.get_logger()

PLACES = 8
"""Turns that run at once in one process."""

LANES = 2
"""Turns of one merchant that run at once: one reads its batch while the other sends. More would only crowd others."""

TURN_SECONDS = 2.0
"""After this a turn's place is free for another merchant; where one needs it, the turn starts nothing further."""

LINGERING = 64
"""Turns without a place that only wait for their calls; more of them keep their places, as each holds a batch."""

PAUSE_AFTER_FAILURE = 1.0
"""Seconds a place rests after a turn that raised, so that a lasting fault does not spin."""


class Turn:
    """One merchant's turn, as the one who sends sees it."""

    def __init__(self, *, announce_more: Callable[[float], None], must_end: Callable[[], bool]) -> None:
        self._announce_more = announce_more
        self._must_end = must_end

    @property
    def must_end(self) -> bool:
        """Whether nothing further may be started: others wait and this turn has had its time, or the worker stops."""
        return self._must_end()

    def announce_more(self, *, after: float = 0.0) -> None:
        """Tell that the merchant is to line up again: at once, as the claim was full, or after so many seconds."""
        self._announce_more(after)


class Dispatcher:
    """Gives merchants their turns."""

    def __init__(
        self,
        take_turn: Callable[[MerchantId, Turn], Awaitable[object]],
        *,
        places: int = PLACES,
        turn_seconds: float = TURN_SECONDS,
        pause_after_failure: float = PAUSE_AFTER_FAILURE,
    ) -> None:
        self._take_turn = take_turn
        self._places = places
        self._turn_seconds = turn_seconds
        self._pause_after_failure = pause_after_failure
        self._line: deque[MerchantId] = deque()
        self._in_line: set[MerchantId] = set()
        self._woken: set[MerchantId] = set()
        self._running: Counter[MerchantId] = Counter()
        self._turns: set[asyncio.Task[None]] = set()
        self._overdue: set[asyncio.Task[None]] = set()
        self._alarms: dict[MerchantId, asyncio.TimerHandle] = {}
        self._is_stopping = False

    @property
    def busy(self) -> frozenset[MerchantId]:
        """Merchants that need no waking: they wait in line already, or have as many turns as one may have."""
        return frozenset(self._in_line | {merchant for merchant, turns in self._running.items() if turns >= LANES})

    def wake(self, merchant_id: MerchantId) -> None:
        """Line the merchant up for a turn; one that waits already keeps its place."""
        if self._is_stopping or merchant_id in self._in_line:
            return
        if self._running[merchant_id] >= LANES:
            self._woken.add(merchant_id)
            return
        self._in_line.add(merchant_id)
        self._line.append(merchant_id)
        self._fill_places()

    def wake_after(self, merchant_id: MerchantId, seconds: float) -> None:
        """Line the merchant up in a while; of several such wishes the earliest counts for all."""
        if seconds <= 0:
            self.wake(merchant_id)
            return
        if self._is_stopping:
            return
        loop = asyncio.get_running_loop()
        earlier = self._alarms.get(merchant_id)
        if earlier is None or earlier.when() > loop.time() + seconds:
            if earlier is not None:
                earlier.cancel()
            self._alarms[merchant_id] = loop.call_later(seconds, self._ring, merchant_id)

    def _ring(self, merchant_id: MerchantId) -> None:
        del self._alarms[merchant_id]
        self.wake(merchant_id)

    async def stop(self) -> None:
        """Let nobody start any more, ask the running turns to end, and wait until they have."""
        self._is_stopping = True
        for alarm in self._alarms.values():
            alarm.cancel()
        self._alarms.clear()
        self._line.clear()
        self._in_line.clear()
        if self._turns:
            await asyncio.wait(self._turns)

    def _fill_places(self) -> None:
        while (merchant_id := self._next_in_line()) is not None:
            self._line.remove(merchant_id)
            self._in_line.remove(merchant_id)
            self._running[merchant_id] += 1
            turn = asyncio.create_task(self._run(merchant_id))
            self._turns.add(turn)
            overdue = asyncio.get_running_loop().call_later(self._turn_seconds, self._free_place, turn)
            turn.add_done_callback(partial(self._forget, overdue))

    def _next_in_line(self) -> MerchantId | None:
        """Find who is to have a turn now: the first without one, and only on a place of its own anybody's second."""
        first = next((waiting for waiting in self._line if not self._running[waiting]), None)
        if first is not None:
            return first if len(self._turns) - min(len(self._overdue), LINGERING) < self._places else None
        return self._line[0] if self._line and len(self._turns) < self._places else None

    def _free_place(self, turn: asyncio.Task[None]) -> None:
        self._overdue.add(turn)
        self._fill_places()

    def _forget(self, overdue: asyncio.TimerHandle, turn: asyncio.Task[None]) -> None:
        overdue.cancel()
        self._turns.discard(turn)
        self._overdue.discard(turn)

    async def _run(self, merchant_id: MerchantId) -> None:
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + self._turn_seconds
        turn = Turn(
            announce_more=lambda seconds: self.wake_after(merchant_id, seconds),
            must_end=lambda: self._is_stopping or (loop.time() > ends_at and self._is_in_the_way()),
        )
        try:
            await self._take_turn(merchant_id, turn)
        except Exception:
            log.exception("Failed to send for a merchant", merchant_id=merchant_id)
            if not self._is_stopping:
                await asyncio.sleep(self._pause_after_failure)
        finally:
            self._end(merchant_id)

    def _is_in_the_way(self) -> bool:
        """Say whether others took the places of turns that have had their time, or wait for one."""
        waits = any(not self._running[waiting] for waiting in self._line)
        return len(self._turns) > self._places or (waits and len(self._turns) >= self._places)

    def _end(self, merchant_id: MerchantId) -> None:
        self._running[merchant_id] -= 1
        if not self._running[merchant_id]:
            del self._running[merchant_id]
        current = asyncio.current_task()
        if current is not None:
            self._turns.discard(current)
            self._overdue.discard(current)
        if merchant_id in self._woken:
            self._woken.discard(merchant_id)
            self.wake(merchant_id)
        self._fill_places()
