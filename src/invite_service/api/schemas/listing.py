"""What is asked of a list of orders or invitations, and the pages that are answered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, Strict, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from invite_service.api.schemas.fields import PARAMETERS, Answer, EmailText, Id100, Instant, QueryInstant
from invite_service.api.schemas.invitation import InvitationResponse
from invite_service.api.schemas.order_state import OrderSummaryResponse
from invite_service.api.schemas.paging import PageParameters, write_cursors
from invite_service.domain.decision import Reason
from invite_service.domain.invitation import Channel, InvitationStatus, Kind
from invite_service.domain.listing import InvitationFilter, InvitationSorting, InvitationSummary, OrderFilter, Span
from invite_service.domain.order import Order, OrderOutcome
from invite_service.rules.contacts import read_email
from invite_service.services.paging import Page, PageRequest
from invite_service.services.periods import Period

StatusName = Annotated[InvitationStatus, Strict(strict=False)]
"""A status by its name: also where a body converts nothing else."""


def check_after_start(end: datetime | None, info: ValidationInfo) -> datetime | None:
    """Refuse a span, of two fields whose names end in _from and _to, that does not end after it begins."""
    name = (info.field_name or "").removesuffix("_to") + "_from"
    start = info.data.get(name)
    if start is not None and end is not None and start >= end:
        raise PydanticCustomError("out_of_range", "Must be later than {name}.", {"name": name})
    return end


class ChosenInvitations(BaseModel):
    """Filters of invitations by one set of names, in query strings and in bodies; all that are given apply together."""

    kind: Annotated[Kind, Strict(strict=False)] | None = None
    channel: Annotated[Channel, Strict(strict=False)] | None = None
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
    period: Annotated[Period, Strict(strict=False)] | None = None
    """Of send_at, in whole days of the merchant's zone; those with a number include today."""

    @field_validator("email")
    @classmethod
    def _is_readable(cls, value: str | None) -> str | None:
        if value is not None and read_email(value).contact is None:
            raise PydanticCustomError("invalid_format", "Must be an e-mail address.")
        return value

    _ends_after_start = field_validator("created_to", "send_to")(check_after_start)

    def filter_of(self, statuses: Sequence[InvitationStatus]) -> InvitationFilter:
        """Translate to the domain, for any of these statuses, less the period, which needs the merchant's clock."""
        return InvitationFilter(
            statuses=statuses,
            kind=self.kind,
            channel=self.channel,
            product_id=self.product_id,
            order_id=self.order_id,
            contact=read_email(self.email).contact,
            created=Span(start=self.created_from, end=self.created_to),
            sends=(Span(start=self.send_from, end=self.send_to),),
        )


class InvitationChoice(ChosenInvitations):
    """Which invitations are wanted, and in which order."""

    model_config = PARAMETERS

    sort: Literal["send_at", "-send_at", "created_at", "-created_at"] = "-created_at"
    """A minus: latest first."""
    status: list[InvitationStatus] = Field(default_factory=list)
    """Several may be given."""
    created_from: QueryInstant | None = None
    created_to: QueryInstant | None = None
    """Not included."""
    send_from: QueryInstant | None = None
    send_to: QueryInstant | None = None
    """Not included."""

    def to_filter(self) -> InvitationFilter:
        """Translate to the domain, less the period."""
        return self.filter_of(self.status)

    @property
    def sorted_by(self) -> InvitationSorting:
        """The instant to sort by."""
        return InvitationSorting(self.sort.removeprefix("-"))

    @property
    def is_ascending(self) -> bool:
        """Whether the earliest come first."""
        return not self.sort.startswith("-")


class InvitationListParameters(InvitationChoice, PageParameters):
    """Which page of which invitations is wanted."""

    counts: bool = False
    """Adds how many invitations the filter finds in each status, on whatever page."""

    def listing(self) -> dict[str, Any]:
        """Tell sorting and filters, which a cursor belongs to."""
        return {name: value for name, value in super().listing().items() if name != "counts"}

    def to_page(self) -> PageRequest:
        """Translate to the page wanted; raises InvalidInputError for a cursor that is none of this list."""
        return self.page(ascending=self.is_ascending)


class OrderChoice(BaseModel):
    """Which orders are wanted, and in which order."""

    model_config = PARAMETERS

    sort: Literal["received_at", "-received_at"] = "-received_at"
    """A minus: latest first."""
    received_from: QueryInstant | None = None
    received_to: QueryInstant | None = None
    """Not included."""
    outcome: OrderOutcome | None = None
    reason: Reason | None = None

    @property
    def is_ascending(self) -> bool:
        """Whether the earliest come first."""
        return not self.sort.startswith("-")

    _ends_after_start = field_validator("received_to")(check_after_start)

    def to_filter(self) -> OrderFilter:
        """Translate to the domain."""
        return OrderFilter(
            received=Span(start=self.received_from, end=self.received_to), outcome=self.outcome, reason=self.reason
        )


class OrderListParameters(OrderChoice, PageParameters):
    """Which page of which orders is wanted."""

    def to_page(self) -> PageRequest:
        """Translate to the page wanted; raises InvalidInputError for a cursor that is none of this list."""
        return self.page(ascending=self.is_ascending, ids_are_uuids=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class InvitationListResponse(Answer):
    """A page of invitations."""

    items: Sequence[InvitationResponse]
    next_cursor: str | None
    """Null on the last page."""
    prev_cursor: str | None
    """Null on the first page."""
    counts: Mapping[str, int] | None
    """Where asked for: how many invitations the same filter finds in each status."""

    @classmethod
    def of(
        cls,
        page: Page[InvitationSummary],
        asked: InvitationListParameters,
        counts: Mapping[InvitationStatus, int] | None,
    ) -> Self:
        """Shape a page, with cursors beside its last and its first item."""
        next_cursor, prev_cursor = write_cursors(
            page, lambda item: (getattr(item, asked.sorted_by), str(item.id)), listing=asked.listing()
        )
        items = list(map(InvitationResponse.of_summary, page.items))
        by_status = {status.value: count for status, count in counts.items()} if counts is not None else None
        return cls(items=items, next_cursor=next_cursor, prev_cursor=prev_cursor, counts=by_status)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderListResponse(Answer):
    """A page of orders."""

    items: Sequence[OrderSummaryResponse]
    next_cursor: str | None
    """Null on the last page."""
    prev_cursor: str | None
    """Null on the first page."""

    @classmethod
    def of(cls, page: Page[Order], asked: OrderListParameters) -> Self:
        """Shape a page, with cursors beside its last and its first item."""
        next_cursor, prev_cursor = write_cursors(
            page, lambda item: (item.received_at, item.order_id), listing=asked.listing()
        )
        items = [OrderSummaryResponse.of(item) for item in page.items]
        return cls(items=items, next_cursor=next_cursor, prev_cursor=prev_cursor)
