"""Customers on the wire: what is kept of one, and what was erased."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self
from uuid import UUID

from pydantic import BaseModel, TypeAdapter

from invite_service.api.schemas.fields import STRICT, Answer
from invite_service.api.schemas.suppression import ContactText, read_contact
from invite_service.domain.customer import CustomerRecord, Erasure
from invite_service.domain.errors import Fault, InvalidInputError
from invite_service.domain.suppression import Subject, SubjectKind


class ExportRequest(BaseModel):
    """A customer, by one contact; never in an address."""

    model_config = STRICT

    contact: ContactText
    """An e-mail address, or a phone number with its country code."""

    def to_subject(self) -> Subject:
        """Translate to the domain; raises InvalidInputError for what cannot be read."""
        subject, faults = read_contact(self.contact)
        if subject is not None and subject.kind is not SubjectKind.DOMAIN:
            return subject
        raise InvalidInputError(
            "The body has faults.",
            faults=faults or [Fault("/contact", "not_a_contact", "Must be one address or number, and no wildcard.")],
        )


class EraseRequest(ExportRequest):
    """A customer who is to be erased."""

    keep_reviews: bool = False
    """Whether texts stay to be read, without a name. Stars stay counted in any case."""


EXPORT: Final = TypeAdapter(ExportRequest)
ERASE: Final = TypeAdapter(EraseRequest)

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerRecordResponse(Answer):
    """Everything that is kept of a customer: rows as they are stored, those of a list named alike."""

    exported_at: datetime
    """On the merchant's clock."""
    orders: Rows
    order_lines: Rows
    order_events: Rows
    """What the shop posted, as it did."""
    invitations: Rows
    messages: Rows
    """Every try to send one; `raw_answer` is what the provider said."""
    mailbox: Rows
    """Of a sandbox, the messages themselves."""
    notices: Rows
    """Messages that followed an answer."""
    ratings: Rows
    reviews: Rows
    earlier_versions: Rows
    """What ratings and reviews said before they were changed."""
    pictures: Rows
    """Read them at `/v1/ratings/{rating_id}/pictures/{id}`."""
    replies: Rows
    reports: Rows
    """What visitors of the shop said about the reviews."""
    support_cases: Rows
    suppressions: Rows
    timeline: Rows

    @classmethod
    def of(cls, record: CustomerRecord) -> Self:
        """Shape a record."""
        return cls(exported_at=record.exported_at, **record.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureResponse(Answer):
    """What was found and taken away."""

    id: UUID
    erased_at: datetime
    """On the merchant's clock."""
    keep_reviews: bool
    contacts: int
    """Addresses and numbers that are never written to again: the one given, and those its orders told beside it."""
    orders: int
    invitations: int
    ratings: int
    """Ratings found; their stars stay counted."""
    reviews: int
    """Texts taken away."""
    pictures: int

    @classmethod
    def of(cls, erasure: Erasure) -> Self:
        """Shape an erasure."""
        return cls(
            id=erasure.id,
            erased_at=erasure.erased_at,
            keep_reviews=erasure.keeps_reviews,
            contacts=erasure.contacts,
            orders=erasure.orders,
            invitations=erasure.invitations,
            ratings=erasure.ratings,
            reviews=erasure.reviews,
            pictures=erasure.pictures,
        )
