"""What a policy may say: the ranges of RULES.md section 2, every fault named at once."""

from collections.abc import Iterator, Mapping
from typing import Final

from invite_service.domain.errors import Fault
from invite_service.domain.policy import AUTOMATIC_LANGUAGE, SUPPORTED_LANGUAGES, WEEKDAYS, Policy

RANGES: Final[Mapping[str, tuple[int, int]]] = {
    "product_delay_days": (0, 365),
    "product_second_delay_days": (1, 90),
    "service_delay_days": (0, 365),
    "service_percent": (0, 100),
    "product_repeat_days": (0, 3650),
    "service_repeat_days": (0, 3650),
    "block_days": (0, 3650),
    "max_order_age_days": (0, 3650),
    "send_deadline_days": (1, 90),
    "not_received_wait_days": (1, 90),
}
"""Smallest and largest value of each number."""

MAX_EXCLUDED = 10_000
"""Entries of each list of exclusions."""

MAX_STATUSES = 100
"""Entries of each list of statuses."""

MAX_TEXT_LENGTH = 255
"""Characters of one entry of a list."""


def check_policy(policy: Policy) -> list[Fault]:
    """Name everything that is out of range; an empty list means that the policy can be saved."""
    return list(_faults(policy))


def _faults(policy: Policy) -> Iterator[Fault]:
    for field, (least, most) in RANGES.items():
        if not least <= getattr(policy, field) <= most:
            yield Fault(f"/{field}", "out_of_range", f"Must be {least} to {most}.")
    if policy.language != AUTOMATIC_LANGUAGE and policy.language not in SUPPORTED_LANGUAGES:
        yield Fault("/language", "unsupported_language", "Must be automatic or a supported language.")
    if policy.fallback_language not in SUPPORTED_LANGUAGES:
        yield Fault("/fallback_language", "unsupported_language", "Must be a supported language.")
    if policy.send_window_start >= policy.send_window_end:
        yield Fault("/send_window_end", "not_after_start", "Must be later than send_window_start.")
    if not policy.send_days:
        yield Fault("/send_days", "empty", "At least one day is needed.")
    if not set(policy.send_days) <= set(WEEKDAYS):
        yield Fault("/send_days", "unknown_day", f"Must be of {', '.join(WEEKDAYS)}.")
    for field, most in _LIST_LIMITS.items():
        entries: tuple[str, ...] = getattr(policy, field)
        if len(entries) > most:
            yield Fault(f"/{field}", "too_many", f"At most {most} entries.")
        for index, entry in enumerate(entries):
            if not 0 < len(entry) <= MAX_TEXT_LENGTH:
                yield Fault(f"/{field}/{index}", "bad_length", f"Must be 1 to {MAX_TEXT_LENGTH} characters.")


_LIST_LIMITS: Final[Mapping[str, int]] = {
    "trigger_statuses": MAX_STATUSES,
    "hold_statuses": MAX_STATUSES,
    "cancel_statuses": MAX_STATUSES,
    "excluded_product_ids": MAX_EXCLUDED,
    "excluded_categories": MAX_EXCLUDED,
}
