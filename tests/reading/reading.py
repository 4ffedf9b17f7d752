"""A second reading of RULES.md, plain and slow, for tests to compare the real rules with.

It rests on RULES.md alone, imports nothing of invite_service, keeps everything in memory and
follows the page rather than being fast. Every message is accepted at once, so no try is repeated.
The classes build on each other: History (section 1), Deciding (3), Events (4, 5), Sending (6 to
8), Reading (the way in).

Choices, where the page leaves something open (the section whose sentence leaves it open in front):

 1. (1, 2) A repeat period of 0 days leaves the formula as it stands: a purchase made before the
    last message stays asked; only the time after the message is free.
 2. (1) An e-mail address is kept with its domain in ASCII; what email_validator refuses (quoted
    local parts, special-use names such as .local and .invalid, but not .test) is absent.
 3. (1) An invitation with no live order left belongs to a history through all the orders it had, so
    that a message that left goes on counting after its order was cancelled, for that order too.
    Live = attached and not cancelled. Otherwise an order's contacts are its present ones.
 4. (1) Only mobile and "fixed or mobile" numbers can take SMS; VoIP, toll-free, pagers are absent. A
    number without + is absent, never completed by the order's country.
 5. (1) The last message about a product is the last one that named it, whatever became of it since.
 6. (2) All statuses are compared trimmed and without case, in all three lists.
 7. (2) An unknown time_zone counts as none; a country in any case.
 8. (3) The repeat periods, and everything else that a decision or may_send reads and that is not said to
    be stored with the invitation (not_received_wait_days too), come from the current policy.
 9. (3) A wide reason on any contact of an order closes the order on every channel; a reason that is
    neither hard_bounce nor undeliverable is wide. An invitation is closed likewise by its live orders.
10. (3, rule 8) "Comes from an order purchased on the same day": any live order of the invitation.
11. (3, rule 8) The address an invitation goes to is the present one of the `invited` order, else of
    the first other live order that has one on its channel. Without any: no merge, skip `suppressed`.
12. (3, rule 9) "The latest such purchase" is the latest of those within the period.
13. (3, rules 11, 14) eligible_at is absent as long as messages are to come; a product with messages to
    come names no date, the earliest of the other products counts.
14. (3, rules 12, 13) A product on several lines is returned when all of them are, excluded when one
    of them is in an excluded category. `returned` counts only when true. What is not returned
    being all excluded is products_excluded.
15. (3, 5) purchased_at null is missing and keeps the stored one. A first event without one stores its
    accepted instant. A later change is stored and moves no plan.
16. (3) Batch: order ids by code point; an order's first event without purchased_at counts as the
    stored one, else as accepted now.
17. (3) A language tag that is not well formed, or has an extra after bare `br` or `se`, falls back.
18. (3, 4) What a merging order brings is compared with the other invitations of its own history.
19. (4) A sent, responded, failed or missed invitation keeps its products when orders are cancelled or
    lines returned. One that is in_doubt loses them and stays in_doubt.
20. (4) The oldest remaining order is the earliest purchased, then the lowest order id. From then on
    its id gives the spread, its zone the slots, its contact the address, its dates the re-plan.
21. (4, 5) A line that is no longer listed, or listed anew, changes nothing; nor does a line that was
    returned and is not any more, nor consent withdrawn, nor a changed purchase date, nor another
    contact or date of an order that is blocked for a reason other than the three of row 2.
22. (5) Fields of the customer are kept and cleared one by one, customer null clears all; products are
    replaced as one list.
23. (5) updated_at: a stored state without one is never newer; the same instant is not older. An event
    that differs in updated_at alone is equal.
24. (5) An event brings a status when it has the key; null or empty is then a triggering one, also for
    an order that is cancelled or on hold.
25. (5) Several rows can apply to one event: rule 1, then "decided", else hold, returned lines, dates.
26. (5) "Decided now" and "decided anew" take the event's instant as the origin in every row, and
    start at rule 3, so that an order may go on waiting. One decided anew may get a new invitation
    although the merchant had cancelled its first.
27. (5) A waiting order keeps its reason when another status that does not trigger comes; a cancelled
    one stays cancelled, and never pauses anything.
28. (2, 5) On hold lasts until a triggering status, or the order is cancelled; resumed when no live
    order is on hold. Statuses between (processing) do not resume. On hold, nothing is missed.
29. (5) Planned again: when the date that the chain picks was brought or changed; only while
    scheduled, also on hold, by the stored policy. Reschedule and send now move, enable does not.
30. (6) A day on which the slot is lost to a gap is not allowed for that order, neither for "now".
31. (6) "The next slot" (resume, enable) is the first slot after now, today included, never now itself;
    send_at has passed when it is not after now.
32. (6) The zone belongs to the window: send_zone of the stored policy, the order's present facts.
33. (7) Of two that would drop each other the older keeps even if the younger has sent its first
    message; one in_doubt is not judged again, so nobody keeps against it.
34. (7) A merged invitation's purchase is the earliest of the live orders that brought the product.
35. (7) Products are dropped when the message leaves, not while it is put off.
36. (7) "The next allowed day's window start" is today's when it is still to come. Statuses that leave
    hold_statuses free the invitation as it is, without a new slot. A pause of the merchant does not stop
    the deadline.
37. (7, 8) A reschedule before the first message can take the second step away (product_steps of the
    current policy is not `both`), never add one or change the first.
38. (8) Unsubscribing cancels the invitation it came through; others are skipped when their time comes.
39. (8) Enable drops what is asked elsewhere at once, whichever is older. Refusals of other actions
    name the status (`already_sent`, `cancelled`, `missed`, ...), `no_slot` for a day without a slot.
40. (3, 8) An order stays invited or merged whatever becomes of its invitation.
41. (7, 8) Due messages are judged by next_attempt_at, then id, each seeing the ones before it.
"""

from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from .policy import full_policy, status_is_in
from .records import FACTS, Invitation, Message, Order, OrderError, Verdict, read_event, read_instant
from .sending import Sending

CASE_EMAIL = "kari@example.no"
CASE_PHONE = "+4791234567"
"""Contacts of the one person the cases of tests/data/decide.json speak of."""


class Reading(Sending):
    """One merchant's orders and invitations, decided as RULES.md reads."""

    def change_policy(self, **changes: Any) -> None:
        """Save a new version of the policy; invitations keep the one stored with them."""
        self.policy = full_policy({**self.policy, **changes})

    def post(self, order: dict[str, Any], accepted_at: datetime) -> Verdict:
        """Take one order event, the body of `POST /v1/orders`; raises OrderError for one that is wrong."""
        now = accepted_at.astimezone(UTC)
        brought = read_event(order)
        purchased_at = brought.get("purchased_at")
        if purchased_at is not None and purchased_at > now + timedelta(hours=24):
            raise OrderError("purchased more than 24 h in the future")
        known = self.orders.get(str(order["order_id"]))
        if known is not None:
            known.events.append(order)
            return self.later_event(known, brought, now)
        nothing: dict[str, Any] = {**dict.fromkeys(FACTS), "products": [], "purchased_at": now}
        new = Order(str(order["order_id"]), {**nothing, **brought}, events=[order])
        self.orders[new.order_id] = new
        self.remember_contacts(new)
        # Section 3, rule 1.
        if status_is_in(new.facts["status"], self.policy["cancel_statuses"]):
            return self.cancel_order(new, now)
        return self.decide(new, now)

    def post_batch(self, orders: list[dict[str, Any]], accepted_at: datetime) -> list[Verdict | OrderError]:
        """Take a batch; the answers stand in the order of the batch, a wrong order fails alone.

        Section 3: decided by purchased_at (of their first event in it), then order id; several
        events of one order in their list order.
        """
        positions: dict[str, list[int]] = {}
        for position, order in enumerate(orders):
            positions.setdefault(str(order["order_id"]), []).append(position)

        def turn(order_id: str) -> tuple[datetime, str]:
            first = orders[positions[order_id][0]].get("purchased_at")
            if first is not None:
                return read_instant(first), order_id
            known = self.orders.get(order_id)
            return (known.purchased_at if known else accepted_at.astimezone(UTC)), order_id

        answers: dict[int, Verdict | OrderError] = {}
        for order_id in sorted(positions, key=turn):
            for position in positions[order_id]:
                try:
                    answers[position] = self.post(orders[position], accepted_at)
                except OrderError as error:
                    answers[position] = error
        return [answers[position] for position in range(len(orders))]

    def counts(self) -> dict[str, dict[str, int]]:
        """Return how many orders have each outcome, and each reason."""
        outcomes = Counter(order.outcome for order in self.orders.values())
        reasons = Counter(order.reason for order in self.orders.values() if order.reason)
        return {"outcomes": dict(sorted(outcomes.items())), "reasons": dict(sorted(reasons.items()))}

    # The cases of tests/data/decide.json

    @classmethod
    def from_case(cls, case: dict[str, Any]) -> "Reading":
        """Build the state that one case describes: its history of orders, invitations, suppressions.

        All of the history shares both contacts of the one person the cases speak of. Orders of the
        history were never decided for an invitation, so they wait. An invitation comes from one
        order per purchased day, bought at noon.
        """
        merchant, history = case["merchant"], case["history"]
        reading = cls(merchant["id"], merchant["time_zone"], case["policy"])
        for order in history.get("orders", []):
            reading._case_order(order["order_id"], read_instant(order["purchased_at"]), order.get("cancelled"))
        for invitation in history.get("invitations", []):
            reading._case_invitation(invitation)
        for suppressed in history.get("suppressed", []):
            reading.suppress(suppressed["contact"], suppressed["reason"])
        return reading

    def _case_order(self, order_id: str, purchased_at: datetime, cancelled: bool | None = None) -> Order:
        """Store an order of a case's history."""
        facts: dict[str, Any] = {**dict.fromkeys(FACTS), "products": [], "purchased_at": purchased_at}
        facts |= {"email": CASE_EMAIL, "phone": CASE_PHONE, "status": "processing"}
        order = Order(order_id, facts, outcome="cancelled" if cancelled else "waiting")
        order.triggered_at = purchased_at
        self.orders[order_id] = order
        self.remember_contacts(order)
        return order

    def _case_invitation(self, given: dict[str, Any]) -> None:
        """Store an invitation of a case's history."""
        number = int(given["id"].removeprefix("inv-"))
        first = "service" if given["kind"] == "service" else "product_1"
        steps = [first] if first == "service" or given["channel"] == "sms" else ["product_1", "product_2"]
        sent_at = None if given["sent_at"] is None else read_instant(given["sent_at"])
        created_at = read_instant(given["created_at"])
        invitation = Invitation(
            id=number,
            kind=given["kind"],
            channel=given["channel"],
            language="en",
            steps=steps,
            next_step=steps[-1] if sent_at else first,
            products=list(given["products"]),
            invited_order="",
            order_ids=[],
            brought={},
            created_at=created_at,
            send_at=created_at + timedelta(days=14),
            next_attempt_at=created_at + timedelta(days=14),
            policy=self.policy,
            status=given["status"],
        )
        if sent_at is not None:
            invitation.messages.append(Message(first, sent_at, list(given["products"]), CASE_EMAIL))
        self.invitations[number] = invitation
        for text in given["purchased_days"]:
            noon = datetime.combine(date.fromisoformat(text), time(12), self.zone)
            order = self._case_order(f"{given['id']}/{text}", noon.astimezone(UTC))
            order.outcome = "merged" if invitation.order_ids else "invited"
            invitation.invited_order = invitation.invited_order or order.order_id
            invitation.brought[order.order_id] = list(given["products"])
            self._attach(order, invitation)
