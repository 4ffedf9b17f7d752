"""RateLimit headers (draft-ietf-httpapi-ratelimit-headers), and refusing a key that has made too many requests."""

from functools import cache
from typing import Final

from fastapi import Request

from invite_service.bootstrap import Factory
from invite_service.domain.errors import QuotaExceededError
from invite_service.services.rate_limits import WINDOW

POLICY_HEADER: Final = b"ratelimit-policy"
STANDING_HEADER: Final = b"ratelimit"


def count_request(request: Request, services: Factory, key_id: str) -> None:
    """Count a request of a key; every answer to it then tells how many are left.

    Raises:
        QuotaExceededError: it was one too many.
    """
    limiter = services.rate_limiter
    if limiter is None:
        return
    allowance = limiter.take(key_id)
    request.state.answer_headers = [
        (POLICY_HEADER, _policy(limiter.limit)),
        (STANDING_HEADER, f'"default";r={allowance.remaining};t={allowance.resets_after}'.encode()),
    ]
    if allowance.is_exceeded:
        raise QuotaExceededError(
            f"The key has made more than {limiter.limit} requests in a minute.",
            retry_after_seconds=allowance.resets_after,
        )


def count_visitor(request: Request, services: Factory) -> str:
    """Count a request of somebody without a key by where it comes from, and tell where that is.

    Raises:
        QuotaExceededError: too many came from there within a minute.
    """
    address = request.client.host if request.client is not None else ""
    limiter = services.visitor_limiter
    if limiter is not None:
        allowance = limiter.take(services.visitor_keys.of_minute(address))
        if allowance.is_exceeded:
            raise QuotaExceededError(
                "Too much was sent from your address within a minute.", retry_after_seconds=allowance.resets_after
            )
    return address


@cache
def _policy(limit: int) -> bytes:
    return f'"default";q={limit};w={round(WINDOW.total_seconds())}'.encode()
