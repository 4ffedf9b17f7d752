"""What is asked of a list of orders or invitations, and the pages that are answered."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

from pydantic import Field

from invite_service.api.schemas.fields import Answer, EmailText, Id100, QueryInstant
from invite_service.api.schemas.invitation import InvitationResponse
from invite_service.api.schemas.order_state import OrderSummaryResponse
from invite_service.api.schemas.paging import PageParameters, write_cursors
from invite_service.domain.decision import Reason
from invite_service.domain.errors import Fault, InvalidInputError
from invite_service.domain.invitation import Channel, Invitation, InvitationStatus, Kind
from invite_service.domain.listing import InvitationFilter, InvitationSorting, OrderFilter, Span
from invite_service.domain.order import Order, OrderOutcome
from invite_service.rules.contacts import read_email
from invite_service.services.invitations import Period
from invite_service.services.paging import Page, PageRequest


class InvitationListParameters(PageParameters):
    """Which invitations are wanted, and in which order."""

    sort: Literal["send_at", "-send_at", "created_at", "-created_at"] = "-created_at"
    """A minus: latest first."""
    status: list[InvitationStatus] = Field(default_factory=list)
    """Several may be given."""
    kind: Kind | None = None
    channel: Channel | None = None
    product_id: Id100 | None = None
    order_id: Id100 | None = None
    email: EmailText | None = None
    """Exact, of the address it goes to or of any order that joined."""
    created_from: QueryInstant | None = None
    created_to: QueryInstant | None = None
    """Not included."""
    send_from: QueryInstant | None = None
    send_to: QueryInstant | None = None
    """Not included."""
    period: Period | None = None
    """Of send_at, in whole days of the merchant's zone; those with a number include today."""

    @property
    def sorted_by(self) -> InvitationSorting:
        """The instant to sort by."""
        return InvitationSorting(self.sort.removeprefix("-"))

    def to_filter(self) -> InvitationFilter:
        """Translate to the domain; raises InvalidInputError for an address that cannot be read."""
        return InvitationFilter(
            statuses=self.status,
            kind=self.kind,
            channel=self.channel,
            product_id=self.product_id,
            order_id=self.order_id,
            contact=self._contact(),
            created=Span(start=self.created_from, end=self.created_to),
            sends=(Span(start=self.send_from, end=self.send_to),),
        )

    def to_page(self) -> PageRequest:
        """Translate to the page wanted; raises InvalidInputError for a cursor that is none of this list."""
        return self.page(ascending=not self.sort.startswith("-"))

    def _contact(self) -> str | None:
        contact = read_email(self.email).contact
        if self.email is not None and contact is None:
            fault = Fault("?email", "invalid_format", "Must be an e-mail address.")
            raise InvalidInputError("The request has faults.", faults=[fault])
        return contact


class OrderListParameters(PageParameters):
    """Which orders are wanted, and in which order."""

    sort: Literal["received_at", "-received_at"] = "-received_at"
    """A minus: latest first."""
    received_from: QueryInstant | None = None
    received_to: QueryInstant | None = None
    """Not included."""
    outcome: OrderOutcome | None = None
    reason: Reason | None = None

    def to_filter(self) -> OrderFilter:
        """Translate to the domain."""
        return OrderFilter(
            received=Span(start=self.received_from, end=self.received_to), outcome=self.outcome, reason=self.reason
        )

    def to_page(self) -> PageRequest:
        """Translate to the page wanted; raises InvalidInputError for a cursor that is none of this list."""
        return self.page(ascending=not self.sort.startswith("-"), ids_are_uuids=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class InvitationListResponse(Answer):
    """A page of invitations."""

    items: Sequence[InvitationResponse]
    next_cursor: str | None
    """Null on the last page."""
    prev_cursor: str | None
    """Null on the first page."""

    @classmethod
    def of(cls, page: Page[Invitation], asked: InvitationListParameters) -> Self:
        """Shape a page, with cursors beside its last and its first item."""
        next_cursor, prev_cursor = write_cursors(
            page, lambda item: (getattr(item, asked.sorted_by), str(item.id)), listing=asked.listing()
        )
        items = [InvitationResponse.of(item) for item in page.items]
        return cls(items=items, next_cursor=next_cursor, prev_cursor=prev_cursor)


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
