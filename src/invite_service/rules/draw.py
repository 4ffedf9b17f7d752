"""The only "chance" there is: hashes of the order's name (RULES.md section 6)."""

from functools import lru_cache
from hashlib import sha256
from typing import Final

from invite_service.domain.invitation import Kind, Step

BUCKETS = 10_000
"""Buckets of a hundredth of a percent."""

_REMEMBERED: Final = 256
"""Draws that are kept: a simulation asks for each again when it comes to its other side."""


@lru_cache(maxsize=_REMEMBERED)
def _draw(text: str) -> int:
    return int.from_bytes(sha256(text.encode()).digest()[:8], "big")


def draw_bucket(merchant_id: str, order_id: str) -> int:
    """Draw the order's bucket, 0 to 9,999; the same on every machine and for ever."""
    return _draw(f"{merchant_id}:{order_id}") % BUCKETS


def kind_of(bucket: int, *, service_percent: int) -> Kind:
    """Tell what a bucket is asked about; raising the percentage never moves one from service to product."""
    return Kind.SERVICE if bucket < service_percent * (BUCKETS // 100) else Kind.PRODUCT


def is_drawn(service_percent: int) -> bool:
    """Say whether the percentage leaves a choice."""
    return service_percent not in {0, 100}


def draw_kind(merchant_id: str, order_id: str, *, service_percent: int) -> Kind:
    """Draw what an order is asked about; without a draw where the percentage leaves no choice."""
    if not is_drawn(service_percent):
        return Kind.SERVICE if service_percent else Kind.PRODUCT
    return kind_of(draw_bucket(merchant_id, order_id), service_percent=service_percent)


def draw_spread(merchant_id: str, order_id: str, step: Step, *, window_seconds: int) -> int:
    """Draw the second of the window at which the step is planned, 0 to `window_seconds` - 1."""
    return _draw(f"{merchant_id}:{order_id}:{step}") % window_seconds
