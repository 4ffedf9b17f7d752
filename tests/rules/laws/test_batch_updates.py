"""A batch update decides invitations that are alike together: as if each had been decided alone."""

from collections import Counter
from dataclasses import replace
from datetime import date, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from invite_service.domain.batch_update import Alike, AlikeChange, BatchAction, BatchChange
from invite_service.domain.errors import ActionRefusedError
from invite_service.domain.invitation import Invitation, InvitationStatus, Step
from invite_service.domain.policy import ProductSteps
from invite_service.rules.batch_updates import UNCHANGED, change_alike, change_one
from tests.support.builders import NOON, make_invitation, make_merchant, make_policy

MERCHANT = make_merchant()
POLICY = make_policy(version=2, product_steps=ProductSteps.SECOND_ONLY)

CHANGES = st.one_of(
    st.sampled_from([BatchChange(action=BatchAction.CANCEL), BatchChange(action=BatchAction.SEND_NOW)]),
    st.integers(-3, 40).map(
        lambda days: BatchChange(action=BatchAction.RESCHEDULE, day=NOON.date() + timedelta(days=days))
    ),
    st.integers(-20, 20).map(lambda days: BatchChange(action=BatchAction.RESCHEDULE, shift_days=days)),
)

ENDINGS = [
    (InvitationStatus.SCHEDULED, None),
    (InvitationStatus.CANCELLED, "cancelled_by_merchant"),
    (InvitationStatus.CANCELLED, "order_cancelled"),
    (InvitationStatus.SENT, None),
    (InvitationStatus.SENT, "cancelled_by_merchant"),
    (InvitationStatus.SENDING, None),
    (InvitationStatus.MISSED, "missed"),
]


@st.composite
def groups(draw: st.DrawFn) -> list[Invitation]:
    """Invitations that differ in their ids, their seconds and, within a day, in their plans."""
    status, ended_reason = draw(st.sampled_from(ENDINGS))
    has_left = draw(st.booleans())
    is_held = draw(st.booleans())
    day = NOON + timedelta(days=draw(st.integers(0, 20)))
    common = make_invitation(
        status=status,
        ended_reason=ended_reason,
        next_step=Step.PRODUCT_2 if has_left else Step.PRODUCT_1,
        message_count=int(has_left),
        last_message_at=NOON - timedelta(days=5) if has_left else None,
        held_at=NOON if is_held else None,
        send_now=draw(st.booleans()),
        moved_by_merchant=draw(st.booleans()),
        rescheduled_to=draw(st.sampled_from([None, NOON.date(), date(2026, 4, 2)])),
        policy_version=draw(st.sampled_from([1, 2])),
        tries=draw(st.integers(0, 2)),
    )
    is_attempted = status is InvitationStatus.SCHEDULED and not is_held
    return [
        replace(
            common,
            id=UUID(int=number),
            spread_order_id=f"order-{number}",
            send_at=(at := day + timedelta(seconds=draw(st.integers(0, 7200)))),
            next_attempt_at=at if is_attempted else None,
        )
        for number in range(1, draw(st.integers(1, 4)) + 1)
    ]


def alone(invitation: Invitation, change: BatchChange, now: datetime) -> Invitation | str:
    try:
        changed = change_one(invitation, change, policy=POLICY, merchant=MERCHANT, now=now)
    except ActionRefusedError as error:
        return error.reason
    return UNCHANGED if changed == invitation else changed


def together(found: list[Invitation], change: BatchChange, now: datetime) -> tuple[AlikeChange | None, Counter[str]]:
    alike = Alike(
        replace(found[0], products=(), order_ids=()),
        [one.id for one in found],
        [one.spread_order_id for one in found],
        [one.send_at for one in found],
    )
    try:
        changes, unchanged = change_alike(alike, change, policy=POLICY, merchant=MERCHANT, now=now)
    except ActionRefusedError as error:
        return None, Counter({error.reason: len(found)})
    return changes, Counter({UNCHANGED: unchanged} if unchanged else {})


@given(groups(), CHANGES, st.integers(-3, 3))
def test_invitations_that_are_alike_become_what_each_would_become_alone(
    found: list[Invitation], change: BatchChange, hours: int
) -> None:
    now = NOON + timedelta(hours=hours)
    expected = {invitation.id: alone(invitation, change, now) for invitation in found}
    changes, skipped = together(found, change, now)
    reasons = Counter(outcome for outcome in expected.values() if isinstance(outcome, str))
    assert skipped == reasons
    stored = {invitation.id: invitation for invitation in found}
    made = {}
    if changes is not None:
        for invitation_id, send_at in zip(changes.ids, changes.send_ats, strict=True):
            before, after = stored[invitation_id], changes.after
            made[invitation_id] = replace(
                before,
                status=after.status,
                steps=after.steps,
                next_step=after.next_step,
                policy_version=after.policy_version,
                send_at=send_at,
                next_attempt_at=send_at if after.next_attempt_at is not None else None,
                held_at=before.held_at if after.held_at is not None else None,
                moved_by_merchant=after.moved_by_merchant,
                send_now=after.send_now,
                rescheduled_to=after.rescheduled_to,
                tries=after.tries,
                ended_reason=after.ended_reason,
            )
    assert made == {one: outcome for one, outcome in expected.items() if isinstance(outcome, Invitation)}
