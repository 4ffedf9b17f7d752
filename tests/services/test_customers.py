"""What customers ask about their data: all of it handed out, and all of it gone."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import orjson
import pytest
from sqlalchemy.dialects import postgresql

from invite_service.domain.customer import CustomerRecord, Erasure
from invite_service.domain.errors import ActionRefusedError, TokenNotFoundError
from invite_service.domain.invitation import Channel, Invitation, InvitationStatus
from invite_service.domain.message import Message
from invite_service.domain.order import OrderOutcome
from invite_service.domain.provider_event import EventKind
from invite_service.domain.publishing import RejectReason
from invite_service.domain.receipt import Receipt
from invite_service.domain.suppression import Subject, SubjectKind, SuppressionReason, SuppressionSource
from invite_service.providers.doubles import RecordingSender
from invite_service.rules.suppressions import read_subject
from invite_service.services.approvals import ApprovalService
from invite_service.services.contact_hashes import ContactHashes
from invite_service.services.customers import MAX_EXPORTED, CustomerService, TooManyOrdersError
from invite_service.services.replies import ReplyService
from invite_service.services.suppressions import SuppressionEntry, SuppressionService
from invite_service.storage.tables import REFERENCE_TABLES, metadata
from tests.services.test_feedback import FeedbackHouse, stars
from tests.support.builders import NOON, make_line, make_order_event, new_id
from tests.support.sending import SECRET, SendingHouse
from tests.support.telling import TellingHouse, make_event

DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]

DAY = timedelta(days=1)
KARI = "canary@example.com"
PHONE = "+4791234567"
CANARIES = ("canary", "91234567")

PERSONAL: dict[str, set[str]] = {
    "orders": {
        "customer_id",
        "customer_name",
        "email",
        "phone",
        "email_key",
        "phone_key",
        "email_fault",
        "phone_fault",
        "attributes",
        "discount_code",
        "discount_description",
    },
    "order_lines": {"variant_id", "variant_name"},
    "order_events": {"body"},
    "invitations": {"contact", "customer_name"},
    "attempts": {"raw_answer"},
    "mailbox_messages": {"recipient", "subject", "text", "html", "headers"},
    "reviews": {"text", "displayed_name"},
    "review_versions": {"text"},
    "replies": {"text"},
    "review_reports": {"comment"},
    "suppressions": {"note"},
    "idempotency_keys": {"answer"},
}
"""Columns that may tell who a customer is, each of which an erasure empties or deletes."""

UNTOLD: dict[str, set[str]] = {
    # Keyed hashes: of a contact, so that it stays unwritten to; of visitors, of addresses, of what a client chose.
    "contacts": {"contact_key"},
    "erasures": {"contact_key", "erased_by"},
    "address_counts": {"address_key"},
    "review_votes": {"visitor_key"},
    # What providers say comes here without addresses and numbers.
    "provider_events": {
        "provider", "event_id", "kind", "raw_kind", "reason", "provider_message_id", "contact_key",
    },
    "attempts": {
        "step", "channel", "language", "provider", "message_id", "idempotency_key", "content_hash", "product_ids",
        "outcome", "reason", "provider_message_id", "currency", "delivery",
    },
    "notices": {
        "notice", "channel", "status", "reason", "provider", "message_id", "content_hash", "provider_message_id",
        "currency",
    },
    # Ids, words of ours, figures.
    "orders": {"order_id", "status", "language", "country", "time_zone", "outcome", "reason", "trace"},
    "order_lines": {
        "order_id", "product_id", "name", "url", "image_url", "brand", "sku", "gtin", "mpn", "category", "currency",
    },
    "order_events": {"order_id"},
    "invitations": {
        "kind", "channel", "language", "contact_key", "status", "steps", "next_step", "time_zone", "spread_order_id",
        "order_ids", "ended_reason",
    },
    "invitation_orders": {"order_id"},
    "invitation_products": {"product_id", "brought_by"},
    "mailbox_messages": {"step", "channel"},
    "ratings": {"product_id", "state", "reject_reason", "moved_from"},
    "reviews": {"language", "state"},
    "review_versions": {"actor"},
    "replies": {"created_by"},
    "review_reports": {"visitor_key", "reason"},
    "support_cases": {"opened_by", "followed_up_by", "closed_by"},
    "suppressions": {"contact_key", "reason", "kind", "channel", "source"},
    "idempotency_keys": {"path", "key_hash", "fingerprint"},
    "timeline_entries": {"order_id", "actor", "event", "reason", "data"},
    "webhook_events": {"kind", "data"},
    "webhook_deliveries": {"status", "last_answer"},
    "batch_updates": {"action", "chosen_by", "created_by"},
    "batch_update_orders": {"order_id", "before_reason", "before_trace"},
    "batch_update_chunks": {"order_ids", "skipped"},
    "batch_update_changes": {
        "action", "actor", "before_status", "before_steps", "before_next_step", "before_products", "status",
    },
    "rating_totals": {"product_id", "state"},
    "review_totals": {"product_id", "state"},
    "public_versions": {"product_id"},
    "response_periods": {"unit"},
    "products": {"product_id", "name", "url", "image_url", "brand", "category"},
    # The merchant's own.
    "policies": {"settings", "created_by"},
    "publishing_settings": {"settings", "created_by"},
    "branding": {"settings"},
    "texts": {"text", "language", "fields", "created_by"},
    "test_messages": {"text", "language", "channel", "sent_by"},
    "channels": {"channel", "paused_reason"},
    "channel_settings": {
        "channel", "provider", "key_id", "sealed_options", "from_address", "from_name", "reply_to", "sms_currency",
        "check_outcome", "check_reason",
    },
    "provider_circuits": {"channel", "provider", "reason"},
    "send_paces": {"channel"},
    "webhook_endpoints": {"url", "kinds", "key_id", "sealed_secret", "description"},
}  # fmt: skip
"""Columns that tell nobody who a customer is, and stay."""

EVENT_BODY = {
    "order_id": "1001",
    "status": "fulfilled",
    "customer": {"id": "canary-7", "email": KARI, "name": "Canary Nordmann", "phone": PHONE},
    "attributes": ["canary club"],
    "discount": {"code": "CANARY10", "description": "Canary, thank you"},
    "products": [{"id": "mug", "name": "The mug", "variant_id": "canary", "variant_name": "Engraved: Canary"}],
    "note of an earlier release": "canary",
}


def subject(contact: str) -> Subject:
    read = read_subject(contact).subject
    assert read is not None
    return read


class CustomerHouse(FeedbackHouse):
    """A merchant whose customers ask about their data."""

    def __init__(self, house: SendingHouse) -> None:
        super().__init__(house)
        self.customers = CustomerService(house.database, clock=house.clock, new_id=new_id)
        self.approvals = ApprovalService(house.database, clock=house.clock, new_id=new_id)

    async def erase(self, contact: str = KARI, *, keeps_reviews: bool = False) -> Erasure:
        return await self.customers.erase(
            self.house.merchant, subject(contact), keeps_reviews=keeps_reviews, actor="key:support"
        )

    async def export(self, contact: str = KARI) -> CustomerRecord:
        return await self.customers.export(self.house.merchant, subject(contact))

    async def timeline(self) -> list[tuple[str, str, Any]]:
        rows = await self.house.rows(
            "SELECT event, actor, data - 'erasure_id' AS data FROM timeline_entries WHERE event LIKE '%\\_erased'"
            " ORDER BY id"
        )
        return [(row["event"], row["actor"], row["data"]) for row in rows]

    async def find(self, *canaries: str) -> set[str]:
        """Name the tables that hold any of these texts, in whichever column, as text or in bytes."""
        wanted = "|".join(text for canary in canaries for text in (canary, canary.encode().hex()))
        found = set()
        for table in sorted(metadata.tables):
            if await self.house.rows(f"SELECT 1 FROM {table} AS t WHERE t::text ~* $1 LIMIT 1", wanted):
                found.add(table)
        return found


@pytest.fixture
async def shop(house: SendingHouse) -> CustomerHouse:
    return CustomerHouse(house)


async def plant(shop: CustomerHouse) -> Invitation:
    """Leave a customer's data wherever any can lie."""
    house = shop.house
    line = make_line(id="mug", variant_id="canary", variant_name="Engraved: Canary")
    invitation = await house.invite(
        email=KARI,
        phone=PHONE,
        name="Canary Nordmann",
        customer_id="canary-7",
        attributes=("canary club",),
        discount_code="CANARY10",
        discount_description="Canary, thank you",
        lines=(line,),
    )
    recording = RecordingSender()
    await house.send(recording)
    async with house.database.transaction() as stores:
        await stores.mailbox.keep(recording.messages[0], real_now=house.clock.now)
    await shop.leave(invitation, stars("mug", 2, "A canary wrote this."))
    [rating] = await shop.leave(invitation, stars("mug", 3, "The canary thought again."))
    replies = ReplyService(house.database, clock=house.clock, new_id=new_id)
    await replies.write(house.merchant, rating.id, "Dear Canary, thank you.", actor="key:support")
    suppressions = SuppressionService(house.database, hashes=ContactHashes(SECRET), clock=house.clock)
    entry = SuppressionEntry(
        subject=subject(PHONE), reason=SuppressionReason.MANUAL, channel=Channel.SMS, since=None, note="Canary called"
    )
    await suppressions.enter(house.merchant, [entry], actor="key:support")
    merchant_id = house.merchant.id
    await house.rows("UPDATE attempts SET raw_answer = 'no such user: canary'")
    await house.rows("UPDATE order_events SET body = $1::text::json", orjson.dumps(EVENT_BODY).decode())
    await house.rows(
        "INSERT INTO review_reports VALUES ($1, $2, $3, 'v', 'other', 'I know this canary', $4)",
        merchant_id, new_id(), rating.id, NOON,
    )  # fmt: skip
    await house.rows("INSERT INTO review_pictures VALUES ($1, $2, $3, $4)", merchant_id, new_id(), rating.id, NOON)
    await house.rows(
        "INSERT INTO idempotency_keys VALUES ($1, $2, 'k', 'f', $3, NULL, 200, 'sealed canary')",
        merchant_id, f"/v1/invitations/{invitation.id}/cancel", house.clock.now,
    )  # fmt: skip
    return invitation


def test_every_column_that_can_hold_a_text_is_told_personal_or_not() -> None:
    texts = {
        name: {
            column.name
            for column in table.columns
            if column.name != "merchant_id"
            and column.type.compile(dialect=DIALECT).startswith(("TEXT", "JSON", "BYTEA"))
        }
        for name, table in metadata.tables.items()
        if name not in REFERENCE_TABLES
    }
    told = {name: PERSONAL.get(name, set()) | UNTOLD.get(name, set()) for name in PERSONAL.keys() | UNTOLD.keys()}
    assert told == {name: columns for name, columns in texts.items() if columns}
    assert not any(PERSONAL.get(name, set()) & columns for name, columns in UNTOLD.items())


@pytest.mark.parametrize("contact", [KARI, PHONE])
async def test_everything_is_in_the_export_and_nothing_is_left_after_erasing(shop: CustomerHouse, contact: str) -> None:
    await plant(shop)
    assert await shop.find(*CANARIES) == PERSONAL.keys()
    told = orjson.dumps((await shop.export(contact)).parts).decode()
    told = told.lower()
    for canary in (
        KARI, PHONE, "canary nordmann", "canary-7", "canary club", "canary10", "canary, thank you", "engraved: canary",
        "note of an earlier release", "no such user: canary", "a canary wrote this", "the canary thought again",
        "canary n.", "dear canary", "i know this canary", "canary called", "<!doctype html",
    ):  # fmt: skip
        assert canary in told, canary
    before = await shop.totals()
    erasure = await shop.erase(contact)
    assert (erasure.orders, erasure.invitations, erasure.ratings, erasure.reviews) == (1, 1, 1, 1)
    assert (erasure.contacts, erasure.pictures) == (2, 1)
    assert await shop.find(*CANARIES) == set()
    assert await shop.totals() == await shop.recount() == before
    hanging = "SELECT 1 FROM review_pictures WHERE rating_id IS NOT NULL OR stored_at > 'epoch'"
    assert await shop.house.rows(hanging) == []
    [event] = await shop.house.rows("SELECT body FROM order_events")
    assert event["body"] == {
        "order_id": "1001",
        "status": "fulfilled",
        "products": [{"id": "mug", "name": "The mug"}],
    }
    left = orjson.dumps((await shop.export(contact)).parts).decode().lower()
    assert not any(canary in left for canary in CANARIES)


async def test_second_erasure_is_answered_alike_and_changes_nothing(shop: CustomerHouse) -> None:
    await plant(shop)
    first = await shop.erase()
    tables = ("orders", "invitations", "timeline_entries", "erasures", "suppressions", "rating_totals")
    stored = [await shop.house.rows(f"SELECT * FROM {table}") for table in tables]
    shop.house.clock.advance(timedelta(hours=1))
    assert await shop.erase() == first
    assert [await shop.house.rows(f"SELECT * FROM {table}") for table in tables] == stored
    assert await shop.timeline() == [
        (
            "customer_erased",
            "key:support",
            {"contacts": 2, "orders": 1, "invitations": 1, "ratings": 1, "reviews": 1, "pictures": 1},
        ),
        ("order_erased", "key:support", {}),
        ("invitation_erased", "key:support", {"earlier_status": "responded"}),
    ]


async def test_kept_reviews_lose_their_name_and_can_go_later(shop: CustomerHouse) -> None:
    await plant(shop)
    assert (await shop.erase(keeps_reviews=True)).reviews == 0
    [review] = await shop.house.rows("SELECT text, displayed_name FROM reviews")
    assert tuple(review) == ("The canary thought again.", "")
    assert await shop.find(*CANARIES) == {"reviews", "replies"}
    assert await shop.totals() == await shop.recount()
    assert (await shop.erase()).reviews == 1
    assert await shop.find(*CANARIES) == set()
    assert await shop.totals() == await shop.recount()


async def test_support_case_of_an_erased_customer_is_closed(shop: CustomerHouse) -> None:
    invitation = await shop.house.invite(email=KARI)
    [rating] = await shop.leave(invitation, stars("mug", 1, "The canary is not content."))
    await shop.approvals.hold(shop.house.merchant, rating.id, actor="key:support")
    await shop.erase()
    [case] = await shop.house.rows("SELECT closed_at, closed_by FROM support_cases")
    assert tuple(case) == (shop.house.merchant.now(shop.house.clock.now), "key:support")
    closed = "SELECT invitation_id FROM timeline_entries WHERE event = 'support_case_closed'"
    assert [row["invitation_id"] for row in await shop.house.rows(closed)] == [invitation.id]
    assert await shop.totals() == await shop.recount()


async def test_support_case_opened_since_is_closed_by_the_next_erasure(shop: CustomerHouse) -> None:
    invitation = await shop.house.invite(email=KARI)
    [rating] = await shop.leave(invitation, stars("mug", 1, "The canary is not content."))
    await shop.erase(keeps_reviews=True)
    await shop.approvals.hold(shop.house.merchant, rating.id, actor="key:support")
    await shop.erase(keeps_reviews=True)
    assert await shop.house.rows("SELECT 1 FROM support_cases WHERE closed_at IS NULL") == []
    told = "SELECT event FROM timeline_entries WHERE event LIKE 'support\\_case\\_%' ORDER BY id"
    assert [row["event"] for row in await shop.house.rows(told)] == ["support_case_opened", "support_case_closed"]


async def test_contact_of_too_many_orders_is_not_exported(shop: CustomerHouse) -> None:
    await shop.house.post(make_order_event(order_id="A", email=KARI))
    copy = (
        "INSERT INTO orders SELECT (jsonb_populate_record(o, jsonb_build_object('order_id', 'B' || n))).*"
        " FROM orders AS o, generate_series(2, $1::int) AS n"
    )
    await shop.house.rows(copy, MAX_EXPORTED)
    assert len((await shop.export()).parts["orders"]) == MAX_EXPORTED
    await shop.house.post(make_order_event(order_id="C", email=KARI))
    with pytest.raises(TooManyOrdersError, match="More than 5000 orders"):
        await shop.export()


async def test_contact_nobody_has_seen_is_never_written_to(shop: CustomerHouse) -> None:
    erasure = await shop.erase("stranger@example.com")
    assert (erasure.contacts, erasure.orders, erasure.found_nothing) == (1, 0, True)
    [ingested] = await shop.house.post(make_order_event(email="stranger@example.com"))
    assert (ingested.order.outcome, ingested.order.reason) == (OrderOutcome.BLOCKED, "suppressed")


async def test_planned_messages_end_and_the_next_order_is_suppressed(shop: CustomerHouse) -> None:
    invitation = await shop.house.invite(email=KARI, phone=PHONE)
    waiting = make_order_event(order_id="1002", email=KARI, status="new", products=("tent",))
    await shop.house.post(waiting)
    await shop.erase(PHONE)
    stored = await shop.house.invitation(invitation.id)
    assert (stored.status, stored.contact, stored.next_attempt_at, stored.ended_reason) == (
        InvitationStatus.ERASED, "", None, "erased",
    )  # fmt: skip
    with pytest.raises(TokenNotFoundError):
        await shop.service.open_page(shop.token(invitation), is_noted=True)
    recording = RecordingSender()
    await shop.house.send(recording)
    assert recording.messages == []
    for event in (
        make_order_event(order_id="1003", email=KARI),
        make_order_event(order_id="1004", email="new@example.com", phone=PHONE),
        make_order_event(order_id="1001", email=KARI, phone=PHONE, status="delivered"),
    ):
        [ingested] = await shop.house.post(event)
        assert ingested.invitation is None or ingested.invitation.status is InvitationStatus.ERASED
    outcomes = await shop.house.rows("SELECT order_id, outcome, reason FROM orders ORDER BY order_id")
    assert [tuple(row) for row in outcomes] == [
        ("1001", "invited", None),
        ("1002", "waiting", "status_not_triggering"),
        ("1003", "blocked", "suppressed"),
        ("1004", "blocked", "suppressed"),
    ]
    assert (await shop.erase(PHONE)).orders == 3
    assert await shop.find(*CANARIES) == set()


@pytest.mark.parametrize("kind", [EventKind.BOUNCED_HARD, EventKind.COMPLAINED, EventKind.STOPPED, EventKind.DELIVERED])
async def test_late_news_of_an_erased_customer_closes_nothing_further(shop: CustomerHouse, kind: EventKind) -> None:
    telling = TellingHouse(shop.house)
    await shop.house.invite(email=KARI, phone=PHONE)
    await shop.house.send(RecordingSender())
    await shop.erase()
    keys = "SELECT DISTINCT contact_key FROM suppressions ORDER BY contact_key"
    before = await shop.house.rows(keys)
    address = PHONE if kind is EventKind.STOPPED else None
    await telling.tell(make_event(kind, address=address, attempt_id=await telling.attempt_id()))
    assert await shop.house.rows(keys) == before
    assert await shop.house.rows("SELECT 1 FROM provider_events WHERE look_at IS NOT NULL") == []
    assert await shop.find(*CANARIES) == set()


class MeanwhileSender(RecordingSender):
    """Lets something happen during its call."""

    def __init__(self, meanwhile: Callable[[], Awaitable[object]]) -> None:
        super().__init__()
        self._meanwhile = meanwhile

    async def send(self, message: Message) -> Receipt:
        await self._meanwhile()
        return await super().send(message)


async def test_message_on_its_way_ends_in_an_erased_invitation(shop: CustomerHouse) -> None:
    invitation = await shop.house.invite(email=KARI)
    await shop.house.send(sender := MeanwhileSender(shop.erase))
    async with shop.house.database.transaction() as stores:
        await stores.mailbox.keep(sender.messages[0], real_now=shop.house.clock.now)
    stored = await shop.house.invitation(invitation.id)
    assert (stored.status, stored.message_count, stored.next_attempt_at) == (InvitationStatus.ERASED, 1, None)
    [attempt] = await shop.house.attempts()
    assert attempt["outcome"] == "accepted"
    assert await shop.find(*CANARIES) == set()


async def test_customers_who_share_a_number_are_one(shop: CustomerHouse) -> None:
    await shop.house.post(
        make_order_event(order_id="1", email=KARI, phone=PHONE),
        make_order_event(order_id="2", email=None, phone=PHONE),
        make_order_event(order_id="3", email="canary.home@example.com", phone=PHONE, purchased_at=NOON - DAY),
        make_order_event(order_id="4", email="canary.home@example.com", purchased_at=NOON - 5 * DAY),
        make_order_event(order_id="5", email="ola@example.com"),
    )
    assert (await shop.erase()).orders == 3
    named = await shop.house.rows("SELECT order_id FROM orders WHERE customer_name IS NOT NULL ORDER BY order_id")
    assert [row["order_id"] for row in named] == ["4", "5"]
    async with shop.house.database.transaction() as stores:
        stored = await stores.suppressions.list_stored(
            shop.house.merchant.id, [subject(one) for one in (KARI, PHONE, "canary.home@example.com")]
        )
    assert sorted((one.kind, one.reason, one.source, one.channel) for one in stored) == [
        (SubjectKind.EMAIL, SuppressionReason.ERASED, SuppressionSource.ERASURE, None),
        (SubjectKind.PHONE, SuppressionReason.ERASED, SuppressionSource.ERASURE, None),
    ]


async def test_erasures_and_orders_that_meet_leave_nobody_half_erased(shop: CustomerHouse) -> None:
    async def order(number: int) -> None:
        await shop.house.post(make_order_event(order_id=f"A{number}", email=KARI, phone=PHONE))

    await asyncio.gather(*(order(number) for number in range(4)), *(shop.erase() for _ in range(3)))
    await shop.erase()
    assert await shop.find(*CANARIES) == set()
    assert len(await shop.house.rows("SELECT 1 FROM suppressions WHERE reason = 'erased'")) == 2


async def test_totals_stay_exact_through_edits_decisions_and_erasures(shop: CustomerHouse) -> None:
    chance = random.Random(5)
    products = ("mug", "tent", None)
    invitations = [
        await shop.house.invite(order_id=f"A{number}", email=f"canary{number}@example.com", products=products[:2])
        for number in range(8)
    ]

    async def leave(number: int) -> None:
        text = chance.choice([None, f"Canary {number}."])
        given = stars(chance.choice(products[:2]), chance.randint(1, 5), text)
        with contextlib.suppress(TokenNotFoundError):
            await shop.leave(invitations[number], given)

    async def decide(_: int) -> None:
        rows = await shop.house.rows("SELECT id FROM ratings ORDER BY id")
        if not rows:
            return
        rating_id = chance.choice(rows)["id"]
        merchant, actor = shop.house.merchant, "key:support"
        acts = (
            lambda: shop.approvals.hold(merchant, rating_id, actor=actor),
            lambda: shop.approvals.publish(merchant, rating_id, actor=actor),
            lambda: shop.approvals.reject(merchant, rating_id, RejectReason.SPAM, actor=actor),
            lambda: shop.approvals.move_to_service(merchant, rating_id, actor=actor),
        )
        with contextlib.suppress(ActionRefusedError):
            await chance.choice(acts)()

    async def erase(number: int) -> None:
        await shop.erase(f"canary{number}@example.com", keeps_reviews=chance.random() < 0.5)

    for _ in range(15):
        steps = chance.choices([leave, decide, erase], weights=[6, 3, 1], k=6)
        await asyncio.gather(*(step(chance.randrange(8)) for step in steps))
        assert await shop.totals() == await shop.recount()
    statuses = {(await shop.house.invitation(one.id)).status for one in invitations}
    assert InvitationStatus.ERASED in statuses
    assert len(statuses) > 1
