"""Writing many rows of many tables in one statement: each table's share is a data-modifying CTE over a list of rows.

A round trip costs more than a row (PERFORMANCE.md), so ingest sends everything it decided at once. The statement is put
together from the shares that have rows; each combination's text is made once and prepared once per connection. Rows
travel as JSON, one parameter for each share: against an array for each column that takes half the time on this side,
and half of it on the server as well where there are few rows.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Final

import orjson

from invite_service.domain.merchant import MerchantId
from invite_service.storage.driver import Driver


@dataclass(frozen=True, slots=True)
class Given:
    """A column of the rows that are sent, by its name and its type in PostgreSQL."""

    name: str
    type: str


def text(name: str) -> Given:
    """Give a text column."""
    return Given(name, "text")


def texts(name: str) -> Given:
    """Give a text[] column; its values are sequences of strings."""
    return Given(name, "text[]")


def instant(name: str) -> Given:
    """Give a timestamptz column."""
    return Given(name, "timestamptz")


@dataclass(frozen=True, eq=False, slots=True)
class Share:
    """One table's part of a statement; `$1` is the merchant.

    In `sql`, {rows} stands for the rows that are sent, {names} for their columns, {values} for what is given for these.
    One that looks for stored rows begins with WITH_GIVEN and names their keys by `= ANY(ARRAY(...))`, for the same
    reason as history.py does.
    """

    name: str
    columns: tuple[Given, ...]
    sql: str

    def text(self, parameter: int) -> str:
        """Write it out, its rows being the parameter of that number."""
        columns = ", ".join(f"{column.name} {column.type}" for column in self.columns)
        return self.sql.format(
            rows=f"json_to_recordset(${parameter}::text::json) AS given ({columns})",
            names=", ".join(column.name for column in self.columns),
            values=", ".join(f"given.{column.name}" for column in self.columns),
        )

    def json(self, rows: Iterable[tuple[object, ...]]) -> str:
        """Write rows, each with a value for each column, as the parameter that the statement takes."""
        names = [column.name for column in self.columns]
        return json_text(
            [{name: value for name, value in zip(names, row, strict=True) if value is not None} for row in rows]
        )


WITH_GIVEN: Final = "WITH given AS MATERIALIZED (SELECT * FROM {rows})"


def assignments(names: Iterable[str], *, source: str) -> str:
    """Write the SET list that takes each column from the same column of `source`."""
    return ", ".join(f"{name} = {source}.{name}" for name in names)


@lru_cache(maxsize=256)
def combined(shares: tuple[Share, ...]) -> str:
    """Write one statement of several shares; its row tells how many rows each of them wrote, in their order."""
    parts = ",\n".join(f"{share.name} AS (\n{share.text(number)}\n)" for number, share in enumerate(shares, start=2))
    counts = ", ".join(f"(SELECT count(*) FROM {share.name})" for share in shares)  # noqa: S608 - constants
    return f"WITH {parts}\nSELECT {counts}"


class Writing:
    """Rows collected for several shares, to be written at once."""

    __slots__ = ("_rows",)

    def __init__(self) -> None:
        self._rows: dict[Share, list[tuple[object, ...]]] = {}

    def add(self, share: Share, rows: Iterable[tuple[object, ...]]) -> None:
        """Collect rows; each has a value for each column of the share."""
        known = self._rows.get(share)
        if known is not None:
            known.extend(rows)
            return
        added = list(rows)
        if added:
            self._rows[share] = added

    async def run(self, driver: Driver, merchant_id: MerchantId) -> Mapping[Share, int]:
        """Write what was collected, in one statement or none; tell how many rows each share wrote."""
        if not self._rows:
            return {}
        parameters = [share.json(rows) for share, rows in self._rows.items()]
        counts = await driver.fetchrow(combined(tuple(self._rows)), merchant_id, *parameters)
        assert counts is not None
        return dict(zip(self._rows, counts, strict=True))


_BYTEA_PREFIX: Final = "\\x"


def _as_json(value: object) -> str:
    """Write what JSON has no type for as PostgreSQL reads it."""
    if isinstance(value, bytes):
        return _BYTEA_PREFIX + value.hex()
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no place in a row.")


def json_text(value: object) -> str:
    """Write a value as JSON text; instants as RFC 3339, bytes as bytea, decimals as strings."""
    return orjson.dumps(value, default=_as_json).decode()
