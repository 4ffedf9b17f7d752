"""Fixtures of the stores' tests."""

from collections.abc import AsyncIterator

import pytest

from invite_service.storage.database import Database
from tests.support.ingesting import IngestHouse, make_database


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A migrated, empty database."""
    database = make_database(database_url)
    yield database
    await database.close()


@pytest.fixture
async def shop(database_url: str) -> AsyncIterator[IngestHouse]:
    """A merchant with the default policy that can ingest orders."""
    async with IngestHouse.open(database_url) as house:
        yield house
