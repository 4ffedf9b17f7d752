"""Sending as a simulation, and what a merchant may do: RULES.md sections 6 to 8."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from .events import Events
from .history import age_of
from .records import TO_COME, Invitation, Message
from .zones import local_day


@dataclass
class Judgement:
    """What may_send answers: `send`, `skip`, `missed` or `later`."""

    word: str
    reason: str | None = None
    until: datetime | None = None
    dropped: list[str] = field(default_factory=list)
    """Products that another invitation asks or asked; they are dropped when the word is `send`."""


REFUSALS = {
    "sending": "sending",
    "sent": "already_sent",
    "in_doubt": "in_doubt",
    "failed": "failed",
    "cancelled": "cancelled",
    "missed": "missed",
    "responded": "responded",
    "erased": "erased",
}
"""Why a merchant's action on an invitation that is not scheduled is refused."""


class Sending(Events):
    """Sends what is due; every message is accepted by the provider at once."""

    def advance(self, until: datetime) -> list[tuple[int, str, Judgement]]:
        """Pass every due instant on the way and send each message at its own time."""
        done: list[tuple[int, str, Judgement]] = []
        while True:
            due = [i for i in self._waiting_to_be_sent() if i.next_attempt_at <= until]
            if not due:
                return done
            done += self.send_due(min(invitation.next_attempt_at for invitation in due))

    def send_due(self, now: datetime) -> list[tuple[int, str, Judgement]]:
        """Judge every scheduled message whose time has come, and do what the judgement says."""
        now = now.astimezone(UTC)
        due = [i for i in self._waiting_to_be_sent() if i.next_attempt_at <= now]
        done = []
        for invitation in sorted(due, key=lambda i: (i.next_attempt_at, i.id)):
            if invitation.status != "scheduled" or invitation.next_step is None:
                continue
            step = invitation.next_step
            judgement = self.may_send(invitation, now)
            self._obey(invitation, judgement, now)
            done.append((invitation.id, step, judgement))
        return done

    def _waiting_to_be_sent(self) -> list[Invitation]:
        """Return the scheduled invitations that nothing holds up."""
        if self.merchant_paused:
            return []
        scheduled = [i for i in self.invitations.values() if i.status == "scheduled"]
        return [invitation for invitation in scheduled if not self.is_on_hold(invitation)]

    # Section 7

    def may_send(self, invitation: Invitation, now: datetime) -> Judgement:
        """Ask again, right before a message; the first answer that applies."""
        if invitation.status == "erased":
            return Judgement("skip", "erased")
        if invitation.status == "cancelled":
            return Judgement("skip", "cancelled")
        if not self.live_orders(invitation):
            return Judgement("skip", "order_cancelled")
        if invitation.feedback_at is not None:
            return Judgement("skip", "feedback_left")
        if self.is_unreachable(invitation):
            return Judgement("skip", "suppressed")
        dropped, is_asked_elsewhere = self._asked_elsewhere(invitation, older_keeps=True)
        if is_asked_elsewhere:
            return Judgement("skip", "asked_elsewhere")
        on_hold = self.is_on_hold(invitation)
        deadline = invitation.send_at + timedelta(days=self.policy["send_deadline_days"])
        # Section 2, hold_statuses: the deadline stands still on hold, so it cannot pass meanwhile.
        if now > deadline and not on_hold:
            return Judgement("missed")
        if on_hold or self.merchant_paused:
            return Judgement("later")
        timetable = self.timetable_of(invitation)
        to_this_day = invitation.rescheduled_to == local_day(now, timetable.zone)
        if not timetable.is_open(now) and not invitation.send_now and not to_this_day:
            return Judgement("later", until=timetable.next_opening(now))
        return Judgement("send", dropped=dropped)

    def _asked_elsewhere(self, invitation: Invitation, *, older_keeps: bool) -> tuple[list[str], bool]:
        """Return the products that are asked elsewhere, and whether that leaves nothing to ask."""
        others = self.other_invitations(invitation)
        for other in others:
            if other.kind != invitation.kind and other.status in TO_COME:
                would_skip_too = other.status != "in_doubt"
                if not (older_keeps and would_skip_too and age_of(invitation) < age_of(other)):
                    return [], True
        same_kind = [other for other in others if other.kind == invitation.kind]
        subjects: list[str | None] = [None] if invitation.kind == "service" else [*invitation.products]
        dropped = [
            subject
            for subject in subjects
            if any(self._yields(invitation, other, subject, older_keeps=older_keeps) for other in same_kind)
        ]
        return [product for product in dropped if product is not None], len(dropped) == len(subjects)

    def _yields(self, mine: Invitation, other: Invitation, subject: str | None, *, older_keeps: bool) -> bool:
        """Say whether an invitation drops a product (None: the service) because of another one."""
        if not self._drops(mine, other, subject):
            return False
        # "of two that would drop each other": the other is judged again only while it will be sent.
        judged_again = other.has_to_come(subject) and other.status != "in_doubt"
        both = judged_again and self._drops(other, mine, subject)
        return not (older_keeps and both and age_of(mine) < age_of(other))

    def _drops(self, mine: Invitation, other: Invitation, subject: str | None) -> bool:
        """Say whether the other asks about it, or asked within the period for my purchase."""
        if other.has_to_come(subject):
            return True
        until = self.asked_until([other], other.kind, subject)
        return until is not None and self._purchase_about(mine, subject) < until

    def _purchase_about(self, invitation: Invitation, subject: str | None) -> datetime:
        """Return the earliest purchase among the live orders that brought the product."""
        live = self.live_orders(invitation)
        bringing = [o for o in live if subject is None or subject in invitation.brought.get(o.order_id, [])]
        return min(order.purchased_at for order in bringing or live)

    # Section 8

    def _obey(self, invitation: Invitation, judgement: Judgement, now: datetime) -> None:
        """Do what a judgement says."""
        if judgement.word == "skip":
            self.end(invitation, "cancelled", judgement.reason or "")
        elif judgement.word == "missed":
            self.end(invitation, "missed", "missed")
        elif judgement.word == "later":
            invitation.next_attempt_at = judgement.until or invitation.next_attempt_at
        else:
            self._drop(invitation, judgement.dropped)
            self._has_left(invitation, now)

    def _drop(self, invitation: Invitation, products: list[str]) -> None:
        """Ask no longer about products that are asked elsewhere."""
        invitation.products = [p for p in invitation.products if p not in products]
        for order_id, brought in invitation.brought.items():
            invitation.brought[order_id] = [p for p in brought if p not in products]

    def _has_left(self, invitation: Invitation, now: datetime) -> None:
        """Note that the next step has left; plan the second step or be done."""
        step = invitation.next_step
        assert step is not None
        address = self.address_of(invitation)
        invitation.messages.append(Message(step, now, list(invitation.products), address))
        invitation.send_now, invitation.rescheduled_to = False, None
        second_wanted = invitation.policy["product_steps"] == "both"
        if step == "product_1" and "product_2" in invitation.steps and second_wanted:
            invitation.next_step = "product_2"
            timetable = self.timetable_of(invitation)
            days = timedelta(days=invitation.policy["product_second_delay_days"])
            invitation.send_at = timetable.plan(local_day(now, timetable.zone) + days, now)
            invitation.next_attempt_at = invitation.send_at
        else:
            invitation.status, invitation.next_step = "sent", None

    def feedback(self, invitation: Invitation, at: datetime) -> None:
        """A rating or a review was left: responded, from any state but erased."""
        if invitation.status != "erased":
            invitation.status, invitation.feedback_at = "responded", at.astimezone(UTC)

    def not_received(self, invitation: Invitation, at: datetime) -> bool:
        """The customer says it has not arrived: a pending second step moves, later only (section 6)."""
        pending = invitation.status == "scheduled" and bool(invitation.messages)
        if not pending or invitation.next_step != "product_2":
            return False
        now = at.astimezone(UTC)
        timetable = self.timetable_of(invitation)
        wait = timedelta(days=self.policy["not_received_wait_days"])
        send_at = timetable.plan(local_day(now, timetable.zone) + wait, now)
        if send_at <= invitation.send_at:
            return False
        invitation.send_at = invitation.next_attempt_at = send_at
        invitation.send_now, invitation.rescheduled_to = False, None
        return True

    def unsubscribe(self, invitation: Invitation, reason: str = "unsubscribed") -> None:
        """Suppress every contact of the orders behind the invitation, and cancel it when scheduled."""
        for order_id in invitation.order_ids:
            for contact in self.orders[order_id].contacts:
                self.suppress(contact, reason)
        if invitation.status == "scheduled":
            self.end(invitation, "cancelled", reason)

    # Section 8, "What a merchant may do"

    def cancel(self, invitation: Invitation, now: datetime) -> str:
        """Cancel a scheduled invitation; answers `done` or why not."""
        if invitation.status != "scheduled":
            return REFUSALS[invitation.status]
        self.end(invitation, "cancelled", "merchant")
        return "done"

    def enable(self, invitation: Invitation, now: datetime) -> str:
        """Enable what the merchant cancelled, or ended before the second step."""
        now = now.astimezone(UTC)
        by_merchant = invitation.ended_reason == "merchant"
        if not by_merchant or invitation.status not in {"cancelled", "sent"}:
            return "not_cancelled"
        dropped, is_asked_elsewhere = self._asked_elsewhere(invitation, older_keeps=False)
        if is_asked_elsewhere:
            return "asked_elsewhere"
        self._drop(invitation, dropped)
        invitation.status, invitation.ended_reason = "scheduled", None
        if invitation.send_at <= now:
            invitation.send_at = self.timetable_of(invitation).next_slot(now)
        invitation.next_attempt_at = invitation.send_at
        return "done"

    def reschedule(self, invitation: Invitation, now: datetime, day: date) -> str:
        """Move a scheduled invitation to a day, under the current window, whatever send_days."""
        now = now.astimezone(UTC)
        if invitation.status != "scheduled" or invitation.next_step is None:
            return REFUSALS[invitation.status]
        order = self.orders[invitation.invited_order]
        timetable = self.timetable(order, self.policy, invitation.next_step)
        today = local_day(now, timetable.zone)
        if day < today or (day == today and now >= timetable.closing(today)):
            return "past_day"
        slot = timetable.slot(day)
        if slot is None or timetable.opening(day) >= timetable.closing(day):
            return "no_slot"
        stays = invitation.rescheduled_to == day and slot < invitation.send_at <= now
        invitation.policy = self.policy
        invitation.send_at = invitation.next_attempt_at = invitation.send_at if stays else max(slot, now)
        invitation.rescheduled_to, invitation.send_now = day, False
        invitation.moved_by_merchant = True
        return "done"

    def send_now(self, invitation: Invitation, now: datetime) -> str:
        """Send a scheduled invitation now: window and days do not apply, the rest of section 7 does."""
        if invitation.status != "scheduled":
            return REFUSALS[invitation.status]
        invitation.send_at = invitation.next_attempt_at = now.astimezone(UTC)
        invitation.send_now = invitation.moved_by_merchant = True
        return "done"
