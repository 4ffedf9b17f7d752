"""What the reading keeps: orders, invitations, messages, and the verdict it gives."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from .contacts import read_email, read_phone

TO_COME = frozenset({"scheduled", "sending", "in_doubt"})
"""Section 1, 'messages to come'."""

FACTS = (
    "status",
    "updated_at",
    "purchased_at",
    "shipped_at",
    "delivered_at",
    "email",
    "phone",
    "customer_id",
    "name",
    "language",
    "country",
    "time_zone",
    "consent",
)
INSTANTS = ("updated_at", "purchased_at", "shipped_at", "delivered_at")
CUSTOMER = {"id": "customer_id", "email": "email", "name": "name", "phone": "phone"}


class OrderError(ValueError):
    """An order that cannot be taken at all (section 3: purchased more than 24 h in the future)."""


@dataclass
class Verdict:
    """The answer to one order event."""

    outcome: str
    reason: str | None = None
    rule: int | None = None
    kind: str | None = None
    channel: str | None = None
    language: str | None = None
    steps: list[str] = field(default_factory=list)
    products: list[str] = field(default_factory=list)
    send_at: datetime | None = None
    invitation: int | None = None
    into: int | None = None
    products_added: list[str] = field(default_factory=list)
    eligible_at: datetime | None = None


@dataclass
class Order:
    """One order: its stored state and what was decided."""

    order_id: str
    facts: dict[str, Any]
    outcome: str = ""
    reason: str | None = None
    triggered_at: datetime | None = None
    hold_status: str | None = None
    invitation: int | None = None
    """The invitation that the order is live in."""
    invitations: list[int] = field(default_factory=list)
    """Every invitation it ever was in."""
    verdict: Verdict = field(default_factory=lambda: Verdict(""))
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def email(self) -> str | None:
        """The e-mail address, None when absent or unreadable."""
        return read_email(self.facts["email"])

    @property
    def phone(self) -> str | None:
        """The phone number, None when absent, unreadable or unable to take SMS."""
        return read_phone(self.facts["phone"])

    @property
    def contacts(self) -> list[str]:
        """The contacts the order has."""
        return [contact for contact in (self.email, self.phone) if contact is not None]

    @property
    def purchased_at(self) -> datetime:
        """The instant of the purchase."""
        purchased_at: datetime = self.facts["purchased_at"]
        return purchased_at

    @property
    def product_ids(self) -> list[str]:
        """The products by id, each once, in the order of the lines."""
        return list(dict.fromkeys(str(line["id"]) for line in self.facts["products"]))

    @property
    def returned_ids(self) -> set[str]:
        """The products of which every line is returned."""
        kept = {str(line["id"]) for line in self.facts["products"] if line.get("returned") is not True}
        return set(self.product_ids) - kept


@dataclass
class Message:
    """A message that has left."""

    step: str
    left_at: datetime
    products: list[str]
    address: str | None


@dataclass
class Invitation:
    """One planned request to one customer."""

    id: int
    kind: str
    channel: str
    language: str
    steps: list[str]
    next_step: str | None
    products: list[str]
    invited_order: str
    order_ids: list[str]
    brought: dict[str, list[str]]
    created_at: datetime
    send_at: datetime
    next_attempt_at: datetime
    policy: dict[str, Any]
    status: str = "scheduled"
    ended_reason: str | None = None
    messages: list[Message] = field(default_factory=list)
    feedback_at: datetime | None = None
    moved_by_merchant: bool = False
    send_now: bool = False
    rescheduled_to: Any = None

    @property
    def is_open(self) -> bool:
        """Section 1, 'open': scheduled, nothing has left, none of it in doubt."""
        return self.status == "scheduled" and not self.messages

    def has_to_come(self, product: str | None) -> bool:
        """Say whether it still will ask about the product (None: the service)."""
        return self.status in TO_COME and (product is None or product in self.products)

    def last_asked(self, product: str | None) -> datetime | None:
        """Return when the last message about the product (None: the service) left."""
        times = [m.left_at for m in self.messages if product is None or product in m.products]
        return max(times, default=None)


def read_event(event: dict[str, Any]) -> dict[str, Any]:
    """Return the facts an event brings; a field that is absent is absent here, a null one is None.

    Section 5: "a field that is absent keeps its stored value; an explicit null or [] clears it".
    The customer's fields are fields of their own. Section 3: "purchased_at missing = the stored
    one", so a null there brings nothing.
    """
    brought = {name: event[name] for name in FACTS if name in event and name not in {"email", "phone", "name"}}
    if "customer" in event:
        customer = event["customer"]
        if customer is None:
            brought |= dict.fromkeys(CUSTOMER.values())
        else:
            brought |= {CUSTOMER[name]: value for name, value in customer.items() if name in CUSTOMER}
    for name in INSTANTS:
        if brought.get(name) is not None:
            brought[name] = read_instant(brought[name])
    if brought.get("purchased_at") is None:
        brought.pop("purchased_at", None)
    if "products" in event:
        brought["products"] = list(event["products"] or [])
    return brought


def read_instant(value: str | datetime) -> datetime:
    """Return an aware instant, in UTC, from RFC 3339 text."""
    instant = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    if instant.tzinfo is None:
        raise OrderError("an instant without an offset")
    return instant.astimezone(UTC)
