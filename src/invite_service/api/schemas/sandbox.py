"""Time and mailbox of a sandbox merchant, on the wire."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Final, Literal, Self
from uuid import UUID

from pydantic import BaseModel, PlainValidator, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from invite_service.api.schemas.fields import STRICT, Answer, read_instant
from invite_service.api.schemas.paging import PageParameters
from invite_service.domain.invitation import Channel, Step
from invite_service.domain.message import Notice
from invite_service.services.sandbox import ClockReport

MAX_ADVANCE: Final = timedelta(days=3660)
"""The longest way a clock goes in one call: ten years, the longest period a policy can hold."""

_DURATION: Final = re.compile(
    r"P(?=\d|T\d)(?:(?P<weeks>\d{1,4})W)?(?:(?P<days>\d{1,5})D)?"
    r"(?:T(?=\d)(?:(?P<hours>\d{1,6})H)?(?:(?P<minutes>\d{1,7})M)?(?:(?P<seconds>\d{1,9})S)?)?",
    re.ASCII,
)


class Milestone(StrEnum):
    """Instants that have a name."""

    NEXT_DUE = "next_due"
    """When the next message is due."""


def read_duration(value: object) -> timedelta:
    """Read an ISO 8601 duration of weeks, days, hours, minutes and seconds; years and months have no fixed length."""
    if not isinstance(value, str):
        raise PydanticCustomError("invalid_type", "Must be a string with an ISO 8601 duration.")
    match = _DURATION.fullmatch(value)
    if match is None:
        raise PydanticCustomError("invalid_format", "Must be an ISO 8601 duration, as in P14D or P1DT12H.")
    duration = timedelta(**{unit: int(amount) for unit, amount in match.groupdict(default="0").items()})
    if duration > MAX_ADVANCE:
        raise PydanticCustomError("out_of_range", f"Must be at most {MAX_ADVANCE.days} days.")
    return duration


def read_target(value: object) -> datetime | Milestone:
    """Read an RFC 3339 instant, or the name of one."""
    return Milestone.NEXT_DUE if value == Milestone.NEXT_DUE else read_instant(value)


Duration = Annotated[
    timedelta,
    PlainValidator(read_duration),
    WithJsonSchema({"type": "string", "format": "duration", "examples": ["P14D"]}),
]
Target = Annotated[
    datetime | Milestone,
    PlainValidator(read_target),
    WithJsonSchema(
        {
            "anyOf": [{"type": "string", "format": "date-time"}, {"type": "string", "const": "next_due"}],
            "examples": ["next_due"],
        }
    ),
]


class ClockRequest(BaseModel):
    """How far, or to which instant, the clock moves; exactly one of the two. It moves forward only."""

    model_config = STRICT

    advance: Duration | None = None
    to: Target | None = None

    @model_validator(mode="after")
    def _has_one(self) -> Self:
        if (self.advance is None) is (self.to is None):
            raise PydanticCustomError("exactly_one", "Give either advance or to.")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockResponse(Answer):
    """The sandbox merchant's time."""

    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SendReportResponse(Answer):
    """The sandbox merchant's time, and what became of the messages that were due."""

    now: datetime
    sent: int
    skipped: int
    missed: int
    failed: int
    in_doubt: int

    @classmethod
    def of(cls, clock: ClockReport) -> Self:
        """Shape what the service reports."""
        report = clock.report
        return cls(
            now=clock.now,
            sent=report.sent,
            skipped=report.skipped,
            missed=report.missed,
            failed=report.failed,
            in_doubt=report.in_doubt,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxMessageResponse(Answer):
    """A message as it would have left."""

    id: UUID
    invitation_id: UUID
    step: Step | Notice
    """The invitation's step, or what follows a customer's answer."""
    channel: Channel
    to: str
    """An e-mail address or an E.164 number."""
    subject: str
    """Empty for an SMS."""
    text: str
    html: str | None
    headers: Mapping[str, str]
    sent_at: datetime


class MailboxParameters(PageParameters):
    """Which messages are wanted, and in which order."""

    sort: Literal["sent_at", "-sent_at"] = "sent_at"
    """A minus: latest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxResponse(Answer):
    """A page of messages."""

    items: Sequence[MailboxMessageResponse]
    next_cursor: str | None
    """Null on the last page."""
    prev_cursor: str | None
    """Null on the first page."""
