"""Orders taken through the real rules in memory: what decisions look like, and what they cost."""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

import uuid_utils

from invite_service.api.schemas.order import ORDER
from invite_service.domain.merchant import Merchant, MerchantId
from invite_service.domain.order import Order, OrderEvent
from invite_service.domain.policy import Policy
from invite_service.rules.ledger import Ledger


def read_event(body: Mapping[str, Any]) -> OrderEvent:
    """Read a posted body as the API does."""
    return ORDER.validate_python(body).to_event()


def new_id() -> UUID:
    """Make an id as the service does."""
    return UUID(int=uuid_utils.uuid7().int)


@cache
def make_merchant(now: datetime) -> Merchant:
    """Make a merchant that no database knows."""
    return Merchant(
        id=MerchantId("bench"),
        name="Benchmark",
        time_zone="Europe/London",
        homepage_url="https://shop.example.org",
        sandbox=False,
        created_at=now,
    )


def make_ledger(now: datetime, *, policy: Policy | None = None) -> Ledger:
    """Make an empty ledger under the default policy."""
    policy = policy or Policy()
    return Ledger(make_merchant(now), policy=policy, policies={policy.version: policy}, new_id=new_id)


def decide_body(body: Mapping[str, Any], *, now: datetime) -> Order:
    """Decide an order of a customer without history."""
    return make_ledger(now).post(read_event(body), accepted_at=now)
