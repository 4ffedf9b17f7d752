"""The policy's fields and their defaults: RULES.md section 2, the table, top to bottom."""

from typing import Any

DEFAULTS: dict[str, Any] = {
    "product_delay_days": 14,
    "product_second_delay_days": 5,
    "service_delay_days": 7,
    "delay_origin": "scheduled",
    "service_percent": 0,
    "product_steps": "both",
    "product_repeat_days": 90,
    "service_repeat_days": 14,
    "block_days": 0,
    "preferred_channel": "email",
    "language": "automatic",
    "fallback_language": "en",
    "hosted_landing_page": True,
    "send_window_start": "10:00",
    "send_window_end": "12:00",
    "send_days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
    "send_zone": "merchant",
    "trigger_statuses": ["processed", "sent", "shipped", "fulfilled", "complete", "completed", "delivered"],
    "hold_statuses": ["on_hold", "return_requested"],
    "cancel_statuses": [
        "cancelled",
        "canceled",
        "refunded",
        "returned",
        "voided",
        "failed",
        "expired",
        "unavailable",
    ],
    "excluded_product_ids": [],
    "excluded_categories": [],
    "consent": "not_required",
    "max_order_age_days": 180,
    "send_deadline_days": 14,
    "not_received_wait_days": 14,
}


def full_policy(changes: dict[str, Any]) -> dict[str, Any]:
    """Return a policy with every field: the given ones, the rest by default."""
    unknown = sorted(set(changes) - set(DEFAULTS))
    if unknown:
        raise ValueError(f"no such policy fields: {unknown}")
    return {**DEFAULTS, **changes}


def status_word(status: str | None) -> str:
    """Return the status as it is compared: trimmed, without case; '' when none was given."""
    return (status or "").strip().casefold()


def status_is_in(status: str | None, listed: list[str]) -> bool:
    """Say whether a given status stands in a list of the policy."""
    word = status_word(status)
    return word != "" and word in {status_word(entry) for entry in listed}


def status_triggers(status: str | None, policy: dict[str, Any]) -> bool:
    """Say whether an order with this status is decided: neither cancels, nor rule 3 makes it wait."""
    if status_is_in(status, policy["cancel_statuses"]) or status_is_in(status, policy["hold_statuses"]):
        return False
    if status_word(status) == "" or not policy["trigger_statuses"]:
        return True
    return status_is_in(status, policy["trigger_statuses"])
