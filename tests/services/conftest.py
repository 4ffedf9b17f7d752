"""Fixtures of the services' tests."""

from collections.abc import AsyncIterator

import pytest

from invite_service.storage.database import Database
from tests.support.responding import compare_periods
from tests.support.sending import SendingHouse


@pytest.fixture
async def house(database: Database) -> AsyncIterator[SendingHouse]:
    """A merchant with the default policy, ready to ingest and to send.

    Whatever a test does to it, its days and months are counted right in the end.
    """
    yield await SendingHouse.build(database)
    counted, recounted = await compare_periods(database)
    assert counted == recounted
