"""A shop decided twice: by the rules, and by the second reading of RULES.md in tests/reading.

Where the page leaves something open and we chose otherwise than the reading did, either a history does not go there
(`strategies.py` says where) or `AgreedReading` takes our choice.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from invite_service.domain.invitation import Invitation, InvitationStatus
from invite_service.domain.merchant import Merchant
from invite_service.domain.order import Order, OrderOutcome
from invite_service.rules.membership import CANCELLED_BY_MERCHANT
from invite_service.rules.zones import MOST_POPULOUS_ZONE
from tests.reading import reading as second
from tests.reading import records
from tests.reading.zones import local_day
from tests.rules.laws.player import Player

Snapshot = dict[str, dict[str, Any]]

_JOINED = {OrderOutcome.INVITED, OrderOutcome.MERGED}

_REASONS = {"merchant": CANCELLED_BY_MERCHANT}
"""Words of the reading for which ours are others."""


class AgreedReading(second.Reading):
    """The second reading, with the two choices of ours that a history runs into."""

    def asked_until(self, invitations: list[records.Invitation], kind: str, product: str | None) -> datetime | None:
        """ADR 0010, point 3: the last message of an invitation counts for all that one of its messages named."""
        naming = [one for one in invitations if one.kind == kind and one.last_asked(product) is not None]
        last = max((one.messages[-1].left_at for one in naming), default=None)
        return None if last is None else last + self.repeat_period(kind)

    def _merge_target(self, order: records.Order, history: list[records.Invitation]) -> records.Invitation | None:
        """Rule 8 to the letter: what must not be suppressed is the address the invitation goes to, and no other."""
        day = local_day(order.purchased_at, self.zone)
        for one in history:
            address = self.address_of(one)
            days = {local_day(member.purchased_at, self.zone) for member in self.live_orders(one)}
            if one.is_open and day in days and address is not None and not self.is_closed(address):
                return one
        return None


class Twin:
    """One merchant, decided by both; every step goes to both."""

    def __init__(self, merchant: Merchant, settings: dict[str, Any]) -> None:
        self.ours = Player(merchant, settings)
        self.shop = self.ours.shop
        self.reading = AgreedReading(merchant.id, merchant.time_zone, settings, country_zones=MOST_POPULOUS_ZONE)

    def knows(self, number: int) -> bool:
        assert self.ours.knows(number) == (number in self.reading.invitations)
        return self.ours.knows(number)

    def post(self, bodies: Sequence[dict[str, Any]], now: datetime) -> None:
        self.ours.post(bodies, now)
        plain = [{name: value for name, value in body.items() if not name.startswith("_")} for body in bodies]
        self.reading.post_batch(plain, now)

    def advance(self, until: datetime) -> None:
        self.ours.advance(until)
        self.reading.advance(until)

    def send_due(self, now: datetime) -> None:
        self.ours.send_due(now)
        self.reading.send_due(now)

    def save_policy(self, settings: dict[str, Any]) -> None:
        self.ours.save_policy(settings)
        self.reading.change_policy(**settings)

    def bounce(self, number: int, now: datetime) -> None:
        self.reading.suppress(self.shop.invitations[UUID(int=number)].contact, "hard_bounce")
        self.ours.bounce(number, now)

    def unsubscribe(self, number: int, now: datetime) -> None:
        self.ours.unsubscribe(number, now)
        self.reading.unsubscribe(self.reading.invitations[number])

    def leave_feedback(self, number: int, now: datetime) -> None:
        self.ours.leave_feedback(number, now)
        self.reading.feedback(self.reading.invitations[number], now)

    def report_not_received(self, number: int, now: datetime) -> None:
        # The link to report with comes with the first message.
        if not self.reading.invitations[number].messages:
            return
        self.ours.report_not_received(number, now)
        self.reading.not_received(self.reading.invitations[number], now)

    def cancel(self, number: int, now: datetime) -> bool:
        # What the merchant cancelled already answers with that state (ADR 0010, point 23); the reading refuses it.
        before = self.reading.invitations[number]
        was_cancelled = before.ended_reason == "merchant" and before.status in {"cancelled", "sent"}
        done = self.reading.cancel(self.reading.invitations[number], now) == "done"
        return self._agree(self.ours.cancel(number, now), done or was_cancelled)

    def enable(self, number: int, now: datetime) -> bool:
        done = self.reading.enable(self.reading.invitations[number], now) == "done"
        return self._agree(self.ours.enable(number, now), done)

    def send_now(self, number: int, now: datetime) -> bool:
        # What goes now already keeps the instant it was first sent at; the reading plans it again.
        if self.reading.invitations[number].send_now:
            return True
        done = self.reading.send_now(self.reading.invitations[number], now) == "done"
        return self._agree(self.ours.send_now(number, now), done)

    def reschedule(self, number: int, now: datetime, day: date) -> bool:
        done = self.reading.reschedule(self.reading.invitations[number], now, day) == "done"
        return self._agree(self.ours.reschedule(number, now, day), done)

    def _agree(self, ours: bool, theirs: bool) -> bool:
        assert ours == theirs
        return ours

    def snapshots(self) -> tuple[Snapshot, Snapshot]:
        """Show both sides in the same words: first ours, then the reading's."""
        ours: Snapshot = {order_id: _our_order(order) for order_id, order in self.shop.orders.items()}
        ours |= {str(one.id.int): self._our_invitation(one) for one in self.shop.invitations.values()}
        theirs: Snapshot = {order_id: _their_order(order) for order_id, order in self.reading.orders.items()}
        theirs |= {str(number): self._their_invitation(one) for number, one in self.reading.invitations.items()}
        return ours, theirs

    def differences(self) -> list[str]:
        """Name what differs, one line each."""
        ours, theirs = self.snapshots()
        lines = [f"{name}: only one side has it" for name in sorted(ours.keys() ^ theirs.keys())]
        for name in sorted(ours.keys() & theirs.keys()):
            lines += [
                f"{name}.{key}: ours {ours[name][key]!r}, reading {theirs[name][key]!r}"
                for key in ours[name]
                if ours[name][key] != theirs[name][key]
            ]
        return lines

    def _our_invitation(self, one: Invitation) -> dict[str, Any]:
        is_to_come = one.status is InvitationStatus.SCHEDULED
        messages = [
            (message.step.value, message.at, sorted(message.product_ids), message.address)
            for message in self.shop.messages
            if message.invitation_id == one.id
        ]
        return {
            "kind": one.kind.value,
            "channel": one.channel.value,
            "language": one.language,
            "status": one.status.value,
            "ended_reason": one.ended_reason,
            "messages": messages,
            "next_step": one.next_step.value if is_to_come and one.next_step else None,
            "send_at": one.send_at if is_to_come else None,
            "next_attempt_at": one.next_attempt_at if is_to_come else None,
            "products": sorted(one.product_ids) if is_to_come else None,
        }

    def _their_invitation(self, one: records.Invitation) -> dict[str, Any]:
        is_to_come = one.status == "scheduled"
        is_held = self.reading.is_on_hold(one)
        messages = [(m.step, m.left_at, sorted(m.products), m.address) for m in one.messages]
        return {
            "kind": one.kind,
            "channel": one.channel,
            "language": one.language,
            "status": one.status,
            "ended_reason": _REASONS.get(one.ended_reason or "", one.ended_reason),
            "messages": messages,
            "next_step": one.next_step if is_to_come else None,
            "send_at": one.send_at if is_to_come else None,
            "next_attempt_at": one.next_attempt_at if is_to_come and not is_held else None,
            "products": sorted(one.products) if is_to_come else None,
        }


def _our_order(order: Order) -> dict[str, Any]:
    is_joined = order.outcome in _JOINED and order.invitation_id is not None
    return {
        "outcome": order.outcome.value,
        "reason": order.reason.value if order.reason else None,
        "eligible_at": order.eligible_at,
        "invitation": order.invitation_id.int if is_joined and order.invitation_id else None,
    }


def _their_order(order: records.Order) -> dict[str, Any]:
    return {
        "outcome": order.outcome,
        "reason": order.reason,
        "eligible_at": order.verdict.eligible_at,
        "invitation": order.invitation,
    }
