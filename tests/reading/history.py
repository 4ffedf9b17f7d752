"""Who shares what with whom, and what is asked: RULES.md section 1."""

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from .contacts import NARROW_REASONS, read_contact
from .policy import full_policy
from .records import TO_COME, Invitation, Order
from .slots import Timetable
from .zones import COUNTRY_ZONES, find_zone


class History:
    """All orders, invitations and suppressions of one merchant, in memory."""

    def __init__(
        self,
        merchant_id: str,
        time_zone: str,
        policy: dict[str, Any] | None = None,
        *,
        country_zones: dict[str, str] | None = None,
    ) -> None:
        self.merchant_id = merchant_id
        self.zone = ZoneInfo(time_zone)
        self.policy = full_policy(policy or {})
        self.country_zones = COUNTRY_ZONES if country_zones is None else country_zones
        self.merchant_paused = False
        self.orders: dict[str, Order] = {}
        self.invitations: dict[int, Invitation] = {}
        self.suppressions: dict[str, set[str]] = {}
        self._order_ids_by_contact: dict[str, set[str]] = defaultdict(set)

    # Look-ups

    def remember_contacts(self, order: Order) -> None:
        """Make the order findable by its contacts (earlier ones are sorted out when looking)."""
        for contact in order.contacts:
            self._order_ids_by_contact[contact].add(order.order_id)

    def live_orders(self, invitation: Invitation) -> list[Order]:
        """Return the orders of the invitation that are not cancelled."""
        members = (self.orders[order_id] for order_id in invitation.order_ids)
        return [order for order in members if order.invitation == invitation.id]

    def history_orders(self, contacts: list[str]) -> list[Order]:
        """Return the orders that have one of these contacts, by id."""
        found = {order_id for contact in contacts for order_id in self._order_ids_by_contact[contact]}
        orders = [self.orders[order_id] for order_id in sorted(found)]
        return [order for order in orders if set(order.contacts) & set(contacts)]

    def history_invitations(self, contacts: list[str]) -> list[Invitation]:
        """Return the invitations that belong to the history of these contacts, oldest first.

        Through "any of its live orders" (section 1); one that has none left, through all it had (choice 3).
        """
        found: dict[int, Invitation] = {}
        for order in self.history_orders(contacts):
            for number in order.invitations:
                invitation = self.invitations[number]
                if order.invitation == number or not self.live_orders(invitation):
                    found[number] = invitation
        return sorted(found.values(), key=age_of)

    def other_invitations(self, invitation: Invitation) -> list[Invitation]:
        """Return the rest of the history of an invitation, through its live orders' contacts."""
        contacts = [contact for order in self.live_orders(invitation) for contact in order.contacts]
        return [other for other in self.history_invitations(contacts) if other is not invitation]

    # Suppression

    def is_closed(self, contact: str) -> bool:
        """Say whether a contact is suppressed for any reason."""
        return bool(self.suppressions.get(contact))

    def is_closed_widely(self, contacts: list[str]) -> bool:
        """Say whether one of the contacts is suppressed for a reason that closes every channel."""
        return any(self.suppressions.get(contact, set()) - NARROW_REASONS for contact in contacts)

    def suppress(self, contact: str, reason: str) -> None:
        """Add one reason to one contact; a contact can carry several, the widest counts."""
        self.suppressions.setdefault(read_contact(contact), set()).add(reason)

    def address_of(self, invitation: Invitation) -> str | None:
        """Return the contact that the invitation goes to: that of the `invited` order (choice 11)."""
        live = self.live_orders(invitation)
        first = [order for order in live if order.order_id == invitation.invited_order]
        for order in first + live:
            address = order.email if invitation.channel == "email" else order.phone
            if address is not None:
                return address
        return None

    def is_unreachable(self, invitation: Invitation) -> bool:
        """Say whether the invitation cannot be sent on its channel: no address, or a suppressed one."""
        address = self.address_of(invitation)
        contacts = [contact for order in self.live_orders(invitation) for contact in order.contacts]
        return address is None or self.is_closed(address) or self.is_closed_widely(contacts)

    # Asked

    def repeat_period(self, kind: str) -> timedelta:
        """Return the repeat period of the current policy in whole 24-hour days."""
        return timedelta(days=self.policy[f"{kind}_repeat_days"])

    def asked_until(self, invitations: list[Invitation], kind: str, product: str | None) -> datetime | None:
        """Return the end of the period after the last message about the product (None: the service)."""
        times = [i.last_asked(product) for i in invitations if i.kind == kind]
        last = max((t for t in times if t is not None), default=None)
        return None if last is None else last + self.repeat_period(kind)

    # Zone and timetable

    def send_zone(self, order: Order, policy: dict[str, Any]) -> ZoneInfo:
        """Return the zone that slots of the order are planned in (section 2, send_zone)."""
        if policy["send_zone"] == "merchant":
            return self.zone
        own = find_zone(order.facts["time_zone"])
        country = (order.facts["country"] or "").strip().upper()
        return own or find_zone(self.country_zones.get(country)) or self.zone

    def timetable(self, order: Order, policy: dict[str, Any], step: str) -> Timetable:
        """Return the timetable of a step of an order by a version of the policy."""
        zone = self.send_zone(order, policy)
        return Timetable.of(policy, zone, merchant_id=self.merchant_id, order_id=order.order_id, step=step)

    def timetable_of(self, invitation: Invitation) -> Timetable:
        """Return the timetable of the invitation's next step, by the policy stored with it."""
        order = self.orders[invitation.invited_order]
        return self.timetable(order, invitation.policy, invitation.next_step or invitation.steps[-1])

    # Hold

    def is_on_hold(self, invitation: Invitation) -> bool:
        """Say whether any live order of the invitation is on hold, by the current policy."""
        listed = {status.strip().casefold() for status in self.policy["hold_statuses"]}
        return any(order.hold_status in listed for order in self.live_orders(invitation))


def age_of(invitation: Invitation) -> tuple[datetime, int]:
    """Return what invitations are ordered by: the older, then the lower id."""
    return (invitation.created_at, invitation.id)


def to_come(invitations: list[Invitation], kind: str) -> list[Invitation]:
    """Return those of a kind that have messages to come."""
    return [i for i in invitations if i.kind == kind and i.status in TO_COME]
