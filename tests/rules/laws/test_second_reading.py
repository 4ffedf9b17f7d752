"""The rules and the second reading of RULES.md decide alike, on random histories and on real orders."""

import gzip
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from tests.rules.builders import make_merchant
from tests.rules.laws.strategies import START, HistoryPlan, histories
from tests.rules.laws.twin import Twin

GIFT_SHOP = Path(__file__).parent.parent.parent / "data" / "gift-shop-300.jsonl.gz"


def play(plan: HistoryPlan) -> None:
    """Play a history on both sides, comparing after every step."""
    twin = Twin(make_merchant(time_zone=plan.zone), plan.settings)
    now = START
    for step in plan.steps:
        now += step.after
        twin.advance(now)
        match step.what:
            case "post":
                twin.post(plan.bodies_of(step, now), now)
            case "save_policy":
                twin.save_policy(step.given)
            case "wait":
                pass
            case "reschedule":
                number, days = step.given
                if number in twin.reading.invitations:
                    twin.reschedule(number, now, now.date() + timedelta(days=days))
            case _:
                if step.given in twin.reading.invitations:
                    act = getattr(twin, step.what)
                    _ = act(step.given) if step.what in {"unsubscribe", "bounce"} else act(step.given, now)
        assert twin.differences() == []
    twin.advance(now + timedelta(days=200))
    assert twin.differences() == []


@settings(max_examples=250)
@given(histories())
def test_random_histories_are_decided_alike(plan: HistoryPlan) -> None:
    play(plan)
