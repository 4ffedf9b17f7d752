"""Many invitations of many merchants, made by PostgreSQL itself from a row's number: the same ones each time.

The first merchant has two of every five invitations, the others share the rest. All statuses, kinds and channels occur;
one product is in every tenth invitation, one in all of those that are oldest, and the others are rare. Ids are
ordered by time, as the service's are. Orders come with every fifth invitation: enough to look for.
"""

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

TOP_PRODUCT, OLD_PRODUCT, RARE_PRODUCT = "top", "old", "p-5"
KNOWN_EMAIL = "kari@example.com"

_DAYS = 500
"""Days over which the invitations were created; the last messages leave a fortnight after."""

_CUSTOMERS_SHARE = 0.7
_CATALOGUE = 2000

# OFFSET 0 has each level worked out once, instead of once for each mention of its columns above.
_ROWS = """
CREATE TEMPORARY TABLE planned AS
SELECT n, merchant_id, created_at, send_at, is_product,
    'o-' || n AS order_id,
    (lpad(to_hex((extract(epoch FROM created_at) * 1000)::int8), 12, '0') || '7' || substr(hash, 1, 3) || '8'
        || substr(hash, 4, 15))::uuid AS id,
    CASE WHEN n % {known_every} < 5 THEN $3::bytea ELSE decode(md5((n % {customers})::text), 'hex') END AS contact_key,
    CASE
        WHEN send_at > $2 THEN CASE WHEN lot % 20 = 0 THEN 'cancelled' ELSE 'scheduled' END
        WHEN lot % 200 = 0 THEN 'in_doubt' WHEN lot % 1000 = 1 THEN 'sending' WHEN lot % 50 = 2 THEN 'erased'
        WHEN lot % 33 = 3 THEN 'failed' WHEN lot % 25 = 4 THEN 'missed' WHEN lot % 12 = 5 THEN 'cancelled'
        WHEN lot % 8 = 6 THEN 'responded' ELSE 'sent'
    END AS status,
    CASE WHEN is_product THEN 'product' ELSE 'service' END AS kind,
    CASE WHEN lot % 10 = 0 THEN 'sms' ELSE 'email' END AS channel
FROM (
    SELECT n, hash, lot, lot % 7 <> 0 AS is_product, created_at,
        CASE WHEN n % 5 < {share} THEN {first} ELSE {first} || '-' || (n / 5 * 3 + n % 5) % {others} END AS merchant_id,
        created_at + interval '14 days' + make_interval(secs => lot % 259200) AS send_at
    FROM (
        SELECT n, md5(n::text) AS hash, hashint4(n) & 16777215 AS lot,
            $2::timestamptz - make_interval(secs => ({rows} - n) * ({days} * 86400.0 / {rows})) AS created_at
        FROM generate_series($1::int, {rows} - 1) AS n
        OFFSET 0
    ) AS numbered
    OFFSET 0
) AS dated
OFFSET 0
"""

_STATEMENTS = (
    """
    INSERT INTO invitations (
        merchant_id, id, kind, channel, language, contact, contact_key, customer_name, status, steps, next_step,
        policy_version, time_zone, spread_order_id, created_at, send_at, next_attempt_at, order_ids, moved_by_merchant,
        send_now, message_count, tries, first_sent_at, last_sent_at, last_message_at
    )
    SELECT merchant_id, id, kind, channel, 'nb',
        CASE channel WHEN 'sms' THEN '+47' || 40000000 + n % 9000000 ELSE 'customer-' || n || '@example.com' END,
        contact_key, 'Customer ' || n, status,
        CASE WHEN is_product THEN ARRAY['product_1', 'product_2'] ELSE ARRAY['service'] END,
        CASE WHEN status = 'scheduled' THEN CASE WHEN is_product THEN 'product_1' ELSE 'service' END END,
        1, 'Europe/Oslo', order_id, created_at, send_at, CASE WHEN status = 'scheduled' THEN send_at END,
        ARRAY[order_id], FALSE, FALSE, CASE WHEN left_at IS NULL THEN 0 ELSE 1 END, 0, left_at, left_at, left_at
    FROM (SELECT *, CASE WHEN status IN ('sent', 'responded') THEN send_at END AS left_at FROM planned) AS planned
    """,
    """
    INSERT INTO invitation_products (merchant_id, invitation_id, product_id, position, brought_by, asked, created_at)
    SELECT merchant_id, id, product_id, position, ARRAY[order_id], status IN ('sent', 'responded'), created_at
    FROM planned
    CROSS JOIN LATERAL (
        SELECT 'p-' || n % {catalogue} AS product_id, 0 AS position WHERE is_product
        UNION ALL SELECT {top}, 1 WHERE is_product AND n / 5 % 10 = 0
        UNION ALL SELECT {old}, 2 WHERE is_product AND n < {rows} * 3 / 10
    ) AS invited
    """,
    """
    INSERT INTO orders (
        merchant_id, order_id, version, status, purchased_at, email, email_key, attributes, received_at, triggered_at,
        on_hold, outcome, invitation_id, trace
    )
    SELECT merchant_id, order_id, 1, 'shipped', created_at, 'customer-' || n || '@example.com', contact_key, '{{}}',
        created_at, created_at, FALSE, 'invited', id, '[]'
    FROM planned WHERE n / 5 % 5 = 0
    """,
    """
    INSERT INTO invitation_orders (merchant_id, invitation_id, order_id, position)
    SELECT merchant_id, id, order_id, 0 FROM planned WHERE n / 5 % 5 = 0
    """,
)

_TABLES = ("invitations", "invitation_products", "orders", "invitation_orders")

_INDEXES = """
SELECT c.relname, pg_get_indexdef(c.oid)
FROM pg_index JOIN pg_class c ON c.oid = indexrelid
WHERE indrelid = ANY($1::text[]::regclass[]) AND NOT indisprimary
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """How many invitations of how many merchants; the first one's id is `first`, the others' begin with it."""

    rows: int
    merchants: int
    first: str = "crowd"

    @property
    def merchant_ids(self) -> Sequence[str]:
        """Every merchant, the largest first."""
        return (self.first, *(f"{self.first}-{number}" for number in range(self.merchants - 1)))


async def fill_crowd(database: asyncpg.Connection, crowd: Crowd, *, contact_key: bytes, now: datetime) -> None:
    """Fill the tables for merchants that exist with their policies; `contact_key` is that of KNOWN_EMAIL."""
    first = f"'{crowd.first}'::text"
    rows = _ROWS.format(
        first=first,
        share=2 if crowd.merchants > 1 else 5,
        others=max(crowd.merchants - 1, 1),
        rows=crowd.rows,
        days=_DAYS,
        customers=int(crowd.rows * _CUSTOMERS_SHARE),
        known_every=max(crowd.rows // 20, 10),
    )
    # VACUUM marks no page as visible to all before the commit of its rows is flushed, and plans depend on how many are.
    await database.execute(
        "SET session_replication_role = replica; SET synchronous_commit = on; SET maintenance_work_mem = '512MB'"
    )
    async with database.transaction(), without_indexes(database, _TABLES):
        await database.execute(rows, 0, now, contact_key)
        for statement in _STATEMENTS:
            words = {"rows": crowd.rows, "catalogue": _CATALOGUE, "top": f"'{TOP_PRODUCT}'", "old": f"'{OLD_PRODUCT}'"}
            await database.execute(statement.format(**words))
        await database.execute("DROP TABLE planned")
    for table in _TABLES:
        await database.execute(f"VACUUM (ANALYZE, FREEZE) {table}")
    await database.execute("RESET session_replication_role; RESET synchronous_commit")


@contextlib.asynccontextmanager
async def without_indexes(database: asyncpg.Connection, tables: Sequence[str]) -> AsyncIterator[None]:
    """Take the indexes of some tables away, but for keys, and make them again of what was filled in."""
    indexes = await database.fetch(_INDEXES, tables)
    for index in indexes:
        await database.execute(f"DROP INDEX {index[0]}")
    yield
    for index in indexes:
        await database.execute(index[1])


def sample_order(crowd: Crowd) -> str:
    """Name an order of the first merchant, in the middle of its time."""
    return f"o-{crowd.rows // 2 // 25 * 25 + 25}"
