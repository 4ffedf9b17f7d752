"""Batch updates on the wire: which invitations, what is to be done to them, and what became of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, Final, Literal, Self, TypeVar
from uuid import UUID

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    PlainValidator,
    TypeAdapter,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic_core import PydanticCustomError

from invite_service.api.schemas.fields import STRICT, Answer, Day
from invite_service.api.schemas.listing import ChosenInvitations, StatusName
from invite_service.api.schemas.paging import PageParameters, write_cursors
from invite_service.domain.batch_update import BatchAction, BatchChange, BatchStatus, BatchUpdate
from invite_service.domain.invitation import InvitationStatus
from invite_service.domain.listing import InvitationFilter
from invite_service.services.batch_updates import BatchForecast
from invite_service.services.paging import Page, PageRequest
from invite_service.services.periods import Period

T = TypeVar("T")

MAX_IDS: Final = 10_000
"""Invitations that one batch update may name by their ids; a filter may choose any number."""

MAX_SHIFT_DAYS: Final = 365


def read_id(value: object) -> UUID:
    """Read an invitation's id."""
    if not isinstance(value, str):
        raise PydanticCustomError("invalid_type", "Must be a string with an id.")
    try:
        return UUID(value)
    except ValueError:
        raise PydanticCustomError("invalid_format", "Must be the id of an invitation.") from None


InvitationIdText = Annotated[UUID, PlainValidator(read_id), WithJsonSchema({"type": "string", "format": "uuid"})]


_STATUSES: Final = [status.value for status in InvitationStatus]

_STATUS_SCHEMA: Final = {"type": "string", "enum": _STATUSES}


def one_or_several(value: object) -> object:
    """Read one name as a list of it; what is wrong with it is wrong with the field, which has no places."""
    if not isinstance(value, str):
        return value
    if value not in _STATUSES:
        *others, last = map(repr, _STATUSES)
        raise PydanticCustomError("not_a_choice", f"Must be one of {', '.join(others)} or {last}.")
    return [value]


StatusNames = Annotated[
    list[StatusName],
    BeforeValidator(one_or_several),
    Field(min_length=1, max_length=len(InvitationStatus)),
    WithJsonSchema(
        {
            "anyOf": [
                _STATUS_SCHEMA,
                {"type": "array", "items": _STATUS_SCHEMA, "minItems": 1, "maxItems": len(InvitationStatus)},
            ]
        }
    ),
]


class InvitationFilterRequest(ChosenInvitations):
    """Filters by the names they have in the list of invitations; all of them apply, and none chooses everything."""

    model_config = STRICT

    status: StatusNames | None = None
    """One, or several of which any will do."""

    def to_filter(self) -> InvitationFilter:
        """Translate to the domain, less the period."""
        return self.filter_of(self.status or ())


def _is_given(name: str, info: ValidationInfo) -> bool:
    """Say whether an earlier field was given; one that cannot be read is not among what was read."""
    return info.data.get(name, info) is not None


class BatchUpdateRequest(BaseModel):
    """One change to many invitations, which are chosen by exactly one of filter and ids."""

    model_config = STRICT

    filter: InvitationFilterRequest | None = None
    ids: Annotated[list[InvitationIdText], Field(min_length=1, max_length=MAX_IDS)] | None = Field(
        default=None, validate_default=True
    )
    action: Literal["cancel", "enable", "reschedule", "send_now"]
    date: Day | None = None
    """Reschedule: a day in each invitation's own zone; send_days do not apply to it."""
    shift_days: Annotated[int, Field(ge=-MAX_SHIFT_DAYS, le=MAX_SHIFT_DAYS)] | None = Field(
        default=None, validate_default=True
    )
    """Reschedule: days from each invitation's planned day, as for a shipment that is late."""
    dry_run: bool = False
    """Only say what would be done."""
    expected_count: Annotated[int, Field(ge=0)] | None = None
    """Refuse to do it when another number of invitations matches, as counted by a dry run."""

    # Field by field, so that these faults are named beside those of other fields.
    @field_validator("ids")
    @classmethod
    def _is_chosen_by_one(cls, ids: list[UUID] | None, info: ValidationInfo) -> list[UUID] | None:
        if _is_given("filter", info) is (ids is not None):
            raise PydanticCustomError("exactly_one", "Give either filter or ids.")
        return ids

    @field_validator("date", "shift_days")
    @classmethod
    def _goes_with_action(cls, days: T | None, info: ValidationInfo) -> T | None:
        if days is not None and info.data.get("action", "reschedule") != "reschedule":
            raise PydanticCustomError("unknown_field", "Goes with reschedule only.")
        return days

    @field_validator("shift_days")
    @classmethod
    def _is_moved_by_one(cls, shift_days: int | None, info: ValidationInfo) -> int | None:
        if info.data.get("action") == "reschedule" and _is_given("date", info) is (shift_days is not None):
            raise PydanticCustomError("exactly_one", "To reschedule, give either date or shift_days.")
        return shift_days

    def to_change(self) -> BatchChange:
        """Translate what is to be done."""
        return BatchChange(action=BatchAction(self.action), day=self.date, shift_days=self.shift_days)

    @property
    def period(self) -> Period | None:
        """The period of send_at that is asked for."""
        return self.filter.period if self.filter is not None else None

    def chosen_by(self) -> dict[str, Any]:
        """Tell what was asked for, as it is kept: an address is personal and stays out, many ids are only counted."""
        if self.filter is None:
            return {"ids": len(self.ids or ())}
        # Without a warning for each instant, which was read by a validator of ours.
        kept = self.filter.model_dump(mode="json", exclude_none=True, warnings=False)
        return kept | ({"email": "given"} if "email" in kept else {})


BATCH_UPDATE: Final = TypeAdapter(BatchUpdateRequest)
"""Validates a batch update."""


class BatchUpdateListParameters(PageParameters):
    """Which page of which batch updates is wanted."""

    sort: Literal["created_at", "-created_at"] = "-created_at"
    """A minus: latest first."""
    status: BatchStatus | None = None

    def to_page(self) -> PageRequest:
        """Translate to the page wanted; raises InvalidInputError for a cursor that is none of this list."""
        return self.page(ascending=not self.sort.startswith("-"))


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
    """Invitations chosen when it was accepted, and orders whose deciding it does or undoes; none that came later."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchUpdateListResponse(Answer):
    """A page of batch updates."""

    items: Sequence[BatchUpdateResponse]
    next_cursor: str | None
    """Null on the last page."""
    prev_cursor: str | None
    """Null on the first page."""

    @classmethod
    def of(cls, page: Page[BatchUpdate], asked: BatchUpdateListParameters) -> Self:
        """Shape a page, with cursors beside its last and its first item."""
        next_cursor, prev_cursor = write_cursors(
            page, lambda item: (item.created_at, str(item.id)), listing=asked.listing()
        )
        return cls(
            items=[BatchUpdateResponse.of(item) for item in page.items],
            next_cursor=next_cursor,
            prev_cursor=prev_cursor,
        )
