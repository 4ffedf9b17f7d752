"""ETag and If-Match of settings: nobody overwrites a change they have not seen (RFC 9110 section 13)."""

import re
from typing import Final

from starlette.requests import Request

from invite_service.domain.errors import PreconditionFailedError, PreconditionRequiredError

IF_MATCH: Final = "If-Match"
ANY_VERSION: Final = "*"

_STRONG_ETAG: Final = re.compile(r'"(\d{1,9})"', re.ASCII)


def etag_of(version: int) -> str:
    """Write a version as a strong ETag."""
    return f'"{version}"'


def read_if_match(request: Request) -> int | None:
    """Read the version that the caller has seen; None for `*`, which stands for any.

    Raises:
        PreconditionRequiredError: the header is missing.
        PreconditionFailedError: it is not one strong ETag of ours, so that none can match.
    """
    text = request.headers.get(IF_MATCH)
    if text is None:
        raise PreconditionRequiredError("Send If-Match with the ETag that was read, or with * for any version.")
    if text.strip() == ANY_VERSION:
        return None
    match = _STRONG_ETAG.fullmatch(text.strip())
    if match is None:
        raise PreconditionFailedError("If-Match is not the ETag of a version of these settings.")
    return int(match[1])
