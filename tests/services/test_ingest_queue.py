import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest

from invite_service.domain.errors import Fault, MerchantNotFoundError
from invite_service.domain.merchant import MerchantId
from invite_service.domain.order import OrderOutcome
from invite_service.services.ingest import IngestedOrder, IngestItem, IngestResult, RefusedOrder
from invite_service.services.ingest_queue import IngestOverloadedError, IngestQueue
from invite_service.storage.database import Database
from invite_service.storage.errors import DatabaseUnavailableError, TransactionConflictError
from tests.support.builders import MERCHANT_ID, NOON, make_order, make_order_event
from tests.support.ingesting import IngestHouse, make_item

OTHER = MerchantId("other")


class FakeIngest:
    """Accepts what it is given once it is let go, and remembers the groups."""

    def __init__(self, fail: Callable[[Sequence[str]], Exception | None] = lambda _: None) -> None:
        self.groups: list[tuple[MerchantId, list[str]]] = []
        self.go = asyncio.Event()
        self._fail = fail

    async def ingest(self, merchant_id: MerchantId, items: Sequence[IngestItem]) -> list[IngestResult]:
        ids = [item.event.order_id for item in items]
        self.groups.append((merchant_id, ids))
        await self.go.wait()
        error = self._fail(ids)
        if error is not None:
            raise error
        return [IngestedOrder(make_order(order_id=order_id), None, is_new=True) for order_id in ids]


def item(number: int) -> IngestItem:
    return make_item(make_order_event(order_id=str(number)))


def post(queue: IngestQueue, *numbers: int, merchant_id: MerchantId = MERCHANT_ID) -> list[asyncio.Task[IngestResult]]:
    return [asyncio.create_task(queue.ingest(merchant_id, item(number))) for number in numbers]


async def turn() -> None:
    """Let every task that can run do so."""
    for _ in range(5):
        await asyncio.sleep(0)


def ids(results: Sequence[IngestResult | BaseException]) -> list[str]:
    return [result.order.order_id if isinstance(result, IngestedOrder) else repr(result) for result in results]


async def test_first_event_starts_at_once_and_the_next_ones_go_together() -> None:
    service = FakeIngest()
    queue = IngestQueue(service, max_groups_at_once=1)
    tasks = post(queue, 1)
    await turn()
    tasks += post(queue, 2, 3, 4)
    await turn()
    assert service.groups == [(MERCHANT_ID, ["1"])]
    service.go.set()
    assert ids(await asyncio.gather(*tasks)) == ["1", "2", "3", "4"]
    assert service.groups == [(MERCHANT_ID, ["1"]), (MERCHANT_ID, ["2", "3", "4"])]


async def test_merchants_do_not_wait_for_each_other() -> None:
    service = FakeIngest()
    queue = IngestQueue(service)
    tasks = post(queue, 1) + post(queue, 2, merchant_id=OTHER)
    await turn()
    assert service.groups == [(MERCHANT_ID, ["1"]), (OTHER, ["2"])]
    service.go.set()
    await asyncio.gather(*tasks)


async def test_groups_are_bounded() -> None:
    service = FakeIngest()
    service.go.set()
    queue = IngestQueue(service, max_group=2)
    assert ids(await asyncio.gather(*post(queue, 1, 2, 3, 4, 5))) == ["1", "2", "3", "4", "5"]
    assert [numbers for _, numbers in service.groups] == [["1", "2"], ["3", "4"], ["5"]]


async def test_two_groups_of_a_merchant_may_be_under_way_at_once() -> None:
    service = FakeIngest()
    queue = IngestQueue(service, max_groups_at_once=2)
    tasks = post(queue, 1)
    await turn()
    tasks += post(queue, 2, 3)
    await turn()
    tasks += post(queue, 4, 5, 6)
    await turn()
    assert [numbers for _, numbers in service.groups] == [["1"], ["2", "3"]]
    service.go.set()
    assert ids(await asyncio.gather(*tasks)) == ["1", "2", "3", "4", "5", "6"]
    assert [numbers for _, numbers in service.groups] == [["1"], ["2", "3"], ["4", "5", "6"]]


async def test_second_group_starts_when_it_is_as_large_as_the_first() -> None:
    service = FakeIngest()
    queue = IngestQueue(service, max_groups_at_once=2)
    tasks = post(queue, 1, 2, 3)
    await turn()
    for number in (4, 5):
        tasks += post(queue, number)
        await turn()
    assert [numbers for _, numbers in service.groups] == [["1", "2", "3"]]
    tasks += post(queue, 6)
    await turn()
    assert [numbers for _, numbers in service.groups] == [["1", "2", "3"], ["4", "5", "6"]]
    service.go.set()
    await asyncio.gather(*tasks)


async def test_smaller_second_group_starts_when_the_first_has_ended() -> None:
    service = FakeIngest()
    queue = IngestQueue(service, max_groups_at_once=2)
    tasks = post(queue, 1, 2, 3)
    await turn()
    tasks += post(queue, 4)
    await turn()
    service.go.set()
    assert ids(await asyncio.gather(*tasks)) == ["1", "2", "3", "4"]
    assert [numbers for _, numbers in service.groups] == [["1", "2", "3"], ["4"]]


async def test_second_group_need_not_be_larger_than_a_group_may_be() -> None:
    service = FakeIngest()
    queue = IngestQueue(service, max_group=2, max_groups_at_once=3)
    tasks = post(queue, 1, 2)
    await turn()
    tasks += post(queue, 3, 4)
    await turn()
    tasks += post(queue, 5, 6)
    await turn()
    assert [numbers for _, numbers in service.groups] == [["1", "2"], ["3", "4"], ["5", "6"]]
    service.go.set()
    await asyncio.gather(*tasks)


async def test_client_that_hangs_up_cancels_nothing() -> None:
    service = FakeIngest()
    queue = IngestQueue(service, max_groups_at_once=1)
    [first] = post(queue, 1)
    await turn()
    second, third = post(queue, 2, 3)
    await turn()
    first.cancel()
    second.cancel()
    service.go.set()
    assert ids([await third]) == ["3"]
    assert [numbers for _, numbers in service.groups] == [["1"], ["2", "3"]]
    assert first.cancelled()
    assert second.cancelled()


async def test_database_error_makes_the_group_run_one_by_one_and_one_event_fail() -> None:
    def fail(numbers: Sequence[str]) -> Exception | None:
        return ValueError("numeric field overflow") if "3" in numbers else None

    service = FakeIngest(fail)
    queue = IngestQueue(service)
    tasks = post(queue, 1)
    await turn()
    tasks += post(queue, 2, 3, 4)
    await turn()
    service.go.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert ids(results) == ["1", "2", "ValueError('numeric field overflow')", "4"]
    assert [numbers for _, numbers in service.groups] == [["1"], ["2", "3", "4"], ["2"], ["3"], ["4"]]


async def test_conflicts_that_do_not_end_make_the_group_run_one_by_one() -> None:
    def fail(numbers: Sequence[str]) -> Exception | None:
        return TransactionConflictError() if len(numbers) > 1 else None

    service = FakeIngest(fail)
    service.go.set()
    queue = IngestQueue(service)
    assert ids(await asyncio.gather(*post(queue, 1, 2))) == ["1", "2"]


@pytest.mark.parametrize("error", [MerchantNotFoundError("gone"), DatabaseUnavailableError("away")])
async def test_what_fails_for_everybody_is_not_tried_one_by_one(error: Exception) -> None:
    service = FakeIngest(lambda _: error)
    service.go.set()
    queue = IngestQueue(service)
    results = await asyncio.gather(*post(queue, 1, 2), return_exceptions=True)
    assert results == [error, error]
    assert [numbers for _, numbers in service.groups] == [["1", "2"]]


async def test_events_beyond_the_bound_are_refused_and_the_rest_goes_on() -> None:
    service = FakeIngest()
    queue = IngestQueue(service, max_waiting=2, max_groups_at_once=1)
    tasks = post(queue, 1)
    await turn()
    tasks += post(queue, 2, 3)
    await turn()
    with pytest.raises(IngestOverloadedError):
        await queue.ingest(OTHER, item(4))
    service.go.set()
    assert ids(await asyncio.gather(*tasks)) == ["1", "2", "3"]
    assert ids([await queue.ingest(OTHER, item(5))]) == ["5"]


async def test_who_waits_too_long_is_told_so_and_what_had_not_begun_never_does() -> None:
    service = FakeIngest()
    queue = IngestQueue(service, max_waiting=1, max_groups_at_once=1, max_seconds=0.05)
    begun = post(queue, 1)
    await turn()
    waiting = post(queue, 2)
    results = await asyncio.gather(*begun, *waiting, return_exceptions=True)
    assert [type(result) for result in results] == [DatabaseUnavailableError, DatabaseUnavailableError]
    [next_one] = post(queue, 3)
    await turn()
    service.go.set()
    assert ids([await next_one]) == ["3"]
    assert [numbers for _, numbers in service.groups] == [["1"], ["3"]]


async def test_closing_waits_for_what_was_taken_and_takes_no_more() -> None:
    service = FakeIngest()
    queue = IngestQueue(service)
    tasks = post(queue, 1)
    await turn()
    tasks += post(queue, 2)
    await turn()
    closing = asyncio.create_task(queue.close())
    await turn()
    assert not closing.done()
    with pytest.raises(IngestOverloadedError):
        await queue.ingest(MERCHANT_ID, item(3))
    service.go.set()
    await closing
    assert all(task.done() for task in tasks)
    assert ids(await asyncio.gather(*tasks)) == ["1", "2"]


async def test_time_from_arrival_to_commit_is_told_for_each_event() -> None:
    told: list[float] = []
    service = FakeIngest()
    service.go.set()
    queue = IngestQueue(service, observe=told.append)
    await asyncio.gather(*post(queue, 1, 2, 3))
    assert len(told) == 3
    assert min(told) >= 0


async def test_events_that_arrive_together_are_stored_for_real(database: Database) -> None:
    shop = await IngestHouse.build(database)
    queue = IngestQueue(shop.service)
    events = [make_order_event(order_id=str(number), email=f"{number // 2}@example.com") for number in range(20)]
    late = make_order_event(order_id="late", purchased_at=NOON + timedelta(days=9))
    results = await asyncio.gather(*(queue.ingest(shop.merchant.id, make_item(event)) for event in [*events, late]))
    await queue.close()
    outcomes = [result.order.outcome for result in results if isinstance(result, IngestedOrder)]
    assert outcomes == [OrderOutcome.INVITED, OrderOutcome.MERGED] * 10
    assert results[-1] == RefusedOrder(
        "late", (Fault("/purchased_at", "in_the_future", "The purchase lies more than 24 hours in the future."),)
    )
    # Those that waited for the first came in one transaction.
    transactions = "SELECT count(DISTINCT xmin::text) FROM orders WHERE merchant_id = $1"
    assert await shop.rows(transactions) == [(1,)]
