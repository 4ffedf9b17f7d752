"""One round of calls to one provider about several messages: the first alone, and no further one once it fails."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from enum import Enum, auto
from typing import TypeVar

from invite_service.storage.doubts import Doubt

AnyDoubt = TypeVar("AnyDoubt", bound=Doubt)


class Asked(Enum):
    """What asking about one message came to."""

    SETTLED = auto()
    """It is in doubt no more."""
    OPEN = auto()
    """The provider answered, and the doubt stays."""
    NOT_ASKED = auto()
    """No call was made."""
    FAILED = auto()
    """The provider fails or asks to wait, and would be no better about the next message."""
    HUNG = auto()
    """It took too long to answer, if it did at all."""


_ENDING = frozenset({Asked.FAILED, Asked.HUNG})


async def ask_each(
    doubts: Sequence[AnyDoubt], ask: Callable[[AnyDoubt], Awaitable[Asked]], *, at_once: int, until: float
) -> int:
    """Ask about each, at most so many at once, and tell how many are settled.

    The first call is alone, so that a provider that hangs costs one call's time. None begins after `until`, a time of
    the event loop, or after one that failed.
    """
    loop, waiting = asyncio.get_running_loop(), deque(doubts)
    answers: list[Asked] = []

    async def ask_next() -> Asked:
        answer = await ask(waiting.popleft())
        answers.append(answer)
        if answer in _ENDING or loop.time() >= until:
            waiting.clear()
        return answer

    async def ask_on() -> None:
        while waiting:
            await ask_next()

    if loop.time() >= until:
        return 0
    while waiting and await ask_next() is Asked.NOT_ASKED:
        pass
    async with asyncio.TaskGroup() as group:
        for _ in range(min(at_once, len(waiting))):
            group.create_task(ask_on())
    return answers.count(Asked.SETTLED)
