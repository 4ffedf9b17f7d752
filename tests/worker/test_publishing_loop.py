"""The loop that publishes what a hold has kept."""

import asyncio
from uuid import UUID

from invite_service.domain.merchant import MerchantId
from invite_service.services.approvals import ApprovalService
from invite_service.worker.ending import end_tasks
from invite_service.worker.publishing_loop import PublishingLoop
from tests.support.builders import NOON
from tests.support.sending import make_database
from tests.support.workers import comes_true


class FakeApprovals(ApprovalService):
    """Finds the same merchants at every look, after as many failures as it was told; publishing for `broken` fails."""

    def __init__(self, *merchant_ids: str, failures: int = 0) -> None:
        super().__init__(
            make_database("postgresql+asyncpg://nobody@127.0.0.1:1/none"),
            clock=lambda: NOON,
            new_id=lambda: UUID(int=0),
        )
        self.merchant_ids = [MerchantId(merchant_id) for merchant_id in merchant_ids]
        self.failures = failures
        self.published: list[str] = []

    async def find_due(self) -> list[MerchantId]:
        if self.failures:
            self.failures -= 1
            raise ConnectionError
        return self.merchant_ids

    async def publish_due(self, merchant_id: MerchantId, **_: object) -> int:
        if merchant_id == "broken":
            raise ArithmeticError
        self.published.append(merchant_id)
        return 1


async def test_loop_bears_what_fails_and_goes_on_with_the_others() -> None:
    approvals = FakeApprovals("broken", "gift-shop", failures=1)
    failures: list[None] = []
    loop = PublishingLoop(approvals, on_failure=lambda: failures.append(None), interval=0.001)
    task = asyncio.create_task(loop.run())
    await comes_true(lambda: len(approvals.published) >= 2)
    await end_tasks([task])
    assert set(approvals.published) == {"gift-shop"}
    # The look that failed, and each time the broken merchant's turn.
    assert len(failures) >= 3
