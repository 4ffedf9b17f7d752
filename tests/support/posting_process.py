"""A process of its own that posts orders as fast as it can: `python -m tests.support.posting_process URL SEED ROUNDS`.

Every process posts the same orders of the same customers, each in an order of its own, singly and in batches.
"""

import asyncio
import random
import sys
from collections.abc import Iterator

from invite_service.bell import SilentBell
from invite_service.domain.order import OrderEvent
from invite_service.services.ingest import IngestedOrder, OrderIngestService
from invite_service.services.policy_versions import PolicyVersions
from tests.support.builders import MERCHANT_ID, NOON, make_order_event, new_id
from tests.support.ingesting import make_database, make_item

ORDERS_OF_A_CUSTOMER = 4


def events_of_round(number: int) -> Iterator[OrderEvent]:
    """Orders of one customer, all of one day: by two e-mail addresses that share a phone number."""
    for place in range(ORDERS_OF_A_CUSTOMER):
        yield make_order_event(
            order_id=f"{number}-{place}",
            email=f"{number}-{place % 2}@example.com",
            phone=f"+47912{number:05}",
            products=(f"p{place}", "mug"),
        )


async def post_all(url: str, *, seed: int, rounds: int) -> int:
    """Post every round, several at once; tell how many events were the first of their order."""
    chance = random.Random(seed)
    database = make_database(url, pool_size=3)
    service = OrderIngestService(
        database, clock=lambda: NOON, new_id=new_id, bell=SilentBell(), policy_versions=PolicyVersions()
    )

    async def post_round(number: int) -> int:
        events = list(events_of_round(number))
        chance.shuffle(events)
        size = chance.choice([1, 2, 4])
        is_new = 0
        for start in range(0, len(events), size):
            results = await service.ingest(MERCHANT_ID, [make_item(event) for event in events[start : start + size]])
            is_new += sum(isinstance(result, IngestedOrder) and result.is_new for result in results)
        return is_new

    numbers = list(range(rounds))
    totals = []
    for start in range(0, rounds, 3):
        totals += await asyncio.gather(*(post_round(number) for number in numbers[start : start + 3]))
    await database.close()
    return sum(totals)


if __name__ == "__main__":
    _, url, seed, rounds = sys.argv
    print(asyncio.run(post_all(url, seed=int(seed), rounds=int(rounds))))  # noqa: T201 - what the test reads
