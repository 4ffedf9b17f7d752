"""A merchant with far more due than anybody would post in a test: made set by set inside PostgreSQL."""

from datetime import timedelta
from typing import Final

from tests.support.sending import SendingHouse, driver_of

# Rows that are consistent by construction need no foreign key checks.
_UNCHECKED: Final = "SET LOCAL session_replication_role = replica"

# They grow with n: rows that come in the order of an index are written in half the time.
_ID: Final = "lpad(to_hex(n), 32, '0')::uuid"
_KEY: Final = "decode(lpad(to_hex(n), 64, '0'), 'hex')"

_PRODUCT: Final = "INSERT INTO products (merchant_id, product_id, name, updated_at) VALUES ($1, 'backlog', 'Mug', $2)"

_CONTACTS: Final = f"INSERT INTO contacts SELECT $1, {_KEY} FROM generate_series(1, $2) AS n"

_ORDERS: Final = f"""
INSERT INTO orders (
    merchant_id, order_id, version, purchased_at, email, email_key, attributes, received_at, on_hold, outcome,
    invitation_id, trace
)
SELECT $1, 'backlog-' || n, 1, $3, 'backlog' || n || '@example.com', {_KEY}, '{{}}', $3,
    FALSE, 'invited', {_ID}, '[]'
FROM generate_series(1, $2) AS n
"""

_INVITATIONS: Final = f"""
INSERT INTO invitations (
    merchant_id, id, kind, channel, language, contact, contact_key, customer_name, status, steps, next_step,
    policy_version, time_zone, spread_order_id, created_at, send_at, next_attempt_at, order_ids, moved_by_merchant,
    send_now, message_count, tries
)
SELECT $1, {_ID}, 'product', 'email', 'nb', 'backlog' || n || '@example.com',
    {_KEY}, 'Kari', 'scheduled', '{{product_1}}', 'product_1', 1, $4, 'backlog-' || n, $3,
    $3::timestamptz + n * interval '100 ms', $3::timestamptz + n * interval '100 ms', ARRAY['backlog-' || n], FALSE,
    FALSE, 0, 0
FROM generate_series(1, $2) AS n
"""

_INVITATION_ORDERS: Final = f"""
INSERT INTO invitation_orders (merchant_id, invitation_id, order_id, position)
SELECT $1, {_ID}, 'backlog-' || n, 0 FROM generate_series(1, $2) AS n
"""

_INVITATION_PRODUCTS: Final = f"""
INSERT INTO invitation_products (merchant_id, invitation_id, product_id, position, brought_by, asked, created_at)
SELECT $1, {_ID}, 'backlog', 0, ARRAY['backlog-' || n], FALSE, $3 FROM generate_series(1, $2) AS n
"""


async def add_backlog(house: SendingHouse, count: int) -> None:
    """Give a house, fresh from build_ready_house, as many due e-mails to customers `backlog…@example.com`."""
    merchant, ordered_at = house.merchant, house.clock.now - timedelta(days=1)
    async with house.database.transaction() as stores:
        driver = driver_of(stores)
        await driver.execute(_UNCHECKED)
        await driver.execute(_PRODUCT, merchant.id, ordered_at)
        await driver.execute(_CONTACTS, merchant.id, count)
        await driver.execute(_ORDERS, merchant.id, count, ordered_at)
        await driver.execute(_INVITATIONS, merchant.id, count, ordered_at, merchant.time_zone)
        await driver.execute(_INVITATION_ORDERS, merchant.id, count)
        await driver.execute(_INVITATION_PRODUCTS, merchant.id, count, ordered_at)
    # What autovacuum would have done by the time at which so much is due.
    await house.rows("ANALYZE")
