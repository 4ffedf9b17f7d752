"""Reading files of suppressions, CSV or JSON lines, line by line: a faulty one does not stop the others."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar, Final

from invite_service.api.bodies import needs_text_check, read_document, validate_part
from invite_service.api.errors import MalformedJsonError
from invite_service.api.schemas.suppression import SUPPRESSION, SuppressionRequest
from invite_service.domain.errors import DomainError, Fault, InvalidInputError

MAX_LINES: Final = 100_000
"""Lines of a file, its header not counted."""

CHUNK: Final = 1000
"""Lines read between two looks at what else this process has to do."""

_FIELDS: Final = frozenset(SuppressionRequest.model_fields)
_EXPORTED: Final = frozenset({"id", "kind", "source"})
"""Columns of our own export that say nothing new."""

_DELIMITERS: Final = ",;\t"
_DEFUSED: Final = frozenset("=+-@\t\r\n")


class FileUnreadableError(DomainError):
    """The file is not text."""

    code: ClassVar[str] = "file_unreadable"


@dataclass(frozen=True, slots=True)
class ReadRow:
    """A row and the line it begins on: what it asks for, or what is wrong with it."""

    line: int
    posted: SuppressionRequest | InvalidInputError


def read_rows(raw: bytes) -> Iterator[Sequence[ReadRow]]:
    """Read a file, CHUNK rows at a time: JSON lines where it begins with a brace, else CSV with a header row.

    Raises, before the first row, FileUnreadableError for what is no text, and InvalidInputError for a file that is too
    long or whose header row has faults.
    """
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FileUnreadableError("The file is not UTF-8.") from None
    if text.count("\n") > MAX_LINES + 1:
        raise _refused("too_long", f"At most {MAX_LINES} lines.")
    rows = _json_rows(text) if text.lstrip()[:1] == "{" else _csv_rows(text)
    return iter(lambda: list(islice(rows, CHUNK)), [])


def _json_rows(text: str) -> Iterator[ReadRow]:
    for line, document in enumerate(io.StringIO(text), start=1):
        if document.strip():
            yield ReadRow(line, _posted_json(document.encode()))


def _posted_json(raw: bytes) -> SuppressionRequest | InvalidInputError:
    try:
        return validate_part(read_document(raw), SUPPRESSION, check_text=needs_text_check(raw))
    except MalformedJsonError as error:
        return InvalidInputError(error.detail, faults=[Fault("", error.code, "The line is not JSON.")])
    except InvalidInputError as error:
        return error


def _csv_rows(text: str) -> Iterator[ReadRow]:
    first_line = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first_line.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
    except csv.Error:
        header = []
    faults = _header_faults(header)
    if faults:
        raise InvalidInputError("The header row has faults.", faults=faults)
    return _csv_body(reader, header)


def _csv_body(reader: Any, header: Sequence[str]) -> Iterator[ReadRow]:
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            # Where a quote is open, nobody knows which line the next row begins on.
            yield ReadRow(line, _refused("malformed_csv", "The rest of the file cannot be read from here."))
            return
        if any(cell.strip() for cell in cells):
            yield ReadRow(line, _posted_csv(cells, header))


def _posted_csv(cells: Sequence[str], header: Sequence[str]) -> SuppressionRequest | InvalidInputError:
    if len(cells) > len(header):
        return _refused("too_long", "More cells than the header names.")
    document = {
        name: armed
        for name, cell in zip(header, cells, strict=False)
        if name in _FIELDS
        for armed in (_arm(cell.strip()),)
        if armed
    }
    try:
        return validate_part(document, SUPPRESSION, check_text=True)
    except InvalidInputError as error:
        return error


def _arm(cell: str) -> str:
    """Undo the apostrophe that keeps a spreadsheet from running a cell."""
    return cell[1:] if cell[:1] == "'" and cell[1:2] in _DEFUSED else cell


def _header_faults(header: Sequence[str]) -> list[Fault]:
    if not {"contact", "hash"} & set(header):
        return [Fault("", "missing", "The header row must name a column contact or hash.")]
    known = ", ".join(sorted(_FIELDS))
    return [
        Fault(f"/{position}", "unknown_field", f"Columns are {known}; those of an export may stay.")
        for position, name in enumerate(header)
        if name not in _FIELDS | _EXPORTED or header.index(name) != position
    ]


def _refused(code: str, detail: str) -> InvalidInputError:
    return InvalidInputError("The file has faults.", faults=[Fault("", code, detail)])
