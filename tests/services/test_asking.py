"""Calls about several messages to one provider: the first alone, and no further one once it fails or time is up."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from invite_service.domain.invitation import Channel
from invite_service.services.asking import Asked, ask_each
from invite_service.storage.doubts import AttemptDoubt, Doubt
from tests.support.builders import new_id

THEN = datetime(2026, 3, 10, 12, tzinfo=UTC)


def make_doubts(count: int) -> list[Doubt]:
    return [
        AttemptDoubt(
            id=new_id(),
            invitation_id=new_id(),
            contact="kari@example.com",
            channel=Channel.EMAIL,
            provider="fake",
            message_id=f"<{number}@example.com>",
            content_hash="",
            started_at=THEN,
            asked_at=THEN,
            product_ids=(),
        )
        for number in range(count)
    ]


class Provider:
    """Answers as it is told, and then that the doubts are settled; each answer takes a turn of the loop."""

    def __init__(self, *answers: Asked, seconds: float = 0.0) -> None:
        self.answers = list(answers)
        self.seconds = seconds
        self.asked: list[Doubt] = []
        self.open: list[int] = []
        self._open = 0

    async def ask(self, doubt: Doubt) -> Asked:
        self.asked.append(doubt)
        self._open += 1
        self.open.append(self._open)
        answer = self.answers.pop(0) if self.answers else Asked.SETTLED
        await asyncio.sleep(self.seconds)
        self._open -= 1
        return answer


async def ask(provider: Provider, doubts: Sequence[Doubt], *, seconds: float = 60.0) -> int:
    until = asyncio.get_running_loop().time() + seconds
    return await ask_each(doubts, provider.ask, at_once=3, until=until)


async def test_first_is_asked_alone_and_the_others_some_at_once() -> None:
    provider, doubts = Provider(), make_doubts(7)
    assert await ask(provider, doubts) == 7
    assert (provider.asked, provider.open) == (doubts, [1, 1, 2, 3, 3, 3, 3])


async def test_what_was_not_asked_does_not_stand_for_the_first() -> None:
    provider = Provider(Asked.NOT_ASKED, Asked.NOT_ASKED, Asked.OPEN)
    assert await ask(provider, make_doubts(6)) == 3
    assert provider.open == [1, 1, 1, 1, 2, 3]


@pytest.mark.parametrize(
    ("answers", "asked"), [([Asked.FAILED], 1), ([Asked.HUNG], 1), ([Asked.OPEN, Asked.FAILED], 4)]
)
async def test_nothing_is_begun_after_a_failure(answers: list[Asked], asked: int) -> None:
    provider = Provider(*answers)
    await ask(provider, make_doubts(9))
    assert len(provider.asked) == asked


async def test_nothing_is_begun_when_time_is_up() -> None:
    late, slow = Provider(), Provider(seconds=0.05)
    assert await ask(late, make_doubts(3), seconds=-1.0) == 0
    assert late.asked == []
    assert await ask(slow, make_doubts(9), seconds=0.02) == 1
