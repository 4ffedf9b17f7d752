"""Reading JSON bodies: once, whole, with every fault named.

Routes read the raw body themselves, because FastAPI's own body models cost more than all of our validation.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NoReturn, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic_core import from_json
from starlette.requests import Request

from invite_service.api.errors import MalformedJsonError
from invite_service.api.faults import faults_of, pointer_to
from invite_service.domain.errors import Fault, InvalidInputError

T = TypeVar("T")


class _NothingRequest(BaseModel):
    """What calls take whose address says everything."""

    model_config = ConfigDict(extra="forbid")


_NOTHING: Final = TypeAdapter(_NothingRequest)

FAULTY_BODY = "The body has faults."

NUL_ESCAPE = b"\\u0000"
"""How U+0000 stands in JSON; PostgreSQL cannot store it."""

SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89abABc-fC-F]")
"""How one half of a character beyond the basic plane stands in JSON, paired or not."""


async def read_body(request: Request, adapter: TypeAdapter[T]) -> T:
    """Read and validate the body of a request, as `read_body_and_document` does."""
    return (await read_body_and_document(request, adapter))[0]


async def read_body_and_document(request: Request, adapter: TypeAdapter[T]) -> tuple[T, Any]:
    """Read and validate the body of a request, and give the JSON it was posted as beside it.

    Raises MalformedJsonError when it is not JSON, and InvalidInputError with every fault when it is not what the
    route takes.
    """
    raw = await request.body()
    document = read_document(raw)
    return validate_part(document, adapter, check_text=needs_text_check(raw)), document


async def read_nothing(request: Request) -> None:
    """Read a body that must be empty, or an empty object; raises as `read_body_and_document` does."""
    raw = await request.body()
    if raw.strip():
        validate_part(read_document(raw), _NOTHING, check_text=needs_text_check(raw))


def validate_part(part: object, adapter: TypeAdapter[T], *, check_text: bool) -> T:
    """Validate parsed JSON; `check_text` also looks for text that our database cannot hold.

    Raises InvalidInputError with every fault; pointers start at the part.
    """
    faults = text_faults(part) if check_text else []
    try:
        checked = adapter.validate_python(part)
    except ValidationError as error:
        known = {fault.pointer for fault in faults}
        faults += [fault for fault in faults_of(error) if fault.pointer not in known]
    else:
        if not faults:
            return checked
    raise InvalidInputError(FAULTY_BODY, faults=faults)


def needs_text_check(raw: bytes) -> bool:
    """Say whether parsed text may hold what our database cannot: only escapes can bring it."""
    return NUL_ESCAPE in raw or SURROGATE_ESCAPE.search(raw) is not None


def read_document(raw: bytes) -> object:
    """Parse JSON; text that our database cannot hold is let through for `text_faults` to point at.

    Raises MalformedJsonError when it is not JSON.
    """
    try:
        return from_json(raw, allow_inf_nan=False)
    except ValueError:
        # The fast parser refuses the whole document for one unpaired surrogate; the slow one keeps the rest readable.
        return _read_slowly(raw)


def _read_slowly(raw: bytes) -> object:
    try:
        return json.loads(raw.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise MalformedJsonError("The body is not JSON.") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def text_faults(document: object) -> list[Fault]:
    """Point at every text that holds U+0000 or an unpaired surrogate."""
    return [
        Fault(pointer_to(path), "invalid_text", "Text must hold neither U+0000 nor unpaired surrogates.")
        for path in _unstorable(document)
    ]


def _unstorable(document: object) -> Iterator[tuple[str | int, ...]]:
    # A list instead of recursion: the slow parser lets nesting through that would exhaust the stack.
    waiting: list[tuple[tuple[str | int, ...], object]] = [((), document)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, str):
            if not _is_storable(value):
                yield path
        elif isinstance(value, Mapping):
            yield from ((*path, name) for name in value if not _is_storable(name))
            waiting.extend(((*path, name), inner) for name, inner in value.items())
        elif isinstance(value, list):
            waiting.extend(((*path, index), inner) for index, inner in enumerate(value))


def _is_storable(text: str) -> bool:
    if "\0" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
