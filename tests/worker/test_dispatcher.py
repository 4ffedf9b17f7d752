"""The line of merchants: who gets a turn, and when a turn has to end."""

import asyncio

from invite_service.domain.merchant import MerchantId
from invite_service.worker.dispatcher import LINGERING, Dispatcher, Turn
from tests.support.workers import comes_true

A, B, C = MerchantId("a"), MerchantId("b"), MerchantId("c")


class Stage:
    """Turns that last until the test ends them, in the order in which they began."""

    def __init__(self) -> None:
        self.began: list[MerchantId] = []
        self.turns: list[Turn] = []
        self._ends: list[asyncio.Future[None]] = []

    async def take_turn(self, merchant_id: MerchantId, turn: Turn) -> None:
        end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.began.append(merchant_id)
        self.turns.append(turn)
        self._ends.append(end)
        await end

    async def end(self, index: int, error: Exception | None = None) -> None:
        if error is not None:
            self._ends[index].set_exception(error)
        else:
            self._ends[index].set_result(None)
        await settle()

    async def end_all(self, dispatcher: Dispatcher) -> None:
        stopping = asyncio.create_task(dispatcher.stop())
        while not stopping.done():
            for end in self._ends:
                if not end.done():
                    end.set_result(None)
            await asyncio.sleep(0)
        await stopping


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_woken_merchant_gets_a_turn_at_once() -> None:
    stage = Stage()
    dispatcher = Dispatcher(stage.take_turn)
    dispatcher.wake(A)
    await settle()
    assert stage.began == [A]
    assert not stage.turns[0].must_end
    await stage.end_all(dispatcher)


async def test_merchant_with_more_goes_to_the_end_of_the_line() -> None:
    stage = Stage()
    dispatcher = Dispatcher(stage.take_turn, places=1)
    for merchant_id in (A, B):
        dispatcher.wake(merchant_id)
    await settle()
    dispatcher.wake(C)
    stage.turns[0].announce_more()
    for index in range(4):
        await stage.end(index)
    assert stage.began == [A, B, C, A]
    await stage.end_all(dispatcher)


async def test_merchant_waits_in_line_once() -> None:
    stage = Stage()
    dispatcher = Dispatcher(stage.take_turn, places=1)
    dispatcher.wake(A)
    for _ in range(3):
        dispatcher.wake(B)
    await settle()
    assert dispatcher.busy == {B}
    await stage.end(0)
    await stage.end(1)
    assert stage.began == [A, B]
    await stage.end_all(dispatcher)


async def test_merchant_has_two_turns_at_once_at_most() -> None:
    stage = Stage()
    dispatcher = Dispatcher(stage.take_turn)
    for _ in range(3):
        dispatcher.wake(A)
        await settle()
    assert stage.began == [A, A]
    assert dispatcher.busy == {A}
    await stage.end(0)
    assert stage.began == [A, A, A]
    await stage.end_all(dispatcher)


async def test_first_turns_come_before_second_ones() -> None:
    stage = Stage()
    dispatcher = Dispatcher(stage.take_turn, places=2)
    dispatcher.wake(A)
    dispatcher.wake(B)
    await settle()
    dispatcher.wake(A)
    dispatcher.wake(C)
    await stage.end(1)
    assert stage.began == [A, B, C]
    await stage.end_all(dispatcher)


async def test_turn_must_end_after_its_time_only_where_another_merchant_waits() -> None:
    stage = Stage()
    dispatcher = Dispatcher(stage.take_turn, places=1, turn_seconds=0.0)
    dispatcher.wake(A)
    await asyncio.sleep(0.01)
    [turn] = stage.turns
    answers = [turn.must_end]
    turn.announce_more()
    answers.append(turn.must_end)
    dispatcher.wake(B)
    answers.append(turn.must_end)
    assert answers == [False, False, True]
    await stage.end_all(dispatcher)


async def test_turn_has_its_time_though_others_wait() -> None:
    stage = Stage()
    dispatcher = Dispatcher(stage.take_turn, places=1, turn_seconds=60.0)
    dispatcher.wake(A)
    dispatcher.wake(B)
    await settle()
    assert not stage.turns[0].must_end
    await stage.end_all(dispatcher)


async def test_stop_waits_for_turns_and_starts_none() -> None:
    stage = Stage()
    dispatcher = Dispatcher(stage.take_turn, places=1)
    dispatcher.wake(A)
    dispatcher.wake(B)
    await settle()
    stopping = asyncio.create_task(dispatcher.stop())
    await settle()
    assert stage.turns[0].must_end
    assert not stopping.done()
    dispatcher.wake(C)
    await stage.end(0)
    await stopping
    assert stage.began == [A]


async def test_stop_without_turns_returns() -> None:
    await Dispatcher(Stage().take_turn).stop()


async def test_turn_that_raises_frees_its_place() -> None:
    stage = Stage()
    dispatcher = Dispatcher(stage.take_turn, places=1, pause_after_failure=0.0)
    dispatcher.wake(A)
    dispatcher.wake(B)
    await settle()
    await stage.end(0, RuntimeError("made up"))
    await settle()
    assert stage.began == [A, B]
    await stage.end_all(dispatcher)


async def test_place_of_a_turn_that_has_had_its_time_is_free_for_another_merchant() -> None:
    stage = Stage()
    dispatcher = Dispatcher(stage.take_turn, places=2, turn_seconds=0.2)
    for _ in range(2):
        dispatcher.wake(A)
        await settle()
    dispatcher.wake(B)
    await settle()
    assert stage.began == [A, A]
    await comes_true(lambda: len(stage.began) == 3)
    assert stage.began == [A, A, B]
    assert [turn.must_end for turn in stage.turns] == [True, True, False]
    await stage.end_all(dispatcher)


async def test_merchant_lines_up_again_after_the_shortest_of_the_waits_it_wished_for() -> None:
    stage = Stage()
    dispatcher = Dispatcher(stage.take_turn, places=1)
    dispatcher.wake(A)
    await settle()
    for seconds in (60, 0.02, 30):
        stage.turns[0].announce_more(after=seconds)
    await stage.end(0)
    assert stage.began == [A]
    await comes_true(lambda: len(stage.began) == 2)
    stage.turns[1].announce_more(after=60)
    await stage.end_all(dispatcher)
    assert stage.began == [A, A]


async def test_only_merchants_without_a_turn_take_the_place_of_others() -> None:
    stage = Stage()
    dispatcher = Dispatcher(stage.take_turn, places=1, turn_seconds=0.01)
    dispatcher.wake(A)
    await settle()
    dispatcher.wake(A)
    await asyncio.sleep(0.03)
    assert stage.began == [A]
    await stage.end(0)
    assert stage.began == [A, A]
    await stage.end_all(dispatcher)


async def test_turns_that_only_wait_are_not_piled_up_without_end() -> None:
    stage = Stage()
    dispatcher = Dispatcher(stage.take_turn, places=1, turn_seconds=0.0)
    for number in range(LINGERING + 10):
        dispatcher.wake(MerchantId(f"m{number}"))
        await asyncio.sleep(0.001)
    assert len(stage.began) == LINGERING + 1
    await stage.end(0)
    assert len(stage.began) == LINGERING + 2
    await stage.end_all(dispatcher)
