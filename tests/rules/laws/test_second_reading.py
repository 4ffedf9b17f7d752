"""The rules and the second reading of RULES.md decide alike, on random histories and on real orders."""

import gzip
import json
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from tests.rules.builders import make_merchant
from tests.rules.laws.player import play, play_smallest
from tests.rules.laws.strategies import HistoryPlan, histories, law
from tests.rules.laws.twin import Twin

GIFT_SHOP = Path(__file__).parent.parent.parent / "data" / "gift-shop-300.jsonl.gz"


def play_twice(plan: HistoryPlan) -> None:
    twin = Twin(make_merchant(time_zone=plan.zone), plan.settings)

    def check() -> None:
        assert twin.differences() == []

    play(plan, twin, check=check)


@law(max_examples=300)
@given(histories())
def test_random_histories_are_decided_alike(plan: HistoryPlan) -> None:
    play_smallest(plan, play_twice)


POLICIES: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "both kinds": {"service_percent": 40, "service_repeat_days": 3, "block_days": 2},
    "few days, from the purchase": {
        "send_days": ["tue", "thu"],
        "delay_origin": "purchased",
        "product_delay_days": 1,
        "product_repeat_days": 5,
    },
    "nothing is repeated, at night": {
        "service_percent": 100,
        "service_repeat_days": 0,
        "send_window_start": "23:00",
        "send_window_end": "23:59",
        "service_delay_days": 0,
    },
}


@pytest.mark.parametrize("settings", POLICIES.values(), ids=POLICIES)
def test_real_orders_are_decided_alike(settings: dict[str, Any]) -> None:
    with gzip.open(GIFT_SHOP, "rt") as lines:
        orders = [json.loads(line) for line in lines]
    twin = Twin(make_merchant(time_zone="Europe/London"), settings)

    for order in orders:
        now = datetime.fromisoformat(order["purchased_at"]) + timedelta(hours=3)
        twin.advance(now)
        twin.post([order], now)
    twin.advance(now + timedelta(days=60))

    assert twin.differences() == []
    outcomes = Counter(order.outcome for order in twin.shop.orders.values())
    assert outcomes.total() == len(orders) == 300
    assert len(twin.shop.messages) > 100
