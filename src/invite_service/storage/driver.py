"""What stores use of the driver's connection, and the rows it returns.

asyncpg carries no types; this is the part of it that stores call. jsonb goes in as text and comes out parsed
(the codecs are set where the connections are made, in database.py).
"""

from collections.abc import Sequence
from typing import Any, Protocol

Row = Any
"""A row: `row["column"]`, `row[0]`, or iterated in the order of its columns."""


class Driver(Protocol):
    """A connection of asyncpg, inside the transaction that database.py opened."""

    async def execute(self, query: str, *args: object) -> str:
        """Run a statement and return its command tag."""

    async def fetch(self, query: str, *args: object) -> Sequence[Row]:
        """Run a statement and return its rows."""

    async def fetchrow(self, query: str, *args: object) -> Row | None:
        """Run a statement and return its first row, None when there is none."""

    async def fetchval(self, query: str, *args: object) -> Any:
        """Run a statement and return the first column of its first row, None when there is none."""
