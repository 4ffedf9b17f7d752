"""decide(): RULES.md section 3, rules 3 to 15, and the draw and the first slot of section 6."""

from datetime import datetime, timedelta
from typing import Any

from .history import History, to_come
from .languages import choose_language
from .policy import status_is_in, status_triggers
from .records import TO_COME, Invitation, Order, Verdict
from .slots import is_drawn_for_service
from .zones import local_day

ORIGINS = ("delivered", "shipped", "purchased")
"""Section 2, delay_origin: the chain along which a missing date falls back; `scheduled` ends it."""


class Deciding(History):
    """Decides an order against its history."""

    def decide(self, order: Order, now: datetime) -> Verdict:
        """Apply rules 3 to 15; the first line that applies decides."""
        policy, facts = self.policy, order.facts
        contacts = order.contacts
        orders = [other for other in self.history_orders(contacts) if other is not order]
        history = self.history_invitations(contacts)

        # 3: a status was given and it is in hold_statuses, or not in a non-empty trigger_statuses.
        if status_is_in(facts["status"], policy["hold_statuses"]):
            return self._settle(order, Verdict("waiting", "on_hold", 3))
        if not status_triggers(facts["status"], policy):
            return self._settle(order, Verdict("waiting", "status_not_triggering", 3))
        order.triggered_at = now

        # 4: age = now - purchased_at, exactly the limit is allowed; 0 = off.
        limit = policy["max_order_age_days"]
        if limit > 0 and now - order.purchased_at > timedelta(days=limit):
            return self._settle(order, Verdict("blocked", "order_too_old", 4))

        # 5
        if not contacts:
            return self._settle(order, Verdict("blocked", "no_contact", 5))

        # 6
        if policy["consent"] == "required" and facts["consent"] is not True:
            return self._settle(order, Verdict("blocked", "no_consent", 6))

        # 7
        channel = self._choose_channel(order)
        if channel is None:
            return self._settle(order, Verdict("blocked", "suppressed", 7))

        # 8
        target = self._merge_target(order, history)
        if target is not None:
            return self._settle(order, self._merge(order, target, history))

        # 9
        if policy["block_days"] > 0:
            period = timedelta(days=policy["block_days"])
            purchases = [o.purchased_at for o in orders if o.outcome != "cancelled"]
            near = [p for p in purchases if abs(p - order.purchased_at) < period]
            if near:
                verdict = Verdict("blocked", "repeat_customer_block", 9, eligible_at=max(near) + period)
                return self._settle(order, verdict)

        # 10
        pending = [i for i in history if i.status in TO_COME]
        if pending:
            kind = pending[-1].kind
        elif is_drawn_for_service(self.merchant_id, order.order_id, policy["service_percent"]):
            kind = "service"
        else:
            kind = "product"

        # 11
        if kind == "service":
            if to_come(history, "service"):
                return self._settle(order, Verdict("blocked", "service_asked_recently", 11, kind=kind))
            until = self.asked_until(history, "service", None)
            if until is not None and order.purchased_at < until:
                verdict = Verdict("blocked", "service_asked_recently", 11, kind=kind, eligible_at=until)
                return self._settle(order, verdict)
            return self._settle(order, self._invite(order, now, kind=kind, channel=channel, products=[]))

        # 12
        kept = [product for product in order.product_ids if product not in order.returned_ids]
        if not kept:
            return self._settle(order, Verdict("blocked", "no_products", 12, kind=kind))

        # 13
        wanted = [product for product in kept if not self._is_excluded(order, product)]
        if not wanted:
            return self._settle(order, Verdict("blocked", "products_excluded", 13, kind=kind))

        # 14
        fresh = [product for product in wanted if not self._is_asked(order, product, history)]
        if not fresh:
            eligible_at = self._earliest_eligible(wanted, history)
            verdict = Verdict("blocked", "products_asked_recently", 14, kind=kind, eligible_at=eligible_at)
            return self._settle(order, verdict)

        # 15
        return self._settle(order, self._invite(order, now, kind=kind, channel=channel, products=fresh))

    def _settle(self, order: Order, verdict: Verdict) -> Verdict:
        """Store the answer with the order."""
        order.outcome, order.reason, order.verdict = verdict.outcome, verdict.reason, verdict
        return verdict

    def _choose_channel(self, order: Order) -> str | None:
        """Return the channel (section 3, 'Channel'); None when no channel can be used (rule 7)."""
        if self.is_closed_widely(order.contacts):
            return None
        preferred = self.policy["preferred_channel"]
        other = "sms" if preferred == "email" else "email"
        address = {"email": order.email, "sms": order.phone}
        for channel in (preferred, other):
            contact = address[channel]
            if contact is not None and not self.is_closed(contact):
                return str(channel)
        return None

    def _merge_target(self, order: Order, history: list[Invitation]) -> Invitation | None:
        """Return the invitation that rule 8 merges into: the oldest, then the lowest id."""
        day = local_day(order.purchased_at, self.zone)
        for invitation in history:
            days = {local_day(member.purchased_at, self.zone) for member in self.live_orders(invitation)}
            if invitation.is_open and day in days and not self.is_unreachable(invitation):
                return invitation
        return None

    def _merge(self, order: Order, invitation: Invitation, history: list[Invitation]) -> Verdict:
        """Attach the order (section 4, 'Merge'): channel, language, kind, send_at and steps stay."""
        brought: list[str] = []
        if invitation.kind == "product":
            others = [other for other in history if other is not invitation]
            brought = [
                product
                for product in order.product_ids
                if product not in order.returned_ids
                and not self._is_excluded(order, product)
                and not self._is_asked(order, product, others)
            ]
        added = [product for product in brought if product not in invitation.products]
        invitation.products += added
        invitation.brought[order.order_id] = brought
        self._attach(order, invitation)
        return Verdict(
            "merged",
            rule=8,
            kind=invitation.kind,
            channel=invitation.channel,
            language=invitation.language,
            steps=list(invitation.steps),
            products=list(invitation.products),
            send_at=invitation.send_at,
            invitation=invitation.id,
            into=invitation.id,
            products_added=added,
        )

    def _attach(self, order: Order, invitation: Invitation) -> None:
        """Make the order a live one of the invitation."""
        order.invitation = invitation.id
        if order.order_id not in invitation.order_ids:
            invitation.order_ids.append(order.order_id)
        if invitation.id not in order.invitations:
            order.invitations.append(invitation.id)

    def _is_excluded(self, order: Order, product: str) -> bool:
        """Say whether a product is excluded by its id, or by the category of any of its lines."""
        if product in self.policy["excluded_product_ids"]:
            return True
        categories = {line.get("category") for line in order.facts["products"] if str(line["id"]) == product}
        return bool(categories & set(self.policy["excluded_categories"]))

    def _is_asked(self, order: Order, product: str, history: list[Invitation]) -> bool:
        """Say whether the product is asked, for this purchase (section 1, 'asked')."""
        if any(invitation.has_to_come(product) for invitation in to_come(history, "product")):
            return True
        until = self.asked_until(history, "product", product)
        return until is not None and order.purchased_at < until

    def _earliest_eligible(self, products: list[str], history: list[Invitation]) -> datetime | None:
        """Return the earliest end of a period; a product with messages to come names none (rule 14)."""
        pending = to_come(history, "product")
        free = [p for p in products if not any(invitation.has_to_come(p) for invitation in pending)]
        ends = [self.asked_until(history, "product", product) for product in free]
        return min((end for end in ends if end is not None), default=None)

    def _invite(self, order: Order, now: datetime, *, kind: str, channel: str, products: list[str]) -> Verdict:
        """Make the invitation (rule 15)."""
        policy = self.policy
        steps = choose_steps(kind, channel, policy["product_steps"])
        send_at = self.first_send_at(order, kind, steps[0], policy, now)
        invitation = Invitation(
            id=max(self.invitations, default=0) + 1,
            kind=kind,
            channel=channel,
            language=choose_language(policy["language"], order.facts["language"], policy["fallback_language"]),
            steps=steps,
            next_step=steps[0],
            products=list(products),
            invited_order=order.order_id,
            order_ids=[],
            brought={order.order_id: list(products)},
            created_at=now,
            send_at=send_at,
            next_attempt_at=send_at,
            policy=policy,
        )
        self.invitations[invitation.id] = invitation
        self._attach(order, invitation)
        return Verdict(
            "invited",
            rule=15,
            kind=kind,
            channel=channel,
            language=invitation.language,
            steps=list(steps),
            products=list(products),
            send_at=send_at,
            invitation=invitation.id,
        )

    def first_send_at(self, order: Order, kind: str, step: str, policy: dict[str, Any], now: datetime) -> datetime:
        """Return the plan of the first message (section 6): the slot of local day of the origin + delay."""
        timetable = self.timetable(order, policy, step)
        _, origin = find_origin(order, policy["delay_origin"])
        day = local_day(origin, timetable.zone) + timedelta(days=policy[f"{kind}_delay_days"])
        return timetable.plan(day, now)


def choose_steps(kind: str, channel: str, product_steps: str) -> list[str]:
    """Return the steps (section 3, 'Steps')."""
    if kind == "service":
        return ["service"]
    if channel == "sms":
        return ["product_1"]
    by_policy = {
        "both": ["product_1", "product_2"],
        "first_only": ["product_1"],
        "second_only": ["product_2"],
    }
    return by_policy[product_steps]


def find_origin(order: Order, delay_origin: str) -> tuple[str, datetime]:
    """Return the field the delay counts from, and its instant: delivered, shipped, purchased, scheduled."""
    if delay_origin != "scheduled":
        for origin in ORIGINS[ORIGINS.index(delay_origin) :]:
            instant = order.facts[f"{origin}_at"]
            if instant is not None:
                return f"{origin}_at", instant
    if order.triggered_at is None:
        raise AssertionError("an order that never triggered has no plan")
    return "scheduled", order.triggered_at
