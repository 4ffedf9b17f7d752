"""The hosted pages over HTTP, on a database of the test's own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from invite_service.storage.database import Database
from tests.pages.browser import started_browser
from tests.pages.shop import PageShop


@pytest.fixture
async def shop(database_url: str, database: Database, tmp_path: Path) -> AsyncIterator[PageShop]:
    async with PageShop.open(database_url, picture_dir=tmp_path, database=database) as shop:
        yield shop


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """One for all tests of a file, which are in its loop; their windows share nothing with each other."""
    async with started_browser() as browser:
        yield browser
