"""The loop that takes merchants' turns."""

import asyncio

from invite_service.domain.merchant import MerchantId
from invite_service.worker.ending import end_tasks
from invite_service.worker.merchant_loop import MerchantLoop
from tests.support.workers import comes_true

BROKEN, SHOP = MerchantId("broken"), MerchantId("gift-shop")


class Work:
    """Finds both merchants at every look but the first, which fails; the turns of one always fail."""

    def __init__(self) -> None:
        self.looks = 0
        self.turns: list[MerchantId] = []
        self.failures = 0

    async def find_due(self) -> list[MerchantId]:
        self.looks += 1
        if self.looks == 1:
            raise ConnectionError
        return [BROKEN, SHOP]

    async def work(self, merchant_id: MerchantId) -> int:
        self.turns.append(merchant_id)
        if merchant_id == BROKEN:
            raise ArithmeticError
        return 1

    def fail(self) -> None:
        self.failures += 1


async def test_loop_bears_what_fails_and_goes_on_with_the_others() -> None:
    work = Work()
    loop = MerchantLoop("tests", find_due=work.find_due, work=work.work, interval=0.001, on_failure=work.fail)
    task = asyncio.create_task(loop.run())
    await comes_true(lambda: work.turns.count(SHOP) >= 50)
    await end_tasks([task])
    # The broken merchant waits twice as long each time, so that it has had few turns meanwhile.
    assert 1 <= work.turns.count(BROKEN) < 25
    assert work.failures == 1 + work.turns.count(BROKEN)


class Turns:
    """Finds ten merchants at every look; the turns of one last until it is let go."""

    def __init__(self) -> None:
        self.merchant_ids = [MerchantId(f"shop-{number}") for number in range(10)]
        self.turns: list[MerchantId] = []
        self.let_go = asyncio.Event()

    async def find_due(self) -> list[MerchantId]:
        return self.merchant_ids

    async def work(self, merchant_id: MerchantId) -> int:
        self.turns.append(merchant_id)
        if merchant_id == self.merchant_ids[0]:
            await self.let_go.wait()
        return 1

    def fail(self) -> None:
        raise AssertionError


async def test_merchant_whose_turn_lasts_keeps_only_its_own_place() -> None:
    turns = Turns()
    loop = MerchantLoop(
        "tests", find_due=turns.find_due, work=turns.work, interval=0.001, on_failure=turns.fail, at_once=2
    )
    task = asyncio.create_task(loop.run())
    await comes_true(lambda: len(turns.turns) == 10)
    turns.let_go.set()
    await comes_true(lambda: len(turns.turns) >= 20)
    await end_tasks([task])
    assert set(turns.turns[10:20]) == set(turns.merchant_ids)


async def test_round_that_is_over_leaves_the_next_to_those_who_had_no_turn() -> None:
    turns = Turns()
    turns.let_go.set()

    async def take_a_while(merchant_id: MerchantId) -> int:
        await asyncio.sleep(0.01)
        return await turns.work(merchant_id)

    loop = MerchantLoop(
        "tests", find_due=turns.find_due, work=take_a_while, interval=0.001, on_failure=turns.fail, round_seconds=0.005
    )
    task = asyncio.create_task(loop.run())
    await comes_true(lambda: len(turns.turns) >= 20)
    await end_tasks([task])
    assert turns.turns[:20] == turns.merchant_ids * 2
