"""Fixtures of the services' tests."""

from collections.abc import AsyncIterator

import pytest

from tests.support.sending import SendingHouse, make_database


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[SendingHouse]:
    """A merchant with the default policy, ready to ingest and to send."""
    database = make_database(database_url)
    yield await SendingHouse.build(database)
    await database.close()
