"""Judging an account's figures."""

from typing import Any

import pytest

from invite_service.rules.account_health import HealthFigures, HealthStatus, judge_account

OK, WARN, FAIL = HealthStatus

FINE: dict[str, Any] = {
    "recent_from": "2026-03-02T12:00:00Z",
    "month_from": "2026-02-07T12:00:00Z",
    "orders": {"invited": 90, "merged": 2, "blocked": 5, "waiting": 3, "cancelled": 0},
    "received": 100,
    "top_reason": "no_contact",
    "scheduled": 80,
    "late": 0,
    "sent": 70,
    "failed": 0,
    "missed": 0,
    "paused": {},
    "published": (100, 470),
    "pending": (0, 0),
    "month_sent": 300,
    "month_ratings": 90,
    "earlier_sent": 300,
    "earlier_ratings": 90,
    "low_reviews": 4,
    "low_replied": 3,
    "open_cases": 1,
    "waiting_cases": 1,
    "overdue_cases": 0,
    "day_messages": 400,
    "day_bounced": 4,
    "day_complained": 0,
    "in_doubt": 0,
    "notices_in_doubt": 0,
    "has_branding": True,
    "has_logo": True,
    "has_support_contact": True,
    "own_texts": 0,
}


def judged(**changes: Any) -> dict[str, HealthStatus]:
    """Judge figures that are fine but for the changes, and give the checks that are not."""
    checks = judge_account(HealthFigures(**FINE | changes))
    return {check.id: check.status for check in checks if check.status is not OK}


def test_pause_says_why() -> None:
    figures = HealthFigures(**FINE | {"paused": {"merchant": "too_many_bounces", "sms": "no_provider"}})
    check = next(check for check in judge_account(figures) if check.id == "invitations_going_out")
    assert check.detail == "Nothing leaves: merchant paused (too_many_bounces), sms paused (no_provider)."
    assert check.figures["paused"] == ["merchant", "sms"]
    assert check.figures["paused_reasons"] == {"merchant": "too_many_bounces", "sms": "no_provider"}
    assert check.see == "/v1/channels/sms"


def test_nothing_is_wrong_with_a_fine_account() -> None:
    assert judged() == {}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"received": 101}, {"orders": FAIL}),
        ({"received": 0, "orders": {}}, {"orders": WARN}),
        ({"received": 5, "orders": {"blocked": 5}}, {"orders": WARN}),
        ({"paused": {"email": "no_provider"}}, {"invitations_going_out": FAIL}),
        ({"late": 1}, {"invitations_going_out": FAIL}),
        ({"failed": 1}, {"invitations_going_out": WARN}),
        ({"missed": 1}, {"invitations_going_out": WARN}),
        ({"published": (100, 449)}, {"average": WARN}),
        ({"published": (100, 450)}, {}),
        ({"published": (90, 430), "pending": (10, 10)}, {"average": WARN}),
        ({"published": (0, 0)}, {}),
        ({"month_ratings": 14}, {"response_rate": WARN}),
        ({"month_ratings": 60}, {"response_rate": WARN}),
        ({"month_ratings": 70}, {}),
        ({"month_ratings": 0, "month_sent": 49}, {}),
        ({"low_replied": 1}, {"replies": WARN}),
        ({"low_reviews": 0, "low_replied": 0}, {}),
        ({"overdue_cases": 1}, {"unhappy_customers": WARN}),
        ({"day_bounced": 21}, {"bounces_and_complaints": FAIL}),
        ({"day_bounced": 20}, {"bounces_and_complaints": WARN}),
        ({"day_complained": 1}, {"bounces_and_complaints": FAIL}),
        ({"day_messages": 199, "day_bounced": 199}, {}),
        ({"in_doubt": 1}, {"in_doubt": WARN}),
        ({"notices_in_doubt": 1}, {"in_doubt": WARN}),
        ({"has_branding": False}, {"texts_and_branding": WARN}),
        ({"has_logo": False}, {"texts_and_branding": WARN}),
        ({"has_support_contact": False}, {"texts_and_branding": WARN}),
    ],
)
def test_what_is_wrong_is_told(changes: dict[str, Any], expected: dict[str, HealthStatus]) -> None:
    assert judged(**changes) == expected


def test_reasons_stand_in_words_beside_their_figures() -> None:
    checks = {check.id: check for check in judge_account(HealthFigures(**FINE | {"month_ratings": 60}))}
    assert checks["response_rate"].detail == "The response rate fell from 30.0% to 20.0% within 30 days."
    assert checks["response_rate"].figures == {"sent": 300, "ratings": 60, "rate": 0.2, "earlier_rate": 0.3}
    assert checks["bounces_and_complaints"].detail == (
        "1.0% of the messages of the last 24 hours bounced, 0.00% brought a complaint."
    )
