"""Lists as CSV (RFC 4180): UTF-8, one header row, streamed, and nothing in them that a spreadsheet would run."""

import csv
import io
import unicodedata
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import fields
from datetime import date, datetime
from operator import attrgetter
from typing import Any, Final, TypeVar

from starlette.responses import Response, StreamingResponse

from invite_service.api.openapi import answering

T = TypeVar("T")

CSV_TYPE: Final = "text/csv"

CSV_ANSWER: Final[dict[str, Any]] = answering(CSV_TYPE)
"""What a route that answers CSV says of its answer, in place of a model."""

CSV_PROSE: Final = (
    "UTF-8, comma, CRLF, a header row; instants and ids as in JSON, lists joined by |, an empty cell for null. "
    "A text that a spreadsheet would run as a formula has an apostrophe before it: one that begins, after blanks, with "
    "=, +, - or @, also in their full-width forms, or with a tab or a line break. That is so for phone numbers too."
)

_FORMULA_STARTS: Final = frozenset("=+-@\N{MINUS SIGN}")
_SKIPPED_STARTS: Final = frozenset("\t\r\n")
_UNSEEN: Final = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp"})
"""Categories of characters that a spreadsheet may trim."""


def defuse(text: str) -> str:
    """Put an apostrophe before a text that a spreadsheet would take for a formula, or might after trimming it."""
    first = text[:1]
    if not first or first.isalnum():
        return text
    if first in _SKIPPED_STARTS:
        return f"'{text}"
    seen = next((character for character in text if unicodedata.category(character) not in _UNSEEN), "")
    # The full-width forms, and others that some spreadsheets read alike, are the plain ones in NFKC.
    return f"'{text}" if unicodedata.normalize("NFKC", seen)[:1] in _FORMULA_STARTS else text


def to_cell(value: object) -> str:
    """Write a value of the wire as a cell; numbers, instants and ids of ours cannot begin like a formula."""
    match value:
        case None:
            return ""
        case str():
            return defuse(value)
        case bool():
            return "true" if value else "false"
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case tuple() | list():
            return defuse("|".join(value))
        case _:
            return str(value)


def to_lines(rows: Iterable[Iterable[object]]) -> bytes:
    """Write rows of cells, quoted where needed."""
    written = io.StringIO(newline="")
    csv.writer(written, lineterminator="\r\n").writerows([to_cell(value) for value in row] for row in rows)
    return written.getvalue().encode()


async def answer_csv(
    chunks: AsyncIterator[Sequence[T]], *, model: type[Any], shape: Callable[[T], Any], name: str
) -> Response:
    """Answer with a row for each item, whose cells are the fields of a wire model; `name` is the file's.

    The first items are read here, so that what is wrong with the request is still answered with a problem.
    """
    names = [field.name for field in fields(model)]
    cells = attrgetter(*names)
    try:
        first = await anext(chunks)
    except StopAsyncIteration:
        first = ()

    async def stream() -> AsyncIterator[bytes]:
        yield to_lines([names, *(cells(shape(item)) for item in first)])
        async for items in chunks:
            yield to_lines(cells(shape(item)) for item in items)

    return StreamingResponse(
        stream(),
        media_type=f"{CSV_TYPE}; charset=utf-8; header=present",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
