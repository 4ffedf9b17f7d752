"""Who was asked about what, and until when a purchase of it is not asked about again (RULES.md section 1, "asked")."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from invite_service.domain.invitation import Invitation, Kind
from invite_service.rules.slots import whole_days


@dataclass(slots=True)
class Asked:
    """Why a product (or the service) is not asked about again for one purchase.

    `to_come` is an invitation about it that may still send, of several the one of the lowest id; `until` is the
    instant from which on a purchase is asked about again, set only where this purchase is earlier.
    """

    to_come: UUID | None = None
    until: datetime | None = None

    def __bool__(self) -> bool:
        return self.to_come is not None or self.until is not None


@dataclass(slots=True)
class AskedProducts:
    """The asked ones among some products, by id; the others are not in it."""

    by_id: dict[str, Asked] = field(default_factory=dict)

    @property
    def eligible_at(self) -> datetime | None:
        """The earliest instant from which on a purchase of one of them is asked about again, when that is known."""
        return min(
            (asked.until for asked in self.by_id.values() if asked.until is not None and asked.to_come is None),
            default=None,
        )

    @property
    def to_come(self) -> UUID | None:
        """An invitation about one of them that may still send."""
        return next((asked.to_come for asked in self.by_id.values() if asked.to_come is not None), None)

    def figures(self) -> dict[str, str]:
        """Tell for each product what it was asked by: the invitation to come, or the instant it is free again."""
        return {product_id: _figure(asked) for product_id, asked in self.by_id.items()} if self.by_id else {}


NOTHING_ASKED = AskedProducts()
"""For those of whom nothing is."""


def _figure(asked: Asked) -> str:
    if asked.to_come is not None:
        return f"messages to come in invitation {asked.to_come}"
    return f"asked; purchases are asked about again from {asked.until.isoformat() if asked.until else ''}"


def find_asked_products(
    product_ids: Iterable[str], invitations: Iterable[Invitation], *, purchased_at: datetime, repeat_days: int
) -> AskedProducts:
    """Find which products are asked for a purchase of that instant; only the purchase is compared, never `now`."""
    wanted = dict.fromkeys(product_ids)
    found: dict[str, Asked] = {}
    for invitation in invitations:
        if invitation.kind is not Kind.PRODUCT:
            continue
        until = _asked_until(invitation, purchased_at=purchased_at, repeat_days=repeat_days)
        if until is None and not invitation.has_messages_to_come:
            continue
        for product in invitation.products:
            if product.product_id not in wanted:
                continue
            is_to_come = invitation.has_messages_to_come and bool(product.brought_by)
            if is_to_come or (product.asked and until is not None):
                asked = found.setdefault(product.product_id, Asked())
                if is_to_come:
                    asked.to_come = min(asked.to_come or invitation.id, invitation.id)
                if product.asked and until is not None:
                    asked.until = max(asked.until or until, until)
    return AskedProducts({product_id: found[product_id] for product_id in wanted if product_id in found})


def find_asked_service(invitations: Iterable[Invitation], *, purchased_at: datetime, repeat_days: int) -> Asked:
    """Find whether the service is asked for a purchase of that instant."""
    found = Asked()
    for invitation in invitations:
        if invitation.kind is not Kind.SERVICE:
            continue
        if invitation.has_messages_to_come:
            found.to_come = min(found.to_come or invitation.id, invitation.id)
        until = _asked_until(invitation, purchased_at=purchased_at, repeat_days=repeat_days)
        if until is not None:
            found.until = max(found.until or until, until)
    return found


def _asked_until(invitation: Invitation, *, purchased_at: datetime, repeat_days: int) -> datetime | None:
    """Tell until when its last message counts, or None where none left or this purchase is not before that.

    With a period of 0 days a purchase made before the message stays asked; only the time after it is free.
    """
    if invitation.last_message_at is None:
        return None
    until = invitation.last_message_at + whole_days(repeat_days)
    return until if purchased_at < until else None
