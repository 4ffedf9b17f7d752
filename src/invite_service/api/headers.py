"""Single headers of a request, without an object around all of them."""

from starlette.types import Scope


def find_header(scope: Scope, name: bytes) -> str:
    """Find the first header of a name, which ASGI gives in lower case; empty where there is none."""
    for given, value in scope["headers"]:
        if given == name:
            text: str = value.decode("latin-1")
            return text
    return ""
