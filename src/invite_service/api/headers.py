"""Single headers of a request, without an object around all of them, and those of an answer made elsewhere."""

from collections.abc import Mapping

from fastapi import Request
from starlette.types import Scope


def find_header(scope: Scope, name: bytes) -> str:
    """Find the first header of a name, which ASGI gives in lower case; empty where there is none."""
    for given, value in scope["headers"]:
        if given == name:
            text: str = value.decode("latin-1")
            return text
    return ""


def answer_above(request: Request, headers: Mapping[str, str]) -> None:
    """Let headers go with the problem that is answered above the route, where the middleware adds them."""
    request.state.answer_headers = [(name.lower().encode(), text.encode()) for name, text in headers.items()]
