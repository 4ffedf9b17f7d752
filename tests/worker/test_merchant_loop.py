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
