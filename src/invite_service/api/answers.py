"""JSON answers, written by orjson: dataclasses, instants in UTC with a Z, ids, and money as decimal strings."""

from decimal import Decimal
from typing import Any

import orjson
from starlette.responses import Response

JSON_TYPE = "application/json"


class JsonAnswer(Response):
    """An answer whose content is anything orjson can write; `content` is written at once."""

    media_type = JSON_TYPE

    def render(self, content: object) -> bytes:
        """Write the content as UTF-8 JSON."""
        return to_json(content)


def to_json(content: object) -> bytes:
    """Write a value of the wire as JSON; a type that has no place on the wire raises TypeError."""
    return orjson.dumps(content, default=_write_other, option=orjson.OPT_UTC_Z)


def _write_other(value: Any) -> object:
    if isinstance(value, Decimal):
        return format(value, "f")
    raise TypeError(f"{type(value).__name__} has no place in an answer")
