"""Batch updates on the wire: which invitations, what is to be done to them, and what became of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field, PlainValidator, TypeAdapter, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from invite_service.api.schemas.fields import STRICT, Answer, Day, EmailText, Id100, Instant
from invite_service.api.schemas.listing import backward_faults
from invite_service.domain.batch_update import BatchAction, BatchChange, BatchStatus, BatchUpdate
from invite_service.domain.errors import Fault, InvalidInputError
from invite_service.domain.invitation import Channel, InvitationStatus, Kind
from invite_service.domain.listing import InvitationFilter, Span
from invite_service.rules.contacts import read_email
from invite_service.services.batch_updates import BatchForecast
from invite_service.services.invitations import Period

MAX_IDS: Final = 10_000
"""Invitations that one batch update may name by their ids; a filter may choose any number."""

MAX_SHIFT_DAYS: Final = 365

StatusName = Literal["scheduled", "sending", "in_doubt", "sent", "responded", "cancelled", "missed", "failed", "erased"]
PeriodName = Literal["today", "tomorrow", "next_7_days", "next_30_days", "last_7_days", "last_30_days"]


def read_id(value: object) -> UUID:
    """Read an invitation's id."""
    if not isinstance(value, str):
        raise PydanticCustomError("invalid_type", "Must be a string with an id.")
    try:
        return UUID(value)
    except ValueError:
        raise PydanticCustomError("invalid_format", "Must be the id of an invitation.") from None


InvitationIdText = Annotated[UUID, PlainValidator(read_id), WithJsonSchema({"type": "string", "format": "uuid"})]


class InvitationFilterRequest(BaseModel):
    """Filters by the names they have in the list of invitations; all of them apply, and none chooses everything."""

    model_config = STRICT

    status: StatusName | Annotated[list[StatusName], Field(min_length=1, max_length=9)] | None = None
    """One, or several of which any will do."""
    kind: Literal["product", "service"] | None = None
    channel: Literal["email", "sms"] | None = None
    product_id: Id100 | None = None
    order_id: Id100 | None = None
    email: EmailText | None = None
    """Exact, of the address it goes to or of any order that joined."""
    created_from: Instant | None = None
    created_to: Instant | None = None
    """Not included."""
    send_from: Instant | None = None
    send_to: Instant | None = None
    """Not included."""
    period: PeriodName | None = None
    """Of send_at, in whole days of the merchant's zone; those with a number include today."""

    def to_filter(self) -> InvitationFilter:
        """Translate to the domain, less the period; raises InvalidInputError for what cannot be read or found."""
        contact = read_email(self.email).contact
        faults = [
            *backward_faults("/filter/created", self.created_from, self.created_to),
            *backward_faults("/filter/send", self.send_from, self.send_to),
        ]
        if self.email is not None and contact is None:
            faults.append(Fault("/filter/email", "invalid_format", "Must be an e-mail address."))
        if faults:
            raise InvalidInputError("The body has faults.", faults=faults)
        names = [self.status] if isinstance(self.status, str) else self.status or []
        return InvitationFilter(
            statuses=[InvitationStatus(name) for name in names],
            kind=Kind(self.kind) if self.kind is not None else None,
            channel=Channel(self.channel) if self.channel is not None else None,
            product_id=self.product_id,
            order_id=self.order_id,
            contact=contact,
            created=Span(start=self.created_from, end=self.created_to),
            sends=(Span(start=self.send_from, end=self.send_to),),
        )


class BatchUpdateRequest(BaseModel):
    """One change to many invitations, which are chosen by exactly one of filter and ids."""

    model_config = STRICT

    filter: InvitationFilterRequest | None = None
    ids: Annotated[list[InvitationIdText], Field(min_length=1, max_length=MAX_IDS)] | None = None
    action: Literal["cancel", "enable", "reschedule", "send_now"]
    date: Day | None = None
    """Reschedule: a day in each invitation's own zone; send_days do not apply to it."""
    shift_days: Annotated[int, Field(ge=-MAX_SHIFT_DAYS, le=MAX_SHIFT_DAYS)] | None = None
    """Reschedule: days from each invitation's planned day, as for a shipment that is late."""
    dry_run: bool = False
    """Only say what would be done."""
    expected_count: Annotated[int, Field(ge=0)] | None = None
    """Refuse to do it when another number of invitations matches, as counted by a dry run."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.filter is None) is (self.ids is None):
            raise PydanticCustomError("exactly_one", "Give either filter or ids.")
        days = (self.date is not None) + (self.shift_days is not None)
        if self.action == "reschedule" and days != 1:
            raise PydanticCustomError("exactly_one", "To reschedule, give either date or shift_days.")
        if self.action != "reschedule" and days:
            raise PydanticCustomError("exactly_one", "date and shift_days go with reschedule only.")
        return self

    def to_change(self) -> BatchChange:
        """Translate what is to be done."""
        return BatchChange(action=BatchAction(self.action), day=self.date, shift_days=self.shift_days)

    @property
    def period(self) -> Period | None:
        """The period of send_at that is asked for."""
        name = self.filter.period if self.filter is not None else None
        return Period(name) if name is not None else None

    def chosen_by(self) -> dict[str, Any]:
        """Tell what was asked for, as it is kept: an address is personal and stays out, many ids are only counted."""
        if self.filter is None:
            return {"ids": len(self.ids or ())}
        # Without a warning for each instant, which was read by a validator of ours.
        kept = self.filter.model_dump(mode="json", exclude_none=True, warnings=False)
        return kept | ({"email": "given"} if "email" in kept else {})


BATCH_UPDATE: Final = TypeAdapter(BatchUpdateRequest)
"""Validates a batch update."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchForecastResponse(Answer):
    """What a batch update would do now. What matches is what would change and what would be skipped."""

    matched: int
    would_change: int
    skipped: Mapping[str, int]
    """How many would be left as they are, by reason."""
    first_send_at: datetime | None
    """Earliest send_at of what would change, as it would be; null where nothing would be sent."""
    last_send_at: datetime | None
    load: Mapping[str, int]
    """How many of them would leave on which day of the merchant's zone."""

    @classmethod
    def of(cls, forecast: BatchForecast) -> Self:
        """Shape a forecast."""
        return cls(
            matched=forecast.matched,
            would_change=forecast.would_change,
            skipped=dict(sorted(forecast.skipped.items())),
            first_send_at=forecast.first_send_at,
            last_send_at=forecast.last_send_at,
            load={day.isoformat(): count for day, count in sorted(forecast.load.items())},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchUpdateResponse(Answer):
    """A batch update and how far it is. Instants are on the merchant's clock."""

    id: UUID
    status: BatchStatus
    action: BatchAction
    date: date | None
    shift_days: int | None
    filter: Mapping[str, Any]
    """What was asked for; of an address only that it was given, of ids their number."""
    undo_of: UUID | None
    """The batch update that this one puts back."""
    matched: int
    """Invitations chosen when it was accepted; what comes later is not touched."""
    changed: int
    """So far."""
    skipped: Mapping[str, int]
    """How many were left as they were so far, by reason."""
    created_at: datetime
    created_by: str
    finished_at: datetime | None

    @classmethod
    def of(cls, batch: BatchUpdate) -> Self:
        """Shape a batch update of the domain."""
        return cls(
            id=batch.id,
            status=batch.status,
            action=batch.change.action,
            date=batch.change.day,
            shift_days=batch.change.shift_days,
            filter=batch.chosen_by,
            undo_of=batch.undo_of,
            matched=batch.matched,
            changed=batch.changed,
            skipped=dict(sorted(batch.skipped.items())),
            created_at=batch.created_at,
            created_by=batch.created_by,
            finished_at=batch.finished_at,
        )
