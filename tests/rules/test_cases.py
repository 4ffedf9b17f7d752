"""The 76 shared cases of decide()."""

from datetime import UTC, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from invite_service.domain.order import Order
from invite_service.rules.decide import Decision, History, PastInvitation, decide
from invite_service.rules.orders import fold_event
from invite_service.rules.suppressions import SuppressedContacts
from tests.rules.cases import Case, invitation_id, load_cases

CASES = list(load_cases())


def test_every_shared_case_is_loaded() -> None:
    assert len(CASES) == 76


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_shared_case_decides_as_expected(case: Case) -> None:
    order = fold_event(None, case.event, accepted_at=case.now)
    history = History(
        orders=[past for past in case.orders if past.order_id != order.order_id],
        invitations=[
            PastInvitation(invitation, [_noon(day, case) for day in _days(invitation.order_ids)])
            for invitation in case.invitations
        ],
        suppressed=SuppressedContacts(case.suppressions),
    )

    decision = decide(order, policy=case.policy, history=history, merchant=case.merchant, now=case.now)

    assert _shape(decision, case, order) == _expected(case)


def _days(order_ids: tuple[str, ...]) -> list[str]:
    return [order_id[-10:] for order_id in order_ids]


def _noon(day: str, case: Case) -> datetime:
    local = datetime.combine(datetime.fromisoformat(day).date(), time(12), tzinfo=ZoneInfo(case.merchant.time_zone))
    return local.astimezone(UTC)


def _shape(decision: Decision, case: Case, order: Order) -> dict[str, Any]:
    shape: dict[str, Any] = {"outcome": decision.outcome.value}
    if decision.reason is not None:
        shape["reason"] = decision.reason.value
    if decision.plan is not None:
        plan = decision.plan
        shape |= {
            "kind": plan.kind.value,
            "channel": plan.channel.value,
            "language": plan.language,
            "steps": [step.value for step in plan.steps],
            "products": list(plan.product_ids),
            "send_at": plan.send_at,
        }
    if decision.merged_into is not None:
        [target] = [one for one in case.invitations if one.id == decision.merged_into]
        shape |= {
            "into": decision.merged_into,
            "products_added": [one for one in decision.joining_product_ids if one not in target.product_ids],
        }
    return shape


def _expected(case: Case) -> dict[str, Any]:
    expected = dict(case.expect)
    if "send_at" in expected:
        expected["send_at"] = datetime.fromisoformat(expected["send_at"])
    if "into" in expected:
        expected["into"] = invitation_id(expected["into"])
    return expected
