"""Finding merchants with something to do while parts of the database fail."""

import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from invite_service.domain.merchant import MerchantId
from invite_service.services.leases import LeaseService
from invite_service.services.send_report import SendReport
from invite_service.storage.contacts import ContactKeys
from invite_service.storage.database import Database
from invite_service.storage.stores import Stores
from tests.support.builders import make_merchant, new_id
from tests.support.sending import SECRET, SendingHouse, make_database

OTHER = MerchantId("other-shop")


class BrokenDatabase(Database):
    """Fails at those of its uses, counted from the first, that it is told to."""

    failing: frozenset[int] = frozenset()
    uses = 0

    @contextlib.asynccontextmanager
    async def autocommit(self, *, by_key: bool = False) -> AsyncIterator[Stores]:
        self.uses += 1
        if self.uses in self.failing:
            raise OSError("a node is down")
        async with super().autocommit(by_key=by_key) as stores:
            yield stores


@pytest.fixture
async def broken(database_url: str) -> AsyncIterator[tuple[SendingHouse, BrokenDatabase]]:
    """Two merchants with one due message each, and a database that fails on demand."""
    plain = make_database(database_url)
    house = await SendingHouse.build(plain)
    other = await SendingHouse.build(plain, merchant=make_merchant(id=OTHER))
    for each in (house, other):
        await each.invite()
    database = BrokenDatabase(database_url, contact_keys=ContactKeys(SECRET), new_id=new_id)
    broken_house = SendingHouse(database, house.merchant, house.clock)
    broken_house.clock.now = max(house.clock.now, other.clock.now)
    yield broken_house, database
    await database.close()
    await plain.close()


async def test_one_look_finds_everybody(broken: tuple[SendingHouse, BrokenDatabase]) -> None:
    house, database = broken
    sending = house.sending()
    assert set(await sending.find_due()) == {house.merchant.id, OTHER}
    assert await sending.find_due(except_for=[OTHER]) == [house.merchant.id]
    assert await sending.count_due() == 2
    assert database.uses == 3


async def test_look_that_fails_is_made_another_way_from_then_on(broken: tuple[SendingHouse, BrokenDatabase]) -> None:
    house, database = broken
    database.failing = frozenset({1})
    sending = house.sending()
    assert set(await sending.find_due()) == {house.merchant.id, OTHER}
    assert set(await sending.find_due()) == {house.merchant.id, OTHER}
    assert database.uses == 3


async def test_where_no_look_works_each_merchant_is_asked_and_one_that_fails_stops_no_other(
    broken: tuple[SendingHouse, BrokenDatabase],
) -> None:
    house, database = broken
    # Two looks, the list of merchants, and then gift-shop before other-shop.
    database.failing = frozenset({1, 2, 4})
    sending = house.sending()
    assert await sending.find_due() == [OTHER]
    database.uses = 0
    assert await sending.find_due(except_for=[house.merchant.id]) == []
    database.uses, database.failing = 0, frozenset({1, 2})
    assert await sending.find_due() == [house.merchant.id, OTHER]


async def test_merchant_that_is_not_due_is_not_found_by_asking_either(
    broken: tuple[SendingHouse, BrokenDatabase],
) -> None:
    house, database = broken
    house.clock.advance(timedelta(days=-2))
    database.failing = frozenset({1, 2})
    assert await house.sending().find_due() == []


async def test_expired_leases_are_settled_merchant_by_merchant_where_the_look_fails(
    broken: tuple[SendingHouse, BrokenDatabase],
) -> None:
    house, database = broken
    await house.rows(
        "UPDATE invitations SET status = 'sending', lease_token = gen_random_uuid(), lease_until = $1",
        house.clock.now - timedelta(seconds=1),
    )
    database.failing = frozenset({1})
    leases = LeaseService(database, policies=house.policies, clock=house.clock)
    assert await leases.sweep() == SendReport(postponed=2)
