"""The hosted pages over HTTP, on a database of the test's own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.pages.shop import PageShop


@pytest.fixture
async def shop(database_url: str, tmp_path: Path) -> AsyncIterator[PageShop]:
    async with PageShop.open(database_url, picture_dir=tmp_path) as shop:
        yield shop
