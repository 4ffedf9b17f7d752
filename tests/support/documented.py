"""The API's document as it is kept, which tests/api/test_openapi.py holds to what the application says."""

import functools
import json
from pathlib import Path
from typing import Any, Final

KEPT: Final = Path(__file__).parents[2] / "openapi" / "openapi.json"


@functools.cache
def kept_document() -> dict[str, Any]:
    """Read the document: that takes a hundredth of the time in which the application makes it."""
    document: dict[str, Any] = json.loads(KEPT.read_text(encoding="utf-8"))
    return document
