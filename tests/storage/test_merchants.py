from datetime import timedelta

import pytest

from invite_service.domain.errors import MerchantExistsError, MerchantNotFoundError
from invite_service.domain.merchant import MerchantId
from invite_service.storage.database import Database
from invite_service.storage.errors import TransactionConflictError
from tests.support.builders import MERCHANT_ID, NOON, make_merchant
from tests.support.ingesting import add_merchant

SANDBOX = make_merchant(id=MerchantId("sandbox"), sandbox=True, clock_offset=-timedelta(days=900, microseconds=1))


async def test_merchant_comes_back_as_it_was_stored(database: Database) -> None:
    paused = make_merchant(paused_at=NOON)
    async with database.transaction() as stores:
        await stores.merchants.add(SANDBOX)
        await stores.merchants.add(paused)
        assert await stores.merchants.get(SANDBOX.id) == SANDBOX
        assert await stores.merchants.lock(MERCHANT_ID) == paused
        assert await stores.merchants.list_(limit=1) == [paused]
        assert await stores.merchants.list_(after=MERCHANT_ID, limit=9) == [SANDBOX]


async def test_taken_id_is_refused(database: Database) -> None:
    async with database.transaction() as stores:
        await stores.merchants.add(SANDBOX)
        with pytest.raises(MerchantExistsError):
            await stores.merchants.add(SANDBOX)


async def test_unknown_merchant_is_not_found(database: Database) -> None:
    async with database.transaction() as stores:
        for looking in (stores.merchants.get, stores.merchants.lock):
            with pytest.raises(MerchantNotFoundError):
                await looking(MerchantId("nobody"))


async def test_clock_of_a_sandbox_moves_forward_only(database: Database) -> None:
    async with database.transaction() as stores:
        await stores.merchants.add(SANDBOX)
        await stores.merchants.add(make_merchant())
        assert await stores.merchants.move_clock(SANDBOX.id, timedelta(days=1))
        assert not await stores.merchants.move_clock(SANDBOX.id, timedelta(0))
        assert not await stores.merchants.move_clock(MERCHANT_ID, timedelta(days=1))
        assert (await stores.merchants.get(SANDBOX.id)).clock_offset == timedelta(days=1)


async def test_policy_version_that_somebody_else_replaced_is_a_conflict(database: Database) -> None:
    await add_merchant(database, make_merchant())
    async with database.transaction() as stores:
        await stores.merchants.set_policy_version(MERCHANT_ID, 2, replacing=1)
        with pytest.raises(TransactionConflictError):
            await stores.merchants.set_policy_version(MERCHANT_ID, 2, replacing=1)
