"""Fixtures of the stores' tests."""

import pytest

from invite_service.storage.database import Database
from tests.support.ingesting import IngestHouse


@pytest.fixture
async def shop(database: Database) -> IngestHouse:
    """A merchant with the default policy that can ingest orders."""
    return await IngestHouse.build(database)
