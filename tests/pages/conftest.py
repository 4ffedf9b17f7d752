"""The hosted pages over HTTP, on a database of the test's own."""

from collections.abc import AsyncIterator

import pytest

from tests.pages.shop import PageShop


@pytest.fixture
async def shop(database_url: str) -> AsyncIterator[PageShop]:
    async with PageShop.open(database_url) as shop:
        yield shop
