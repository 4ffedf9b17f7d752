"""From events to the order they tell of: folding, and what an event may not say (RULES.md sections 1, 3 and 5)."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from invite_service.domain.errors import Fault
from invite_service.domain.order import UNSET, Order, OrderEvent, UnsetType
from invite_service.rules.contacts import ABSENT, ReadContact, read_email, read_phone

MAX_AHEAD = timedelta(hours=24)
"""A purchase, or a state, further in the future than this is an error of the order (RULES.md section 3)."""

_T = TypeVar("_T")

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)

_UNKNOWN = Order(order_id="", purchased_at=_LONG_AGO, received_at=_LONG_AGO)
"""What is known before the first event: nothing. Its id and instants are never read."""


_POSTED_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "status": ("status",),
    "updated_at": ("updated_at",),
    "purchased_at": ("purchased_at",),
    "shipped_at": ("shipped_at",),
    "delivered_at": ("delivered_at",),
    "customer.id": ("customer_id",),
    "customer.email": ("email", "email_fault"),
    "customer.name": ("customer_name",),
    "customer.phone": ("phone", "phone_fault"),
    "language": ("language",),
    "country": ("country",),
    "time_zone": ("time_zone",),
    "consent": ("consent",),
    "products": ("lines",),
    "attributes": ("attributes",),
    "discount.code": ("discount_code",),
    "discount.description": ("discount_description",),
}
"""What of an order comes from each field that a shop posts."""


def check_event(event: OrderEvent, *, now: datetime) -> list[Fault]:
    """Name what only the clock can tell to be wrong with an event; `now` is the merchant's time."""
    faults = []
    if isinstance(event.purchased_at, datetime) and event.purchased_at > now + MAX_AHEAD:
        faults.append(Fault("/purchased_at", "in_the_future", "The purchase lies more than 24 hours in the future."))
    if isinstance(event.updated_at, datetime) and event.updated_at > now + MAX_AHEAD:
        # Stored, it would make every event of the years between count as outdated.
        faults.append(Fault("/updated_at", "in_the_future", "The state lies more than 24 hours in the future."))
    return faults


def is_outdated(stored: Order, event: OrderEvent) -> bool:
    """Say whether the event says that it is older than the stored state (RULES.md section 5)."""
    return (
        isinstance(event.updated_at, datetime)
        and stored.updated_at is not None
        and event.updated_at < stored.updated_at
    )


def fold_event(stored: Order | None, event: OrderEvent, *, accepted_at: datetime) -> Order:
    """Fold an event into the order: absent fields keep their stored value, null and [] clear it.

    What was decided is left as it was. A contact that cannot be read counts as absent, so a stored one stays.
    """
    known = stored or _UNKNOWN
    country = _kept(event.country, known.country)
    posted_email, posted_phone = _read_contacts(event, country)
    email, email_fault = _kept_contact(event.email, known.email, known.email_fault, posted_email)
    phone, phone_fault = _kept_contact(event.phone, known.phone, known.phone_fault, posted_phone)
    status = _kept(event.status, known.status)
    # Naming every field costs a third of dataclasses.replace, and every event of a simulation comes through here.
    return Order(
        order_id=event.order_id,
        status=(status.strip() or None) if status is not None else None,
        updated_at=_kept(event.updated_at, known.updated_at),
        # A purchase without a date keeps the stored one: it must have some day to be compared by.
        purchased_at=_kept(event.purchased_at, None) or (stored.purchased_at if stored else accepted_at),
        shipped_at=_kept(event.shipped_at, known.shipped_at),
        delivered_at=_kept(event.delivered_at, known.delivered_at),
        customer_id=_kept(event.customer_id, known.customer_id),
        customer_name=_kept(event.name, known.customer_name),
        email=email,
        phone=phone,
        email_fault=email_fault,
        phone_fault=phone_fault,
        language=_kept(event.language, known.language),
        country=country,
        time_zone=_kept(event.time_zone, known.time_zone),
        consent=_kept(event.consent, known.consent),
        lines=known.lines if event.lines is UNSET else event.lines,
        attributes=known.attributes if event.attributes is UNSET else event.attributes,
        discount_code=_kept(event.discount_code, known.discount_code),
        discount_description=_kept(event.discount_description, known.discount_description),
        received_at=stored.received_at if stored else accepted_at,
        triggered_at=known.triggered_at,
        on_hold=known.on_hold,
        outcome=known.outcome,
        reason=known.reason,
        eligible_at=known.eligible_at,
        invitation_id=known.invitation_id,
        trace=known.trace,
        version=known.version,
    )


def name_changes(before: Order, after: Order) -> list[str]:
    """Name the posted fields in which two states of an order differ, in the order in which they are documented."""
    return [
        posted
        for posted, kept in _POSTED_NAMES.items()
        if any(getattr(before, name) != getattr(after, name) for name in kept)
    ]


def _kept(given: _T | UnsetType, stored: _T) -> _T:
    return stored if given is UNSET else given


def _kept_contact(
    given: str | UnsetType | None, stored: str | None, fault: str | None, read: ReadContact
) -> ReadContact:
    if given is UNSET:
        return ReadContact(stored, fault)
    if read.fault is not None:
        return ReadContact(stored, read.fault)
    return read


def _read_contacts(event: OrderEvent, country: str | None) -> tuple[ReadContact, ReadContact]:
    email = ABSENT if event.email is UNSET else read_email(event.email)
    phone = ABSENT if event.phone is UNSET else read_phone(event.phone, country)
    return email, phone


def contacts_of(event: OrderEvent, stored: Order | None) -> set[str]:
    """Name every contact the order has or will have: what ingest locks and reads the history of."""
    email, phone = _read_contacts(event, _kept(event.country, stored.country if stored else None))
    posted = {contact for contact in (email.contact, phone.contact) if contact is not None}
    return posted.union(stored.contacts) if stored else posted


def live_product_ids(order: Order) -> tuple[str, ...]:
    """Name the products bought and not returned, each once, in the order's order.

    Variants share the parent's id: one that was kept keeps the product.
    """
    return tuple(dict.fromkeys([line.id for line in order.lines if not line.returned]))
