"""Conditions that choose invitations and orders of one merchant, for lists and for batch updates.

Filters become conditions with numbered parameters, so that each combination is one statement text, prepared once per
connection.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from invite_service.domain.listing import InvitationFilter, OrderFilter, Span
from invite_service.domain.merchant import MerchantId
from invite_service.storage.contacts import ContactKeys

OF_PRODUCT: Final = """i.id IN (
    SELECT p.invitation_id FROM invitation_products p WHERE p.merchant_id = $1 AND p.product_id = {}
)"""

OF_ORDER: Final = """i.id IN (
    SELECT j.invitation_id FROM invitation_orders j WHERE j.merchant_id = $1 AND j.order_id = {}
)"""

# The address it goes to, and those of every order that joined: a customer asked by SMS is found by e-mail as well.
OF_CONTACT: Final = """i.id IN (
    SELECT a.id FROM invitations a WHERE a.merchant_id = $1 AND a.contact_key = {0}
    UNION ALL
    SELECT j.invitation_id
    FROM orders o
    JOIN invitation_orders j ON j.merchant_id = $1 AND j.order_id = o.order_id
    WHERE o.merchant_id = $1 AND (o.email_key = {0} OR o.phone_key = {0})
)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """Which part of a list is read: up to `limit` items, beyond a place (an instant and an id) or from an end."""

    limit: int
    ascending: bool
    beyond: tuple[datetime, UUID | str] | None = None


class Conditions:
    """Conditions with the parameters they are numbered after; `$1` is the merchant."""

    def __init__(self, merchant_id: MerchantId, taken: Sequence[object] = ()) -> None:
        """Begin after the parameters that the statement has besides: the merchant and those in `taken`."""
        self.parameters: list[object] = [merchant_id, *taken]
        self._conditions: list[str] = []

    @classmethod
    def sharing(cls, parameters: list[object]) -> "Conditions":
        """Begin a further part of a statement whose parameters so far are these, and add to them."""
        conditions = cls(MerchantId(""))
        conditions.parameters = parameters
        return conditions

    def add(self, condition: str, *parameters: object) -> None:
        """Add a condition; its braces stand for its own parameters."""
        first = len(self.parameters) + 1
        self._conditions.append(condition.format(*(f"${first + index}" for index in range(len(parameters)))))
        self.parameters += parameters

    def add_span(self, column: str, span: Span) -> None:
        """Add that an instant lies in a span."""
        if span.start is not None:
            self.add(column + " >= {}", span.start)
        if span.end is not None:
            self.add(column + " < {}", span.end)

    def add_part(
        self, columns: str, spans: Iterable[Span], part: Slice, *, least_id: UUID | str, under: str = ""
    ) -> None:
        """Add that a pair of an instant and an id lies in some spans of the instant, and in the part that is read.

        `under` is written before each limit, where `columns` begins with more than the pair.

        One lower and one upper limit of the pair, because PostgreSQL begins to read at one of them: with two it may
        take the one farther away. Of limits of the instant alone a plan that is made once expects so few rows that it
        would rather read and sort them all.
        """
        lower = [((span.start, least_id), ">=") for span in spans if span.start is not None]
        upper = [((span.end, least_id), "<") for span in spans if span.end is not None]
        if part.beyond is not None:
            (lower if part.ascending else upper).append((part.beyond, ">" if part.ascending else "<"))
        for limits, tightest in ((lower, max), (upper, min)):
            if limits:
                place, operator = tightest(limits)
                self.add(f"{columns} {operator} ({under}{{}}, {{}})", *place)

    def __str__(self) -> str:
        return "".join(f" AND {condition}" for condition in self._conditions)


def invitations_chosen(
    merchant_id: MerchantId, chosen: InvitationFilter, keys: ContactKeys, *, taken: Sequence[object] = ()
) -> Conditions:
    """Write what a filter asks of `invitations AS i`; `taken` are the statement's parameters after the merchant."""
    conditions = Conditions(merchant_id, taken)
    if chosen.statuses:
        conditions.add("i.status = ANY({}::text[])", list(chosen.statuses))
    if chosen.kind is not None:
        conditions.add("i.kind = {}", chosen.kind)
    if chosen.channel is not None:
        conditions.add("i.channel = {}", chosen.channel)
    if chosen.product_id is not None:
        conditions.add(OF_PRODUCT, chosen.product_id)
    if chosen.order_id is not None:
        conditions.add(OF_ORDER, chosen.order_id)
    if chosen.contact is not None:
        conditions.add(OF_CONTACT, keys.key(chosen.contact))
    conditions.add_span("i.created_at", chosen.created)
    for span in chosen.sends:
        conditions.add_span("i.send_at", span)
    return conditions


def orders_chosen(merchant_id: MerchantId, chosen: OrderFilter, part: Slice) -> Conditions:
    """Write what a filter asks of `orders AS o`, of those in a part of the list."""
    conditions = Conditions(merchant_id)
    conditions.add_part("(o.received_at, o.order_id)", [chosen.received], part, least_id="")
    if chosen.outcome is not None:
        conditions.add("o.outcome = {}", chosen.outcome)
    if chosen.reason is not None:
        conditions.add("o.reason = {}", chosen.reason)
    return conditions
