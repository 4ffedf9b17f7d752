"""What decide() returns, and its parts: outcome, reason, trace."""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

JsonFigure = str | int | bool | float | None | list[str] | Mapping[str, str]
"""A figure a rule compared, in JSON terms."""


class Reason(StrEnum):
    """Why an order was not invited (RULES.md section 3)."""

    STATUS_NOT_TRIGGERING = "status_not_triggering"
    ON_HOLD = "on_hold"
    ORDER_TOO_OLD = "order_too_old"
    NO_CONTACT = "no_contact"
    NO_CONSENT = "no_consent"
    SUPPRESSED = "suppressed"
    REPEAT_CUSTOMER_BLOCK = "repeat_customer_block"
    SERVICE_ASKED_RECENTLY = "service_asked_recently"
    NO_PRODUCTS = "no_products"
    PRODUCTS_EXCLUDED = "products_excluded"
    PRODUCTS_ASKED_RECENTLY = "products_asked_recently"


class TraceOutcome(StrEnum):
    """What a rule said when it was looked at."""

    PASSED = "passed"
    DECIDED = "decided"


class TraceEntry(NamedTuple):
    """One rule that was looked at, with the figures that were compared (RULES.md section 3)."""

    rule: str
    outcome: TraceOutcome
    reason: str | None
    data: Mapping[str, JsonFigure]
