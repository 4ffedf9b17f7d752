"""Fills the tables as after half a year of business: plans made on empty tables are wrong.

Everything is made inside PostgreSQL, set by set; only the contact keys, which need the service's secret, and the
samples of JSON, which are decisions of the real rules, come from here.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import asyncpg
import orjson
from benchmarks.bodies import CATALOGUE, email_of_customer, order_body
from benchmarks.ledgers import decide_body

from invite_service.storage.contacts import ContactKeys
from invite_service.storage.orders import trace_json

ORDERS_PER_CUSTOMER = 1.4

_BULK_SETTINGS = (
    "SET session_replication_role = replica; SET synchronous_commit = off; SET maintenance_work_mem = '256MB'"
)
"""Rows that are consistent by construction need no foreign key checks."""

_FIRST_HALF_OF_CATALOGUE = CATALOGUE // 2

_PRODUCTS = """
INSERT INTO products (merchant_id, product_id, name, url, image_url, brand, category, updated_at)
SELECT $1, 'product-' || n, 'Hand-printed tea towel no. ' || n, 'https://shop.example.org/products/' || n,
    'https://shop.example.org/images/' || n || '.jpg', NULL, 'kitchen', $2
FROM generate_series(0, $3::int - 1) AS n
"""

_PLANNED = """
CREATE TEMPORARY TABLE planned AS
SELECT n, 'P-' || n AS order_id, uuidv7() AS invitation_id, email, contact_key, purchased_at,
    CASE WHEN to_send THEN purchased_at + interval '400 days' ELSE purchased_at + interval '14 days' END AS send_at,
    CASE
        WHEN to_send OR purchased_at + interval '11 days' > $2 THEN 'scheduled'
        WHEN n % 20 = 0 THEN 'cancelled' WHEN n % 20 < 4 THEN 'responded' ELSE 'sent'
    END AS status
FROM (
    SELECT n, email, contact_key, $1::bool AS to_send,
        $2::timestamptz - make_interval(secs => ($3::int - n) * $4::float8 / $3) AS purchased_at
    FROM generate_series(0, $3 - 1) AS n JOIN keys ON keys.customer = n % $5::int
) AS bought
"""

_STATEMENTS = (
    "INSERT INTO contacts (merchant_id, contact_key) SELECT DISTINCT $1, contact_key FROM planned",
    """
    INSERT INTO orders (
        merchant_id, order_id, version, status, purchased_at, customer_id, customer_name, email, email_key, language,
        country, attributes, received_at, triggered_at, on_hold, outcome, invitation_id, trace
    )
    SELECT $1, order_id, 1, 'shipped', purchased_at, 'c-' || n, 'Customer ' || n, email, contact_key, 'en', 'GB', '{}',
        purchased_at, purchased_at, FALSE, 'invited', invitation_id, $2::jsonb
    FROM planned
    """,
    """
    INSERT INTO order_lines (
        merchant_id, order_id, position, product_id, name, url, image_url, sku, category, price, currency, returned
    )
    SELECT $1, order_id, position, product_id, name, url, image_url, '{}', category, 129.50, 'GBP', FALSE
    FROM planned
    CROSS JOIN generate_series(0, 1) AS position
    JOIN products ON products.merchant_id = $1 AND product_id = 'product-' || (n * 2 + position) % $2::int
    """,
    """
    INSERT INTO order_events (merchant_id, order_id, id, body, accepted_at)
    SELECT $1, order_id, uuidv7(), $2::jsonb, purchased_at FROM planned
    """,
    """
    INSERT INTO invitations (
        merchant_id, id, kind, channel, language, contact, contact_key, customer_name, status, steps, next_step,
        policy_version, time_zone, spread_order_id, created_at, send_at, next_attempt_at, order_ids, moved_by_merchant,
        send_now, message_count, first_sent_at, last_sent_at, last_message_at, tries
    )
    SELECT $1, invitation_id, 'product', 'email', 'en', email, contact_key, 'Customer ' || n, status,
        ARRAY['product_1', 'product_2'], CASE WHEN status = 'scheduled' THEN 'product_1' END, $2::int,
        $3, order_id, purchased_at, send_at, CASE WHEN status = 'scheduled' THEN send_at END, ARRAY[order_id], FALSE,
        FALSE, CASE WHEN left_at IS NULL THEN 0 ELSE 1 END, left_at, left_at, left_at, 0
    FROM (SELECT *, CASE WHEN status IN ('sent', 'responded') THEN send_at END AS left_at FROM planned) AS planned
    """,
    """
    INSERT INTO invitation_orders (merchant_id, invitation_id, order_id, position)
    SELECT $1, invitation_id, order_id, 0 FROM planned
    """,
    """
    INSERT INTO invitation_products (merchant_id, invitation_id, product_id, position, brought_by, asked, created_at)
    SELECT $1, invitation_id, 'product-' || (n * 2 + position) % $2::int, position, ARRAY[order_id],
        status IN ('sent', 'responded'), purchased_at
    FROM planned CROSS JOIN generate_series(0, 1) AS position
    """,
    """
    INSERT INTO timeline_entries (merchant_id, id, order_id, invitation_id, at, actor, event, data)
    SELECT $1, uuidv7(), order_id, invitation_id, purchased_at, 'rule', 'invitation_scheduled', $2::jsonb FROM planned
    """,
    """
    INSERT INTO attempts (
        merchant_id, id, invitation_id, step, channel, language, provider, message_id, idempotency_key, content_hash,
        product_ids, asked_at, started_at, ended_at, outcome, reason
    )
    SELECT $1, uuidv7(), invitation_id, 'product_1', 'email', 'en', 'smtp', '<' || invitation_id || '@example.org>',
        invitation_id::text, decode(md5(order_id), 'hex'), ARRAY['product-1'], send_at, send_at, send_at, 'accepted',
        'accepted'
    FROM planned WHERE status IN ('sent', 'responded')
    """,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Business:
    """What one merchant did so far; with `to_send` all its invitations wait for a day more than a year away."""

    merchant_id: str
    orders: int
    to_send: bool = False

    @property
    def customers(self) -> int:
        """How many customers made the orders; those that are to be sent have one each."""
        return self.orders if self.to_send else int(self.orders / ORDERS_PER_CUSTOMER)


async def fill(database: asyncpg.Connection, business: Business, *, keys: ContactKeys, now: datetime) -> None:
    """Give a merchant, which exists with its policy, its orders and invitations up to two days before `now`."""
    merchant_id = business.merchant_id
    sample = order_body(0, purchased_at=now, customers=0)
    order = decide_body(sample, now=now)
    plan = {"kind": "product", "channel": "email", "send_at": now.isoformat()}
    policy_version, zone = await database.fetchrow(
        "SELECT policy_version, time_zone FROM merchants WHERE id = $1", merchant_id
    )
    await database.execute(_BULK_SETTINGS)
    async with database.transaction():
        await _store_keys(database, business.customers, keys)
        await database.execute(_PRODUCTS, merchant_id, now, CATALOGUE)
        span = timedelta(days=10) if business.to_send else timedelta(days=170)
        until = now.astimezone(UTC) - timedelta(days=2)
        await database.execute(
            _PLANNED, business.to_send, until, business.orders, span.total_seconds(), business.customers
        )
        arguments: tuple[tuple[object, ...], ...] = (
            (),
            (_json(trace_json(order.trace)),),
            (_FIRST_HALF_OF_CATALOGUE,),
            (_json(sample),),
            (policy_version, zone),
            (),
            (_FIRST_HALF_OF_CATALOGUE,),
            (_json(plan),),
            (),
        )
        for statement, further in zip(_STATEMENTS, arguments, strict=True):
            await database.execute(statement, merchant_id, *further)
        await database.execute("DROP TABLE planned, keys")
    await database.execute("RESET session_replication_role")


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


async def _store_keys(database: asyncpg.Connection, customers: int, keys: ContactKeys) -> None:
    await database.execute("CREATE TEMPORARY TABLE keys (customer int PRIMARY KEY, email text, contact_key bytea)")
    emails = ((number, email_of_customer(number)) for number in range(customers))
    records = ((number, email, keys.key(email)) for number, email in emails)
    await database.copy_records_to_table("keys", records=records)
    await database.execute("ANALYZE keys")


async def settle(database: asyncpg.Connection) -> None:
    """Do what autovacuum and the checkpointer would have done by now, so that they do not do it while we measure."""
    await database.execute("VACUUM ANALYZE")
    await database.execute("CHECKPOINT")
