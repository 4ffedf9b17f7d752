"""Which form of an answer a caller wants (RFC 9110 section 12.5.1)."""

from collections.abc import Sequence
from typing import Final

_MAX_ENTRIES: Final = 50
"""Entries of a header that are read; nobody means the fifty-first."""


def choose_type(accepted: str | None, offered: Sequence[str]) -> str:
    """Choose the media type that an Accept header likes best, the first offered one where it likes none or all alike.

    Somebody who can read none of them is better served by the first than by a refusal: its problem would be JSON too.
    """
    weights = {offer: _weight(offer, (accepted or "*/*").split(",")[:_MAX_ENTRIES]) for offer in offered}
    best = max(weights.values())
    return next(offer for offer in offered if weights[offer] == best)


def _weight(offer: str, entries: Sequence[str]) -> float:
    """Weigh a media type by the most specific entry that matches it; 0 where none does."""
    found = (-1, 0.0)
    for entry in entries:
        range_, *parameters = (part.strip() for part in entry.split(";"))
        specificity = _specificity(range_.lower(), offer)
        if specificity > found[0]:
            found = (specificity, _quality(parameters))
    return found[1]


def _specificity(range_: str, offer: str) -> int:
    if range_ == offer:
        return 2
    if range_ == f"{offer.partition('/')[0]}/*":
        return 1
    return 0 if range_ == "*/*" else -1


def _quality(parameters: Sequence[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                return min(max(float(value), 0.0), 1.0)
            except ValueError:
                return 0.0
    return 1.0
