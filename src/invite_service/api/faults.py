"""From what Pydantic says to our faults: pointer, code and detail, and never the value."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl

from pydantic import ValidationError

from invite_service.domain.errors import Fault

_MAX_NAME = 100
"""Characters of a field name that a pointer repeats; names of unknown fields come from outside."""

_CODES: Final = {
    "json_invalid": ("malformed_json", "The body is not JSON."),
    "missing": ("missing", "This field is required."),
    "extra_forbidden": ("unknown_field", "There is no field of this name here."),
    "string_too_long": ("too_long", "At most {max_length} characters."),
    "string_too_short": ("too_short", "At least {min_length} characters."),
    "too_long": ("too_long", "At most {max_length} entries."),
    "too_short": ("too_short", "At least {min_length} entries."),
    "greater_than": ("out_of_range", "Must be greater than {gt}."),
    "greater_than_equal": ("out_of_range", "Must be at least {ge}."),
    "less_than": ("out_of_range", "Must be less than {lt}."),
    "less_than_equal": ("out_of_range", "Must be at most {le}."),
    "literal_error": ("not_a_choice", "Must be one of {expected}."),
    "enum": ("not_a_choice", "Must be one of {expected}."),
    "string_pattern_mismatch": ("invalid_format", "Must match {pattern}."),
    "string_unicode": ("invalid_text", "Text must not hold unpaired surrogates."),
    "string_type": ("invalid_type", "Must be a string."),
    "bool_type": ("invalid_type", "Must be true or false."),
    "bool_parsing": ("invalid_type", "Must be true or false."),
    "int_type": ("invalid_type", "Must be a whole number."),
    "int_parsing": ("invalid_type", "Must be a whole number."),
    "int_from_float": ("invalid_type", "Must be a whole number."),
    "list_type": ("invalid_type", "Must be a list."),
    "dict_type": ("invalid_type", "Must be an object."),
    "model_type": ("invalid_type", "Must be an object."),
    "model_attributes_type": ("invalid_type", "Must be an object."),
    "uuid_type": ("invalid_type", "Must be a UUID."),
    "uuid_parsing": ("invalid_format", "Must be a UUID."),
    "date_type": ("invalid_type", "Must be a date, as in 2026-03-16."),
    "date_parsing": ("invalid_format", "Must be a date, as in 2026-03-16."),
    "date_from_datetime_parsing": ("invalid_format", "Must be a date, as in 2026-03-16."),
    "date_from_datetime_inexact": ("invalid_format", "Must be a date, as in 2026-03-16."),
}
"""Our code and sentence by Pydantic's error type; braces stand for the limits of our own schema."""


OWN_CODES: Final = frozenset(
    {
        "exactly_one",
        "invalid_cursor",
        "invalid_format",
        "invalid_text",
        "invalid_type",
        "not_a_choice",
        "not_a_sandbox",
        "out_of_range",
        "repeated",
        "reserved",
        "unknown_field",
        "unknown_scope",
    }
)
"""Codes that the wire types of schemas/ raise themselves, with sentences of ours."""


def faults_of(error: ValidationError, *, under: str = "") -> list[Fault]:
    """Name what is wrong with a JSON body; `under` is the pointer of the part that was validated."""
    details = error.errors(include_url=False, include_input=False)
    return [_fault(detail, pointer=under + pointer_to(detail["loc"])) for detail in details]


def faults_of_parameters(details: Iterable[Mapping[str, Any]]) -> list[Fault]:
    """Name what is wrong with the parameters of a URL, as FastAPI reports it: where they stand, then their name."""
    return [_fault(detail, pointer=f"?{_spell(str(detail['loc'][1]))}") for detail in details]


def unknown_parameters(query_string: bytes) -> list[Fault]:
    """Name the parameters of an address that takes none."""
    names = [name for name, _ in parse_qsl(query_string.decode("latin-1"), keep_blank_values=True)]
    return [Fault(f"?{_spell(name)}", *_CODES["extra_forbidden"]) for name in dict.fromkeys(names)]


def pointer_to(path: Sequence[str | int]) -> str:
    """Write a path of keys and positions as an RFC 6901 pointer."""
    return "".join(f"/{_spell(str(part)).replace('~', '~0').replace('/', '~1')}" for part in path)


def _spell(name: str) -> str:
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name[:_MAX_NAME])


def _fault(detail: Mapping[str, Any], *, pointer: str) -> Fault:
    kind = detail["type"]
    if kind in OWN_CODES:
        return Fault(pointer, kind, detail["msg"])
    code, sentence = _CODES.get(kind, ("invalid_format", "Is not of the expected form."))
    limits = detail.get("ctx", {})
    if limits.get("min_length") == 1:
        sentence = "Must not be empty."
    return Fault(pointer, code, sentence.format_map(limits))
