"""Batch updates as workers do them: found by themselves, beside each other, and after a crash to their end."""

import asyncio
from collections import Counter
from uuid import UUID

import pytest

from invite_service.domain.batch_update import BatchAction, BatchChange, BatchUpdate
from invite_service.domain.listing import InvitationFilter
from invite_service.domain.merchant import MerchantId
from invite_service.services.batch_updates import BatchUpdateService
from invite_service.services.batch_work import BatchWorkService
from invite_service.services.policy_versions import PolicyVersions
from invite_service.storage.database import Database
from invite_service.worker.batch_update_loop import BatchUpdateLoop
from tests.support.builders import make_merchant, make_policy, new_id
from tests.support.sending import SendingHouse
from tests.support.workers import WorkerProcess, comes_true, worker

CANCEL = BatchChange(action=BatchAction.CANCEL)

PATIENT = make_policy(product_delay_days=365)
"""So that no message is due while the workers, which go by real time, are at work."""


@pytest.fixture
async def house(database: Database) -> SendingHouse:
    return await SendingHouse.build(database, policy=PATIENT)


def make_service(house: SendingHouse, *, chunk_size: int = 20) -> BatchUpdateService:
    return BatchUpdateService(
        house.database,
        clock=house.clock,
        new_id=new_id,
        policies=PolicyVersions(),
        chunk_size=chunk_size,
    )


async def accept(house: SendingHouse, *, chunk_size: int = 20) -> BatchUpdate:
    return await make_service(house, chunk_size=chunk_size).accept(
        house.merchant, InvitationFilter(), CANCEL, chosen_by={}, actor="key:shop"
    )


async def finished(house: SendingHouse, batch: BatchUpdate) -> BatchUpdate:
    async with asyncio.timeout(60):
        while (found := await make_service(house).get(house.merchant.id, batch.id)).finished_at is None:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return found


async def test_workers_find_and_finish_what_was_accepted(house: SendingHouse, database_url: str) -> None:
    await house.invite_many(50)
    other = await SendingHouse.build(house.database, policy=PATIENT, merchant=make_merchant(id=MerchantId("other")))
    await other.invite_many(30, prefix="B")
    batches = [await accept(house), await accept(other)]
    async with worker(database_url):
        done = [await finished(house, batches[0]), await finished(other, batches[1])]
    assert [(batch.matched, batch.changed) for batch in done] == [(50, 50), (30, 30)]


async def test_killed_worker_leaves_nothing_half_done_and_another_goes_on(
    house: SendingHouse, database_url: str
) -> None:
    # What a thousand orders stand for, so that the batch update lasts long enough to be killed in its middle.
    await house.invite_many(1000)
    batch = await accept(house, chunk_size=10)
    first = await WorkerProcess.start(database_url)
    done = "SELECT number FROM batch_update_chunks WHERE done_at IS NOT NULL"
    async with asyncio.timeout(60):
        while len(await house.rows(done)) < 10:  # noqa: ASYNC110 - what is waited for happens in another process
            await asyncio.sleep(0.005)
    await first.kill()
    killed_at = len(await house.rows(done))
    assert killed_at < 100
    statuses = Counter(row["status"] for row in await house.rows("SELECT status FROM invitations"))
    assert statuses["cancelled"] == 10 * killed_at

    async with worker(database_url):
        end = await finished(house, batch)
    assert (end.matched, end.changed, end.skipped) == (1000, 1000, {})
    changes = [row["invitation_id"] for row in await house.rows("SELECT invitation_id FROM batch_update_changes")]
    assert len(changes) == len(set(changes)) == 1000
    assert {row["status"] for row in await house.rows("SELECT status FROM invitations")} == {"cancelled"}


class FailingBatches(BatchWorkService):
    """Fails for one merchant."""

    def __init__(self, failing: MerchantId, others: list[MerchantId]) -> None:
        self._failing = failing
        self._others = others
        self.tried: Counter[MerchantId] = Counter()

    async def find_merchants(self) -> list[MerchantId]:
        return [self._failing, *self._others]

    async def list_unfinished(self, merchant_id: MerchantId) -> list[UUID]:
        self.tried[merchant_id] += 1
        if merchant_id == self._failing:
            raise RuntimeError("a chunk that cannot be changed")
        return []


async def test_failing_batch_rests_ever_longer_and_keeps_nobody_else_waiting() -> None:
    failures: list[None] = []
    broken, fine = MerchantId("broken"), MerchantId("fine")
    batches = FailingBatches(broken, [fine])
    loop = BatchUpdateLoop(batches, interval=0.01, on_failure=lambda: failures.append(None))
    running = asyncio.create_task(loop.run())
    await comes_true(lambda: batches.tried[fine] >= 30)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert 1 < batches.tried[broken] < 12
    assert len(failures) == batches.tried[broken]
