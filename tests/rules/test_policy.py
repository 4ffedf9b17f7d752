"""What a policy may say (RULES.md section 2): the defaults, the ranges, every fault at once."""

from dataclasses import fields
from datetime import time
from typing import Any

import pytest

from invite_service.domain.errors import Fault
from invite_service.domain.policy import Policy
from invite_service.rules.policy import MAX_EXCLUDED, RANGES, check_policy
from tests.rules.builders import make_policy

DEFAULTS: dict[str, Any] = {
    "version": 1,
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
    "send_window_start": time(10),
    "send_window_end": time(12),
    "send_days": ("mon", "tue", "wed", "thu", "fri", "sat", "sun"),
    "send_zone": "merchant",
    "trigger_statuses": ("processed", "sent", "shipped", "fulfilled", "complete", "completed", "delivered"),
    "hold_statuses": ("on_hold", "return_requested"),
    "cancel_statuses": (
        "cancelled", "canceled", "refunded", "returned", "voided", "failed", "expired", "unavailable",
    ),
    "excluded_product_ids": (),
    "excluded_categories": (),
    "consent": "not_required",
    "max_order_age_days": 180,
    "send_deadline_days": 14,
    "not_received_wait_days": 14,
}  # fmt: skip


def test_defaults_are_those_of_the_page() -> None:
    assert {field.name: getattr(Policy(), field.name) for field in fields(Policy)} == DEFAULTS


def test_default_policy_can_be_saved() -> None:
    assert check_policy(Policy()) == []


LIMITS = {
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


def test_every_number_has_the_range_of_the_page() -> None:
    numbers = {name for name, value in DEFAULTS.items() if type(value) is int} - {"version"}
    assert numbers == LIMITS.keys()
    assert RANGES == LIMITS


@pytest.mark.parametrize("name", LIMITS)
def test_number_is_refused_outside_its_range_and_not_at_its_ends(name: str) -> None:
    least, most = LIMITS[name]
    fault = Fault(f"/{name}", "out_of_range", f"Must be {least} to {most}.")
    checked = [check_policy(make_policy(**{name: value})) for value in (least - 1, least, most, most + 1)]
    assert checked == [[fault], [], [], [fault]]


@pytest.mark.parametrize("language", ["automatic", "nb", "pt-BR"])
def test_supported_language_can_be_fixed(language: str) -> None:
    assert check_policy(make_policy(language=language)) == []


FAULTS: dict[str, tuple[dict[str, Any], list[tuple[str, str]]]] = {
    "language without support": ({"language": "is"}, [("/language", "unsupported_language")]),
    "language in another spelling": ({"language": "pt-br"}, [("/language", "unsupported_language")]),
    "fallback without support": ({"fallback_language": "is"}, [("/fallback_language", "unsupported_language")]),
    "fallback left to chance": ({"fallback_language": "automatic"}, [("/fallback_language", "unsupported_language")]),
    "window of no length": ({"send_window_end": time(10)}, [("/send_window_end", "not_after_start")]),
    "window backwards": ({"send_window_start": time(23)}, [("/send_window_end", "not_after_start")]),
    "no day": ({"send_days": ()}, [("/send_days", "empty")]),
    "unknown day": ({"send_days": ("mon", "Tuesday")}, [("/send_days", "unknown_day")]),
    "too many exclusions": (
        {"excluded_product_ids": tuple(map(str, range(MAX_EXCLUDED + 1)))}, [("/excluded_product_ids", "too_many")],
    ),
    "as many as may be": ({"excluded_categories": tuple(map(str, range(MAX_EXCLUDED)))}, []),
    "too many statuses": ({"trigger_statuses": tuple(map(str, range(101)))}, [("/trigger_statuses", "too_many")]),
    "no status": ({"trigger_statuses": (), "hold_statuses": (), "cancel_statuses": ()}, []),
    "empty status": ({"hold_statuses": ("on_hold", "")}, [("/hold_statuses/1", "bad_length")]),
    "endless status": ({"cancel_statuses": ("x" * 256,)}, [("/cancel_statuses/0", "bad_length")]),
    "everything at once": (
        {"block_days": -1, "language": "", "send_days": (), "send_window_end": time(1)},
        [
            ("/block_days", "out_of_range"),
            ("/language", "unsupported_language"),
            ("/send_window_end", "not_after_start"),
            ("/send_days", "empty"),
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "expected"), FAULTS.values(), ids=FAULTS)
def test_every_fault_is_named_at_once(changes: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert [(fault.pointer, fault.code) for fault in check_policy(make_policy(**changes))] == expected


def test_fault_never_tells_the_value() -> None:
    faults = check_policy(make_policy(language="secret", excluded_product_ids=("secret" * 60,)))
    assert len(faults) == 2
    assert not any("secret" in fault.detail for fault in faults)


def test_lists_are_read_without_case_and_days_as_numbers() -> None:
    policy = make_policy(
        trigger_statuses=("Shipped", "STRASSE"),
        hold_statuses=("On_Hold",),
        cancel_statuses=("Voided",),
        send_days=("sun", "mon"),
        excluded_product_ids=("T1",),
        excluded_categories=("Tents",),
    )
    assert policy.triggers == {"shipped", "strasse"}
    assert policy.holds == {"on_hold"}
    assert policy.cancels == {"voided"}
    assert policy.send_weekdays == {6, 0}
    assert policy.excluded_ids == {"T1"}
    assert policy.excluded_category_names == {"Tents"}
