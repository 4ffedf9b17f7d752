"""Suppressions on the wire."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, StringConstraints, TypeAdapter

from invite_service.api.schemas.fields import PARAMETERS, STRICT, Answer, Instant, check_printable
from invite_service.api.schemas.paging import PageParameters, write_cursors
from invite_service.domain.errors import Fault, InvalidInputError
from invite_service.domain.invitation import Channel
from invite_service.domain.suppression import (
    Subject,
    SubjectKind,
    SuppressionFilter,
    SuppressionReason,
    SuppressionSource,
)
from invite_service.rules.suppressions import find_misfit, read_subject
from invite_service.services.paging import Page, PageRequest
from invite_service.services.suppressions import Entered, Kept, Lifted, Shown, SuppressionEntry

MAX_SUPPRESSIONS: Final = 1000
"""Suppressions entered in one call; an import takes more."""

ReasonName = Literal["manual", "unsubscribed", "complained", "hard_bounce", "soft_bounces", "sms_undeliverable"]
"""Reasons that a merchant can enter; `erased` is ours alone."""

ContactText = Annotated[str, StringConstraints(min_length=1, max_length=320)]
HashText = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Note = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(check_printable)]

ReadHash = Callable[[str], Subject | None]

_UNREADABLE: Final = {
    "email_unreadable": "Must be an e-mail address.",
    "phone_unreadable": "Must be an e-mail address, a phone number or a wildcard.",
    "phone_needs_country": "Must begin with + and a country code.",
    "phone_not_mobile": "The number cannot take SMS.",
    "domain_unreadable": "Must be *@ or *. and a domain of at least two labels.",
    "contact_missing": "Must be an e-mail address, a phone number or a wildcard.",
}

_MISFITS: Final = {
    "reason": "Does not go with this kind of contact.",
    "channel": "Must be the channel that the contact is written to, or be left out.",
}


def read_contact(text: str) -> tuple[Subject | None, list[Fault]]:
    """Read what a posted contact stands for, or say what is wrong with it."""
    read = read_subject(text)
    if read.fault is None:
        return read.subject, []
    return None, [Fault("/contact", read.fault, _UNREADABLE[read.fault])]


class SubjectRequest(BaseModel):
    """A contact, in clear or as the hash that this service showed; never in an address."""

    model_config = STRICT

    contact: ContactText | None = None
    """An e-mail address, a phone number with its country code, `*@example.com` (every address of the domain) or
    `*.example.com` (every address of the domains below it)."""
    hash: HashText | None = None
    """As lists and exports of the same merchant show it."""

    def to_subject(self, read_hash: ReadHash) -> Subject:
        """Translate to the domain; raises InvalidInputError for what cannot be read."""
        subject, faults = self.read_subject(read_hash)
        if subject is None:
            raise InvalidInputError("The body has faults.", faults=faults)
        return subject

    def read_subject(self, read_hash: ReadHash) -> tuple[Subject | None, list[Fault]]:
        """Read what it stands for, or say what is wrong."""
        if (self.contact is None) is (self.hash is None):
            return None, [Fault("/contact", "missing", "Give either a contact or a hash.")]
        if self.contact is not None:
            return read_contact(self.contact)
        assert self.hash is not None
        subject = read_hash(self.hash)
        if subject is None:
            return None, [Fault("/hash", "hash_unknown", "Is no hash that this service showed this merchant.")]
        return subject, []


class SuppressionRequest(SubjectRequest):
    """A contact that must not be written to."""

    channel: Literal["email", "sms"] | None = None
    """The one channel that is closed, which must be the contact's own; left out: every channel to the customer.
    Bounces and undeliverable numbers close their own address in any case."""
    reason: ReasonName = "manual"
    since: Instant | None = None
    """Default: now."""
    note: Note | None = None
    """For yourself; no personal data."""

    def to_entry(self, read_hash: ReadHash, *, now: datetime) -> SuppressionEntry:
        """Translate to the domain; raises InvalidInputError with every fault. `now` is the merchant's time."""
        subject, faults = self.read_subject(read_hash)
        reason = SuppressionReason(self.reason)
        channel = Channel(self.channel) if self.channel is not None else None
        if self.since is not None and self.since > now:
            faults.append(Fault("/since", "out_of_range", "Must not lie in the future."))
        misfit = find_misfit(subject.kind, reason, channel) if subject is not None else None
        if misfit is not None:
            faults.append(Fault(f"/{misfit}", f"{misfit}_does_not_fit", _MISFITS[misfit]))
        if subject is None or faults:
            raise InvalidInputError("The body has faults.", faults=faults)
        return SuppressionEntry(subject=subject, reason=reason, channel=channel, since=self.since, note=self.note)


class SuppressionsRequest(BaseModel):
    """Up to 1000 contacts that must not be written to."""

    model_config = STRICT

    suppressions: Annotated[list[SuppressionRequest], Field(min_length=1, max_length=MAX_SUPPRESSIONS)]


SUBJECT: Final = TypeAdapter(SubjectRequest)
SUPPRESSION: Final = TypeAdapter(SuppressionRequest)
SUPPRESSIONS: Final = TypeAdapter(SuppressionsRequest)


class SuppressionChoice(BaseModel):
    """Which suppressions are wanted, and in which order."""

    model_config = PARAMETERS

    sort: Literal["entered", "-entered"] = "-entered"
    """A minus: latest first."""
    channel: Channel | None = None
    """Those that close this channel, those that close every channel among them."""
    reason: SuppressionReason | None = None
    source: SuppressionSource | None = None

    @property
    def is_ascending(self) -> bool:
        """Whether the earliest come first."""
        return not self.sort.startswith("-")

    def to_filter(self) -> SuppressionFilter:
        """Translate to the domain."""
        return SuppressionFilter(closes=self.channel, reason=self.reason, source=self.source)


class SuppressionListParameters(SuppressionChoice, PageParameters):
    """Which page of which suppressions is wanted."""

    def to_page(self) -> PageRequest:
        """Translate to the page wanted; raises InvalidInputError for a cursor that is none of this list."""
        return self.page(ascending=self.is_ascending)


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppressionResponse(Answer):
    """A suppression. Addresses are kept as keyed hashes only, so nobody can be told them."""

    id: UUID
    hash: str
    """Stands for the contact; can be posted and imported in its place, by the same merchant."""
    kind: SubjectKind
    channel: Channel | None
    """The one channel it closes; null: every channel to the customer."""
    reason: SuppressionReason
    source: SuppressionSource
    since: datetime
    note: str | None

    @classmethod
    def of(cls, shown: Shown) -> Self:
        """Shape a suppression of the domain."""
        item = shown.suppression
        return cls(
            id=item.id,
            hash=shown.hash,
            kind=item.kind,
            channel=item.channel,
            reason=item.reason,
            source=item.source,
            since=item.created_at,
            note=item.note,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppressionListResponse(Answer):
    """A page of suppressions."""

    items: Sequence[SuppressionResponse]
    next_cursor: str | None
    """Null on the last page."""
    prev_cursor: str | None
    """Null on the first page."""

    @classmethod
    def of(cls, page: Page[Shown], asked: SuppressionListParameters) -> Self:
        """Shape a page, with cursors beside its last and its first item."""
        next_cursor, prev_cursor = write_cursors(
            page, lambda item: (item.suppression.created_at, str(item.suppression.id)), listing=asked.listing()
        )
        items = [SuppressionResponse.of(item) for item in page.items]
        return cls(items=items, next_cursor=next_cursor, prev_cursor=prev_cursor)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnteredResponse(Answer):
    """What stands after entering."""

    items: Sequence[SuppressionResponse]
    """In the order in which they were posted."""
    added: int
    """How many were not there before."""

    @classmethod
    def of(cls, entered: Entered) -> Self:
        """Shape what was entered."""
        return cls(items=[SuppressionResponse.of(item) for item in entered.items], added=entered.added)


@dataclass(frozen=True, slots=True)
class FoundSuppressionsResponse(Answer):
    """What keeps messages from a contact."""

    items: Sequence[SuppressionResponse]
    """What stands on it, and the wildcards that cover it, oldest first; of a hash no wildcards are known."""


@dataclass(frozen=True, slots=True)
class KeptResponse(Answer):
    """A suppression that was not lifted."""

    suppression: SuppressionResponse
    refusal: str
    """customer_unsubscribed, customer_complained, customer_erased or not_the_merchants."""

    @classmethod
    def of(cls, kept: Kept) -> Self:
        """Shape what was kept."""
        return cls(SuppressionResponse.of(kept.shown), kept.refusal)


@dataclass(frozen=True, slots=True)
class LiftedResponse(Answer):
    """What became of the suppressions of one contact."""

    lifted: Sequence[SuppressionResponse]
    kept: Sequence[KeptResponse]

    @classmethod
    def of(cls, lifted: Lifted) -> Self:
        """Shape what was lifted."""
        return cls(
            [SuppressionResponse.of(item) for item in lifted.lifted], [KeptResponse.of(item) for item in lifted.kept]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LineFaultResponse(Answer):
    """What is wrong with a line of a file, never the value."""

    line: int
    """Where the record begins; the header of a CSV file is line 1."""
    field: str
    """Empty where the line as a whole is meant."""
    code: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportResponse(Answer):
    """What became of a file."""

    rows: int
    added: int
    known: int
    """Were there before, or stand in the file twice."""
    refused: int
    errors: Sequence[LineFaultResponse]
    """Of the refused rows, the first 1000 faults."""


def faults_at(faults: Sequence[Fault], index: int) -> list[Fault]:
    """Point faults of one entry at its place in a body of several."""
    return [Fault(f"/suppressions/{index}{fault.pointer}", fault.code, fault.detail) for fault in faults]


def envelope_of(document: Any) -> bool:
    """Say whether a body holds several suppressions, and is not one itself."""
    return isinstance(document, dict) and "suppressions" in document
