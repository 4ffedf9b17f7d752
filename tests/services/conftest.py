"""Fixtures of the services' tests."""

from collections.abc import AsyncIterator

import pytest

from tests.support.responding import compare_periods
from tests.support.sending import SendingHouse, make_database


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[SendingHouse]:
    """A merchant with the default policy, ready to ingest and to send.

    Whatever a test does to it, its days and months are counted right in the end.
    """
    database = make_database(database_url)
    yield await SendingHouse.build(database)
    counted, recounted = await compare_periods(database)
    await database.close()
    assert counted == recounted
