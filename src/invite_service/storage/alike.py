"""Invitations that a batch update decides together, because they differ in nothing that it looks at."""

from collections.abc import Sequence
from datetime import date
from typing import Any, Final

from invite_service.domain.batch_update import Alike, BatchChange
from invite_service.domain.invitation import Channel, Invitation, InvitationStatus, Kind, Step
from invite_service.rules.slots import local_day
from invite_service.storage.driver import Row

_OWN_COLUMNS: Final = "i.id, i.spread_order_id, i.send_at"
_COMMON_COLUMNS: Final = """i.kind, i.channel, i.language, i.status, array_to_string(i.steps, ' '), i.next_step,
    i.policy_version, i.time_zone, i.next_attempt_at IS NOT NULL, i.held_at IS NOT NULL, i.moved_by_merchant,
    i.send_now, i.rescheduled_to, i.message_count, i.last_message_at IS NOT NULL, i.tries, i.ended_reason"""

READ_ALIKE: Final = f"""
SELECT {_OWN_COLUMNS}, {_COMMON_COLUMNS}
FROM invitations AS i
WHERE i.merchant_id = $1{{conditions}}
ORDER BY i.id
LIMIT {{limit}}
"""  # noqa: S608 - built from the constants above

# Locks and reads in one statement: a row that was changed meanwhile is read as it is once it is locked.
LOCK_ALIKE: Final = f"""
SELECT {_OWN_COLUMNS}, {_COMMON_COLUMNS}
FROM invitations AS i
WHERE i.merchant_id = $1 AND i.id = ANY($2::uuid[])
ORDER BY i.id
FOR NO KEY UPDATE
"""  # noqa: S608 - built from the constants above


def group_alike(rows: Sequence[Row], change: BatchChange) -> list[Alike]:
    """Put together what is decided together; a shift makes the day of send_at a part of that."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault((_day_of(row) if change.shift_days is not None else None, *row[3:]), []).append(row)
    return [
        Alike(
            _example(members[0]),
            [row[0] for row in members],
            [row[1] for row in members],
            [row[2] for row in members],
        )
        for members in groups.values()
    ]


def _day_of(row: Row) -> date:
    return local_day(row["send_at"], row["time_zone"])


def _example(row: Row) -> Invitation:
    (
        invitation_id,
        spread_order_id,
        send_at,
        kind,
        channel,
        language,
        status,
        steps,
        next_step,
        policy_version,
        time_zone,
        is_attempted,
        is_held,
        moved_by_merchant,
        send_now,
        rescheduled_to,
        message_count,
        has_left,
        tries,
        ended_reason,
    ) = row
    return Invitation(
        id=invitation_id,
        kind=Kind(kind),
        channel=Channel(channel),
        language=language,
        contact="",
        customer_name=None,
        status=InvitationStatus(status),
        steps=tuple(Step(step) for step in steps.split()),
        next_step=Step(next_step) if next_step is not None else None,
        policy_version=policy_version,
        time_zone=time_zone,
        spread_order_id=spread_order_id,
        created_at=send_at,
        send_at=send_at,
        next_attempt_at=send_at if is_attempted else None,
        order_ids=(),
        held_at=send_at if is_held else None,
        moved_by_merchant=moved_by_merchant,
        send_now=send_now,
        rescheduled_to=rescheduled_to,
        message_count=message_count,
        last_message_at=send_at if has_left else None,
        tries=tries,
        ended_reason=ended_reason,
    )
