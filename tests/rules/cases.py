"""Translate the shapes of tests/data/decide.json into the values of the rules; it decides nothing."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from invite_service.domain.invitation import Channel, Invitation, InvitationStatus, InvitedProduct, Kind, Step
from invite_service.domain.merchant import Merchant, MerchantId
from invite_service.domain.order import Order, OrderEvent, OrderLine, OrderOutcome
from invite_service.domain.policy import ConsentRequirement, DelayOrigin, Policy, ProductSteps, SendZone
from invite_service.domain.suppression import Suppression, SuppressionReason

CASES = Path(__file__).parent.parent / "data" / "decide.json"

_NAMESPACE = UUID("6ba7b812-9dad-11d1-80b4-00c04fd430c8")

_READERS: dict[str, Any] = {
    "delay_origin": DelayOrigin,
    "product_steps": ProductSteps,
    "preferred_channel": Channel,
    "send_zone": SendZone,
    "consent": ConsentRequirement,
    "send_window_start": time.fromisoformat,
    "send_window_end": time.fromisoformat,
}


@dataclass(frozen=True, kw_only=True)
class Case:
    name: str
    merchant: Merchant
    policy: Policy
    now: datetime
    event: OrderEvent
    orders: list[Order]
    invitations: list[Invitation]
    suppressions: list[Suppression]
    expect: dict[str, Any]


def load_cases(path: Path = CASES) -> Iterator[Case]:
    for raw in json.loads(path.read_text()):
        order, history = raw["order"], raw["history"]
        yield Case(
            name=raw["name"],
            merchant=_merchant(raw["merchant"]),
            policy=make_policy(raw["policy"]),
            now=datetime.fromisoformat(raw["now"]),
            event=_event(order),
            orders=[_past_order(past, order) for past in history.get("orders", [])],
            invitations=[_invitation(past, order) for past in history.get("invitations", [])],
            suppressions=[
                Suppression(one["contact"], SuppressionReason(one["reason"])) for one in history.get("suppressed", [])
            ],
            expect=raw["expect"],
        )


def make_policy(settings: dict[str, Any]) -> Policy:
    known = {field.name for field in fields(Policy)}
    assert set(settings) <= known
    read: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else _READERS.get(name, lambda plain: plain)(value)
        for name, value in settings.items()
    }
    return Policy(**read)


def invitation_id(name: str) -> UUID:
    return uuid5(_NAMESPACE, name)


def _merchant(raw: dict[str, str]) -> Merchant:
    return Merchant(
        id=MerchantId(raw["id"]),
        name=raw["id"],
        time_zone=raw["time_zone"],
        homepage_url="https://shop.example",
        sandbox=False,
        created_at=datetime(2020, 1, 1, tzinfo=UTC),
    )


def _event(raw: dict[str, Any]) -> OrderEvent:
    given = dict(raw)
    for name in ("purchased_at", "shipped_at", "delivered_at"):
        if given.get(name) is not None:
            given[name] = datetime.fromisoformat(given[name])
    given["lines"] = tuple(OrderLine(**line) for line in given.pop("products"))
    return OrderEvent(**given)


def _past_order(raw: dict[str, Any], order: dict[str, Any]) -> Order:
    purchased_at = datetime.fromisoformat(raw["purchased_at"])
    return Order(
        order_id=raw["order_id"],
        purchased_at=purchased_at,
        received_at=purchased_at,
        email=order["email"],
        phone=order["phone"],
        outcome=OrderOutcome.CANCELLED if raw.get("cancelled") else OrderOutcome.BLOCKED,
        version=1,
    )


def _invitation(raw: dict[str, Any], order: dict[str, Any]) -> Invitation:
    channel = Channel(raw["channel"])
    sent_at = datetime.fromisoformat(raw["sent_at"]) if raw["sent_at"] else None
    created_at = datetime.fromisoformat(raw["created_at"])
    status = InvitationStatus(raw["status"])
    kind = Kind(raw["kind"])
    order_ids = tuple(f"{raw['id']}-{day}" for day in raw["purchased_days"])
    steps = (Step.SERVICE,) if kind is Kind.SERVICE else (Step.PRODUCT_1, Step.PRODUCT_2)
    return Invitation(
        id=invitation_id(raw["id"]),
        kind=kind,
        channel=channel,
        language="nb",
        contact=(order["email"] if channel is Channel.EMAIL else order["phone"]) or "kari@example.no",
        customer_name=None,
        status=status,
        steps=steps,
        next_step=steps[0] if status is InvitationStatus.SCHEDULED else None,
        policy_version=1,
        time_zone="Europe/Oslo",
        spread_order_id=order_ids[0],
        created_at=created_at,
        send_at=created_at,
        next_attempt_at=None,
        order_ids=order_ids,
        products=tuple(InvitedProduct(product, order_ids, asked=sent_at is not None) for product in raw["products"]),
        message_count=1 if sent_at else 0,
        first_sent_at=sent_at,
        last_sent_at=sent_at,
        last_message_at=sent_at,
    )
