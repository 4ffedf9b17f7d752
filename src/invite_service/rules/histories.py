"""The orders and invitations that a ledger holds, and the history of each order among them (RULES.md section 1).

An address may have thousands of orders, and a decision needs little of them: the oldest open invitation of the day,
the newest with messages to come, and of each product (or the service) what asks next and what asked last. These stand
sorted on a shelf for every contact, so that deciding looks at as much of a long history as of a short one.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import chain, zip_longest
from typing import Final, TypeVar
from uuid import UUID

from invite_service.domain.invitation import Invitation, InvitedProduct, Kind
from invite_service.domain.order import Order
from invite_service.rules.decide import History, PastInvitation
from invite_service.rules.membership import is_member
from invite_service.rules.orders import live_product_ids
from invite_service.rules.slots import local_day
from invite_service.rules.suppressions import SuppressedContacts

_Place = tuple[str, date | str | None]
"""What the invitations side by side on a shelf are about."""

_Entry = tuple[datetime, UUID]

_Shelf = dict[_Place, list[_Entry]]
"""The invitations of one contact by what they are about, in the order in which a rule prefers them."""

_Id = TypeVar("_Id", str, UUID)

_OPEN: Final = "open"
"""By the local day of a purchase: open invitations, the oldest first (rule 8)."""

_TO_COME: Final = "to come"
"""Invitations with messages to come, the newest last (rule 10)."""

_ASKS: Final = "asks"
"""By product, None for the service: those with messages to come, the lowest id first (rules 11 and 14)."""

_ASKED: Final = "asked"
"""By product, None for the service: those of which a message left, the last such message last (rules 11 and 14)."""

FEW: Final = 20
"""Orders that are looked through one by one: up to here that costs less than keeping shelves."""

_NO_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class _Filed:
    """How an invitation was filed, so that it can be found on the shelves again."""

    order_count: int = 0
    """How many of its orders were looked at."""
    live: dict[str, tuple[date, tuple[str, ...]]] = field(default_factory=dict)
    """Day of the purchase and contacts of its live orders, by id."""
    purchases: dict[date, dict[str, datetime]] = field(default_factory=dict)
    """Purchases of the live orders by day."""
    contact_counts: dict[str, int] = field(default_factory=dict)
    """How many of the live orders have a contact."""
    contacts: frozenset[str] = frozenset()
    """Whose shelves it stands on."""
    places: dict[_Place, _Entry] = field(default_factory=dict)
    """Where it stands on each of them."""
    timed: dict[_Place, _Entry] = field(default_factory=dict)
    """Those of the places that are not about a product or the service."""
    stage: tuple[bool, datetime | None] = (False, None)
    """Whether messages are to come, and when the last one left."""
    products: tuple[InvitedProduct, ...] = ()

    def count(self, order: Order, day: date) -> None:
        """Count a live order in."""
        self.live[order.order_id] = day, order.contacts
        self.purchases.setdefault(day, {})[order.order_id] = order.purchased_at
        for contact in order.contacts:
            self.contact_counts[contact] = self.contact_counts.get(contact, 0) + 1

    def discount(self, order_id: str) -> None:
        """Take an order out again, if it was counted in."""
        if order_id not in self.live:
            return
        day, contacts = self.live.pop(order_id)
        del self.purchases[day][order_id]
        if not self.purchases[day]:
            del self.purchases[day]
        for contact in contacts:
            self.contact_counts[contact] -= 1
            if not self.contact_counts[contact]:
                del self.contact_counts[contact]

    def changes(self, invitation: Invitation) -> dict[_Place, _Entry | None]:
        """Tell which places are others now, None for one that it leaves; to be asked once and carried out."""
        timed = self._timed_places(invitation)
        wanted: dict[_Place, _Entry | None] = {place: timed.get(place) for place in self.timed.keys() | timed.keys()}
        wanted.update(self._changed_subjects(invitation))
        self.timed = timed
        return {place: entry for place, entry in wanted.items() if self.places.get(place) != entry}

    def _timed_places(self, invitation: Invitation) -> dict[_Place, _Entry]:
        entry = invitation.created_at, invitation.id
        places: dict[_Place, _Entry] = {(_TO_COME, None): entry} if invitation.has_messages_to_come else {}
        # Nothing joins one whose address was taken back from all of its orders: may_send will skip it.
        if invitation.is_open and invitation.contact in self.contact_counts:
            places.update(((_OPEN, day), entry) for day in self.purchases)
        return places

    def _changed_subjects(self, invitation: Invitation) -> dict[_Place, _Entry | None]:
        """Look only at the products that changed: hundreds of orders of one day can join the same invitation."""
        stage = invitation.has_messages_to_come, invitation.last_message_at
        known = self.products if stage == self.stage else ()
        self.stage, self.products = stage, invitation.products
        is_to_come, left_at = stage
        asks = (_NO_TIME, invitation.id) if is_to_come else None
        asked = (left_at, invitation.id) if left_at is not None else None
        if invitation.kind is Kind.SERVICE:
            return {(_ASKS, None): asks, (_ASKED, None): asked}
        wanted: dict[_Place, _Entry | None] = {}
        for product in _replaced(known, invitation.products):
            wanted[_ASKS, product.product_id] = asks if product.brought_by else None
            wanted[_ASKED, product.product_id] = asked if product.asked else None
        return wanted


def _replaced(before: Sequence[InvitedProduct], after: Sequence[InvitedProduct]) -> list[InvitedProduct]:
    """Give what is another object than at the same place before; an invitation never loses a product's place."""
    return [product for known, product in zip_longest(before, after) if product is not known and product is not None]


class Histories:
    """The orders and invitations of one merchant, as far as a ledger holds them."""

    def __init__(self, *, zone: str, block_days: int, suppressed: SuppressedContacts, few: int = FEW) -> None:
        self.orders: dict[str, Order] = {}
        self.invitations: dict[UUID, Invitation] = {}
        self._zone = zone
        self._block_period = timedelta(days=block_days)
        self._suppressed = suppressed
        self._few = few
        self._orders_by_contact: dict[str, list[str]] = {}
        self._invitations_by_order: dict[str, list[UUID]] = {}
        self._purchases: dict[str, list[tuple[datetime, str]]] = {}
        self._nothing = History(suppressed=suppressed)
        self._has_shelves = False
        """Until a history is long enough for them, nothing is filed, and so nothing remembered as unfiled."""
        self._unfiled_orders: dict[str, None] = {}
        self._unfiled_invitations: dict[UUID, None] = {}
        self._filed: dict[UUID, _Filed] = {}
        self._shelves: dict[str, _Shelf] = {}

    def set_order(self, order: Order) -> None:
        """Take in an order as it is now."""
        previous = self.orders.get(order.order_id)
        self.orders[order.order_id] = order
        if previous is None or previous.contacts != order.contacts:
            for contact in previous.contacts if previous is not None else ():
                self._orders_by_contact[contact].remove(order.order_id)
            for contact in order.contacts:
                self._orders_by_contact.setdefault(contact, []).append(order.order_id)
        if self._block_period:
            self._set_purchase(previous, order)
        if self._has_shelves:
            self._unfiled_orders[order.order_id] = None

    def set_invitation(self, invitation: Invitation) -> None:
        """Take in an invitation as it is now; its orders only ever grow at the end, and are here already."""
        previous = self.invitations.get(invitation.id)
        self.invitations[invitation.id] = invitation
        if self._has_shelves:
            self._unfiled_invitations[invitation.id] = None
        known_ids = previous.order_ids if previous is not None else ()
        if invitation.order_ids is not known_ids:
            for order_id in invitation.order_ids[len(known_ids) :]:
                self._invitations_by_order.setdefault(order_id, []).append(invitation.id)

    def live_orders(self, invitation_id: UUID) -> list[Order]:
        """Give the orders an invitation asks for: one that was cancelled and decided anew belongs elsewhere."""
        return [
            order
            for order_id in self.invitations[invitation_id].order_ids
            if is_member(order := self.orders[order_id], invitation_id)
        ]

    def history_of(self, order: Order) -> History:
        """Gather what shares a contact with the order, as far as it can bear on the decision.

        An order never meets itself, but it does meet an invitation of its own that has no live order left: of such a
        one all orders count, so that a message that left stays asked.
        """
        order_ids = [self._orders_by_contact[one] for one in order.contacts if one in self._orders_by_contact]
        if not order_ids and order.order_id not in self._invitations_by_order:
            return self._nothing
        if sum(map(len, order_ids)) <= self._few:
            return self._look_through(order.order_id, dict.fromkeys(chain((order.order_id,), *order_ids)))
        return self._look_up(order)

    def beside(self, invitation_id: UUID) -> list[Invitation]:
        """Give the other invitations of the history of an invitation's live orders."""
        order_ids = self.invitations[invitation_id].order_ids
        if len(order_ids) == 1 and self._is_alone(order_ids[0]):
            return []
        related: dict[str, None] = {}
        for order in self.live_orders(invitation_id):
            for contact in order.contacts:
                related.update(dict.fromkeys(self._orders_by_contact[contact]))
        found: dict[UUID, Invitation] = {}
        for order_id in related:
            for other_id in self._invitations_by_order.get(order_id, ()):
                # Most often it is the same object, and UUIDs compare slowly.
                if other_id is invitation_id or other_id == invitation_id:
                    continue
                if is_member(self.orders[order_id], other_id) or not self.live_orders(other_id):
                    found[other_id] = self.invitations[other_id]
        return list(found.values())

    def _is_alone(self, order_id: str) -> bool:
        """Say whether an order shares its contacts with no other, and was in one invitation only."""
        if len(self._invitations_by_order[order_id]) > 1:
            return False
        return all(len(self._orders_by_contact[contact]) == 1 for contact in self.orders[order_id].contacts)

    def _look_through(self, order_id: str, related: Iterable[str]) -> History:
        """Gather the whole history of an order, `related` being itself and those that share a contact."""
        found = {
            invitation_id: None
            for related_id in related
            for invitation_id in self._invitations_by_order.get(related_id, ())
            if is_member(self.orders[related_id], invitation_id) or not self.live_orders(invitation_id)
        }
        invitations = [PastInvitation(self.invitations[one], self._purchases_of(one)) for one in found]
        orders = [self.orders[related_id] for related_id in related if related_id != order_id]
        return History(orders, invitations, self._suppressed)

    def _purchases_of(self, invitation_id: UUID) -> list[datetime]:
        """Tell when the live orders were purchased; only of an open invitation, as no rule asks it of another.

        Nor of one whose address was taken back from all of its orders: nothing joins what may_send will skip.
        """
        invitation = self.invitations[invitation_id]
        if not invitation.is_open:
            return []
        live = self.live_orders(invitation_id)
        has_address = any(invitation.contact in order.contacts for order in live)
        return [order.purchased_at for order in live] if has_address else []

    def _look_up(self, order: Order) -> History:
        """Gather of a long history what can bear on the decision."""
        self._file()
        own_ids = self._invitations_by_order.get(order.order_id, ())
        found: dict[UUID, tuple[datetime, ...]] = {one: () for one in own_ids if not self._filed[one].live}
        shelves = [self._shelves[contact] for contact in order.contacts if contact in self._shelves]
        day, product_ids = local_day(order.purchased_at, self._zone), live_product_ids(order)
        for shelf in shelves:
            for invitation_id in self._open_on(shelf, day):
                found[invitation_id] = tuple(self._filed[invitation_id].purchases[day].values())[:1]
            for invitation_id in _asking(shelf, product_ids):
                found.setdefault(invitation_id, ())
        invitations = [PastInvitation(self.invitations[one], purchases) for one, purchases in found.items()]
        return History(self._orders_near(order), invitations, self._suppressed)

    def _open_on(self, shelf: _Shelf, day: date) -> Iterator[UUID]:
        """Find what an order of that day may join: all until one whose address is not suppressed."""
        for _, invitation_id in shelf.get((_OPEN, day), ()):
            yield invitation_id
            if not self._suppressed.closes_address(self.invitations[invitation_id].contact):
                return

    def _orders_near(self, order: Order) -> list[Order]:
        """Find the order that rule 9 would name: of each contact the latest purchase before the end of the period."""
        if not self._block_period:
            return []
        near = []
        for contact in order.contacts:
            row = self._purchases.get(contact, ())
            for place in range(bisect_left(row, (order.purchased_at + self._block_period, "")) - 1, -1, -1):
                _, order_id = row[place]
                if order_id != order.order_id:
                    near.append(self.orders[order_id])
                    break
        return near

    def _set_purchase(self, previous: Order | None, order: Order) -> None:
        """Keep the purchases of the orders that are not cancelled, by contact."""
        if previous is not None and previous.is_live:
            for contact in previous.contacts:
                _take(self._purchases[contact], (previous.purchased_at, previous.order_id))
        if order.is_live:
            for contact in order.contacts:
                insort(self._purchases.setdefault(contact, []), (order.purchased_at, order.order_id))

    def _file(self) -> None:
        """Put on the shelves what changed since a history was last looked up; the first time, everything."""
        if not self._has_shelves:
            self._has_shelves = True
            self._unfiled_orders = dict.fromkeys(self.orders)
            self._unfiled_invitations = dict.fromkeys(self.invitations)
        changed: dict[UUID, dict[str, None]] = {}
        for invitation_id in self._unfiled_invitations:
            filed = self._filed.setdefault(invitation_id, _Filed())
            order_ids = self.invitations[invitation_id].order_ids
            changed[invitation_id] = dict.fromkeys(order_ids[filed.order_count :])
            filed.order_count = len(order_ids)
        for order_id in self._unfiled_orders:
            for invitation_id in self._invitations_by_order.get(order_id, ()):
                changed.setdefault(invitation_id, {})[order_id] = None
        for invitation_id, changed_ids in changed.items():
            self._refile(self.invitations[invitation_id], changed_ids)
        self._unfiled_invitations.clear()
        self._unfiled_orders.clear()

    def _refile(self, invitation: Invitation, order_ids: Iterable[str]) -> None:
        filed = self._filed[invitation.id]
        for order_id in order_ids:
            order = self.orders[order_id]
            filed.discount(order_id)
            if is_member(order, invitation.id):
                filed.count(order, local_day(order.purchased_at, self._zone))
        self._move(filed, self._contacts_of(invitation, filed), filed.changes(invitation))

    def _contacts_of(self, invitation: Invitation, filed: _Filed) -> AbstractSet[str]:
        if filed.live:
            return filed.contact_counts.keys()
        return {contact for order_id in invitation.order_ids for contact in self.orders[order_id].contacts}

    def _move(self, filed: _Filed, contacts: AbstractSet[str], changes: dict[_Place, _Entry | None]) -> None:
        """Move an invitation to where it belongs now."""
        for contact in filed.contacts.difference(contacts):
            shelf = self._shelves[contact]
            for place, entry in filed.places.items():
                _take(shelf[place], entry)
        for contact in filed.contacts.intersection(contacts):
            shelf = self._shelves[contact]
            for place, after in changes.items():
                before = filed.places.get(place)
                if before is not None:
                    _take(shelf[place], before)
                if after is not None:
                    insort(shelf.setdefault(place, []), after)
        filed.places.update((place, after) for place, after in changes.items() if after is not None)
        for place, after in changes.items():
            if after is None:
                del filed.places[place]
        for contact in contacts - filed.contacts:
            shelf = self._shelves.setdefault(contact, {})
            for place, entry in filed.places.items():
                insort(shelf.setdefault(place, []), entry)
        filed.contacts = frozenset(contacts)


def _take(row: list[tuple[datetime, _Id]], entry: tuple[datetime, _Id]) -> None:
    del row[bisect_left(row, entry)]


def _asking(shelf: _Shelf, product_ids: tuple[str, ...]) -> Iterator[UUID]:
    """Find what decides the kind, and what asks or asked about the products or the service."""
    for _, invitation_id in shelf.get((_TO_COME, None), ())[-1:]:
        yield invitation_id
    for subject in (None, *product_ids):
        # Of two that ask, the first may be the one that is joined.
        for _, invitation_id in shelf.get((_ASKS, subject), ())[:2]:
            yield invitation_id
        for _, invitation_id in shelf.get((_ASKED, subject), ())[-1:]:
            yield invitation_id
