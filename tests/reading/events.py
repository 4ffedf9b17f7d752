"""Later events, cancelling, returning, holding: RULES.md sections 4 and 5."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from .deciding import Deciding, find_origin
from .policy import status_is_in, status_triggers, status_word
from .records import Invitation, Order, Verdict

MISSING_FACTS = frozenset({"no_contact", "no_consent", "no_products"})


class Events(Deciding):
    """Applies an event to an order that is known."""

    def later_event(self, order: Order, brought: dict[str, Any], now: datetime) -> Verdict:
        """Apply section 5 to an event, given as the facts it brings."""
        stored = order.facts

        # "one that is older than the stored state is kept in the record and changes nothing"
        event_at, stored_at = brought.get("updated_at"), stored["updated_at"]
        if event_at is not None and stored_at is not None and event_at < stored_at:
            return order.verdict

        # "An event equal to the stored state has no effect and gets the same answer."
        changed = {name for name, value in brought.items() if stored[name] != value} - {"updated_at"}
        held_before = self._held_invitation(order)
        order.facts = {**stored, **brought}
        if not changed:
            return order.verdict
        self.remember_contacts(order)

        # Rule 1, before anything else.
        status = order.facts["status"]
        if status_is_in(status, self.policy["cancel_statuses"]):
            return self.cancel_order(order, now)

        # Rows 1 to 3: decided now, decided now, decided anew.
        triggered = "status" in brought and status_triggers(status, self.policy)
        missing_came = order.outcome == "blocked" and self._fact_is_there(order)
        if (order.outcome in {"waiting", "cancelled"} and triggered) or missing_came:
            order.hold_status = None
            return self.decide(order, now)

        # Row 4: paused, resumed.
        if "status" in brought and status_is_in(status, self.policy["hold_statuses"]):
            order.hold_status = status_word(status)
        elif triggered:
            order.hold_status = None
        if held_before is not None and not self.is_on_hold(held_before):
            self.resume(held_before, now)

        # Row 5: returned lines.
        if "products" in changed and order.invitation is not None:
            self._take_out_returned(order, self.invitations[order.invitation], now)

        # Row 6: a date that the plan waited for.
        self._plan_again(order, changed & {"shipped_at", "delivered_at"}, now)
        return order.verdict

    def _held_invitation(self, order: Order) -> Invitation | None:
        """Return the order's invitation when it is on hold."""
        if order.invitation is None:
            return None
        invitation = self.invitations[order.invitation]
        return invitation if self.is_on_hold(invitation) else None

    def _fact_is_there(self, order: Order) -> bool:
        """Say whether the fact for whose want the order was blocked is there now (row 2)."""
        if order.reason == "no_contact":
            return bool(order.contacts)
        if order.reason == "no_consent":
            return order.facts["consent"] is True
        if order.reason == "no_products":
            return bool(set(order.product_ids) - order.returned_ids)
        return False

    # Section 4

    def cancel_order(self, order: Order, now: datetime) -> Verdict:
        """Rule 1: the order is `cancelled`; what it brought leaves its invitation."""
        if order.outcome == "cancelled":
            return order.verdict
        number = order.invitation
        held_before = self._held_invitation(order)
        order.outcome, order.reason = "cancelled", None
        order.verdict = Verdict("cancelled", rule=1)
        order.hold_status = None
        order.invitation = None
        if number is not None:
            invitation = self.invitations[number]
            self._take_out(invitation, order, invitation.brought.pop(order.order_id, []), now)
            self._promote(invitation)
            if held_before is not None and not self.is_on_hold(invitation):
                self.resume(invitation, now)
        return order.verdict

    def _take_out_returned(self, order: Order, invitation: Invitation, now: datetime) -> None:
        """Take out the products of lines that came back."""
        mine = invitation.brought.get(order.order_id, [])
        returned = [product for product in mine if product in order.returned_ids]
        invitation.brought[order.order_id] = [p for p in mine if p not in returned]
        if returned:
            self._take_out(invitation, order, returned, now)

    def _take_out(self, invitation: Invitation, order: Order, products: list[str], now: datetime) -> None:
        """Take out what no other live order of the invitation brought; end it when nothing is left."""
        if not can_still_ask(invitation):
            return
        live = self.live_orders(invitation)
        still = {p for member in live for p in invitation.brought.get(member.order_id, [])}
        invitation.products = [p for p in invitation.products if p not in products or p in still]
        nothing_left = not invitation.products if invitation.kind == "product" else not live
        if nothing_left and invitation.status != "in_doubt":
            self.end(invitation, "cancelled", "order_cancelled")

    def _promote(self, invitation: Invitation) -> None:
        """When the `invited` order went and others remain, the oldest becomes `invited`."""
        live = self.live_orders(invitation)
        if not live or any(member.order_id == invitation.invited_order for member in live):
            return
        oldest = min(live, key=lambda member: (member.purchased_at, member.order_id))
        invitation.invited_order = oldest.order_id
        oldest.outcome = "invited"
        oldest.verdict = replace(oldest.verdict, outcome="invited")

    def end(self, invitation: Invitation, status: str, reason: str) -> None:
        """End an invitation; one of which a message has left becomes `sent` (section 8)."""
        invitation.status = "sent" if invitation.messages else status
        invitation.ended_reason = reason
        invitation.send_now = False

    # Section 5, rows 4 and 6

    def resume(self, invitation: Invitation, now: datetime) -> None:
        """Let a paused invitation go on: its next slot where send_at has passed (section 6)."""
        if invitation.status != "scheduled":
            return
        if invitation.send_at <= now:
            invitation.send_at = self.timetable_of(invitation).next_slot(now)
            invitation.send_now = False
        invitation.next_attempt_at = invitation.send_at

    def _plan_again(self, order: Order, dates: set[str], now: datetime) -> None:
        """Plan again, later only, when a date came that delay_origin asks for."""
        if not dates or order.outcome != "invited" or order.invitation is None:
            return
        invitation = self.invitations[order.invitation]
        if not invitation.is_open or invitation.moved_by_merchant:
            return
        origin, _ = find_origin(order, invitation.policy["delay_origin"])
        if origin not in dates:
            return
        step = invitation.next_step or invitation.steps[0]
        send_at = self.first_send_at(order, invitation.kind, step, invitation.policy, now)
        if send_at > invitation.send_at:
            invitation.send_at = invitation.next_attempt_at = send_at


def can_still_ask(invitation: Invitation) -> bool:
    """Say whether the invitation has messages to come, or the merchant may yet enable it."""
    if invitation.status in {"scheduled", "sending", "in_doubt"}:
        return True
    return invitation.ended_reason == "merchant" and invitation.status in {"cancelled", "sent"}
