"""No statement reads a whole table, or all rows of a merchant, by the plan that connections keep."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from invite_service.domain.batch_update import BatchStatus
from invite_service.storage import erasures, notices, paces
from invite_service.storage.attempts import FIND_LAST, RECORD
from invite_service.storage.batch_updates import CONDITIONS_OF_STATUS, LIST_BATCH_UPDATES
from invite_service.storage.contacts import LOCK_CONTACTS
from invite_service.storage.customer_records import READ_RECORD
from invite_service.storage.customers import FIND_CUSTOMER, LOCK_ORDERS, LOCK_RATINGS
from invite_service.storage.database import Database
from invite_service.storage.decisions import Decisions, DecisionStore
from invite_service.storage.doubts import LIST_NOTICE_DOUBTS
from invite_service.storage.explanations import LIST_PRODUCT_NAMES, LIST_SAVINGS
from invite_service.storage.history import (
    FIND_ORDERS_AND_CONTACTS,
    LOCK_AND_READ_HISTORY,
    LOCK_ORDERS_AND_CONTACTS,
    READ_HISTORY,
)
from invite_service.storage.invitations import FIND_INVITATION, LIST_INVITATIONS, LOCK_INVITATIONS
from invite_service.storage.mailbox import KEEP_MESSAGE
from invite_service.storage.orders import FIND_ORDER
from invite_service.storage.product_feed import READ_FEED
from invite_service.storage.provider_events import (
    COUNT_SOFT_BOUNCES,
    FIND_ATTEMPT_BY_ADDRESS,
    FIND_ATTEMPTS,
    FIND_LAST_BY_CONTACT,
    FIND_NOTICES,
    POSTPONE,
    SET_DELIVERIES,
    SETTLE,
    TAKE_ONE,
    TAKE_PENDING,
)
from invite_service.storage.reputation import READ_REPUTATION
from invite_service.storage.response_periods import READ_RESPONSES
from invite_service.storage.sending import (
    CLAIM_DUE,
    CLAIM_DUE_OF_CHANNEL,
    LOCK_EXPIRED,
    READ_CONTENTS,
    READ_INVITATIONS,
    RENEW_LEASES,
)
from invite_service.storage.suppressions import LIST_SUPPRESSIONS
from invite_service.storage.tables import REFERENCE_TABLES, metadata
from invite_service.storage.timeline import FIND_LAST_EVENTS, LIST_OF_INVITATION, LIST_OF_MERCHANT, LIST_OF_ORDER
from tests.support.builders import (
    MERCHANT_ID,
    NOON,
    make_invitation,
    make_line,
    make_merchant,
    make_order,
    new_id,
)
from tests.support.databases import DatabaseMaker
from tests.support.ingesting import KEYS, add_merchant, driver_of, make_database

ORDERS = 20_000

ATTEMPTS = f"""
INSERT INTO attempts (
    merchant_id, id, invitation_id, step, channel, language, provider, message_id, idempotency_key, content_hash,
    product_ids, asked_at, started_at, ended_at, outcome, reason
)
SELECT $1, md5(n::text)::uuid, md5(n::text)::uuid, 'product_1', 'email', 'nb', 'smtp', '', '', '', '{{}}', $2, $2, $2,
    'accepted', 'accepted'
FROM generate_series(1, {ORDERS}, 10) n
"""

FILL = f"""
INSERT INTO contacts SELECT $1, decode(md5('c' || n), 'hex') FROM generate_series(1, {ORDERS}) n;

INSERT INTO products (merchant_id, product_id, updated_at) SELECT $1, 'p' || n, $2 FROM generate_series(1, 5000) n;

INSERT INTO orders (
    merchant_id, order_id, version, purchased_at, email_key, phone_key, attributes, received_at, on_hold, outcome, trace
)
SELECT $1, 'o' || n, 1, $2, decode(md5('c' || n), 'hex'), CASE WHEN n % 5 = 0 THEN decode(md5('p' || n), 'hex') END,
    '{{}}', $2, FALSE, 'invited', '[]'
FROM generate_series(1, {ORDERS}) n;

INSERT INTO order_lines (merchant_id, order_id, position, product_id, sku, returned)
SELECT $1, 'o' || n, 0, 'p' || n % 5000 + 1, '{{}}', FALSE FROM generate_series(1, {ORDERS}) n;

INSERT INTO invitations (
    merchant_id, id, kind, channel, language, contact_key, status, steps, policy_version, time_zone, spread_order_id,
    created_at, send_at, next_attempt_at, order_ids, moved_by_merchant, send_now, message_count, tries
)
SELECT $1, md5(n::text)::uuid, 'product', 'email', 'nb', decode(md5('c' || n), 'hex'), 'scheduled', '{{product_1}}', 1,
    'UTC', 'o' || n, $2, $2, $2, ARRAY['o' || n], FALSE, FALSE, 0, 0
FROM generate_series(1, {ORDERS}) n;

INSERT INTO invitation_orders (merchant_id, invitation_id, order_id, position)
SELECT $1, md5(n::text)::uuid, 'o' || n, 0 FROM generate_series(1, {ORDERS}) n;

INSERT INTO invitation_products (merchant_id, invitation_id, product_id, position, brought_by, asked, created_at)
SELECT $1, md5(n::text)::uuid, 'p' || n % 5000 + 1, 0, ARRAY['o' || n], FALSE, $2
FROM generate_series(1, {ORDERS}) n;

INSERT INTO suppressions (merchant_id, contact_key, reason, id, kind, source, created_at)
SELECT $1, decode(md5('c' || n), 'hex'), 'unsubscribed', md5(n::text)::uuid, 'email', 'unsubscribe', $2
FROM generate_series(1, {ORDERS}, 4) n;

INSERT INTO timeline_entries (merchant_id, id, order_id, invitation_id, at, actor, event, data)
SELECT $1, md5(n::text)::uuid, 'o' || n, md5(n::text)::uuid, $2, 'rule', 'order_decided', '{{}}'
FROM generate_series(1, {ORDERS}) n;

{ATTEMPTS.strip()};

INSERT INTO provider_events (
    merchant_id, id, provider, event_id, kind, raw_kind, reason, attempt_id, contact_key, invitation_id, occurred_at,
    received_at, look_at
)
SELECT $1, md5(n::text)::uuid, 'p', n::text, CASE WHEN n % 50 = 0 THEN 'bounced_soft' ELSE 'delivered' END, '', '',
    md5(n::text)::uuid, decode(md5('c' || n), 'hex'), md5(n::text)::uuid, $2, $2,
    CASE WHEN n % 20 = 0 THEN $2::timestamptz END
FROM generate_series(1, {ORDERS}) n;

INSERT INTO send_paces (merchant_id, channel, tokens, refilled_at)
SELECT $1, 'channel ' || n, 1, $2 FROM generate_series(1, 5000) n;

INSERT INTO ratings (merchant_id, id, invitation_id, product_id, stars, state, created_at, updated_at)
SELECT $1, md5(n::text)::uuid, md5(n::text)::uuid, 'p' || n % 5000 + 1, 5, 'published', $2, $2
FROM generate_series(1, {ORDERS}) n;

INSERT INTO batch_updates (merchant_id, id, action, chosen_by, matched, created_at, created_by, finished_at)
SELECT $1, md5(n::text)::uuid, 'cancel', '{{}}', 1, $2, '', CASE WHEN n > 3 THEN $2::timestamptz END
FROM generate_series(1, {ORDERS}) n;

INSERT INTO batch_update_chunks (
    merchant_id, batch_update_id, number, invitation_ids, order_ids, done_at, changed, skipped
)
SELECT $1, md5(n::text)::uuid, 0, '{{}}', '{{}}', $2, 0, '{{}}' FROM generate_series(1, {ORDERS}) n;

INSERT INTO notices (
    merchant_id, id, notice, invitation_id, rating_id, channel, created_at, status, tries, next_attempt_at,
    lease_until, started_at
)
SELECT $1, md5(n::text)::uuid, 'reply_notice', md5(n::text)::uuid, md5(n::text)::uuid, 'email', $2,
    CASE n % 3 WHEN 0 THEN 'waiting' WHEN 1 THEN 'sending' ELSE 'sent' END, 0, $2, $2, $2
FROM generate_series(1, {ORDERS}) n
""".split(";\n\n")

READ_TOO_MUCH = re.compile(
    rf"Seq Scan on (?:{'|'.join(metadata.tables.keys() - REFERENCE_TABLES)})\b|Index Cond: \(merchant_id = \$1\)$",
    re.MULTILINE,
)
"""A whole table, or all rows of a merchant."""

FIRST_WILDCARD = re.compile(r"^.*using suppressions_wildcards_idx.*\n.*$", re.MULTILINE)
"""A look at whether the merchant has any wildcard: it ends at the first one, and most merchants have none."""

STATEMENTS = {
    "lock orders and contacts": LOCK_ORDERS_AND_CONTACTS,
    "find orders and contacts": FIND_ORDERS_AND_CONTACTS,
    "lock and read history": LOCK_AND_READ_HISTORY,
    "read history": READ_HISTORY,
    "lock contacts": LOCK_CONTACTS,
    "list suppressions": LIST_SUPPRESSIONS,
    "find customer": FIND_CUSTOMER,
    "read customer": READ_RECORD,
    "lock orders of a customer": LOCK_ORDERS,
    "lock ratings of a customer": LOCK_RATINGS,
    "erase orders": erasures.ERASE_ORDERS,
    "erase lines": erasures.ERASE_LINES,
    "erase events": erasures.ERASE_EVENTS,
    "erase invitations": erasures.ERASE_INVITATIONS,
    "erase attempts": erasures.ERASE_ATTEMPTS,
    "delete messages": erasures.DELETE_MESSAGES,
    "delete reviews": erasures.DELETE_REVIEWS,
    "delete replies": erasures.DELETE_REPLIES,
    "unsign reviews": erasures.UNSIGN_REVIEWS,
    "erase reports": erasures.ERASE_REPORTS,
    "erase notes": erasures.ERASE_NOTES,
    "delete versions": erasures.DELETE_VERSIONS,
    "loosen pictures": erasures.LOOSEN_PICTURES,
    "close cases": erasures.CLOSE_CASES,
    "find last erasure": erasures.FIND_LAST,
    "read response periods": READ_RESPONSES,
    "list timeline of merchant": LIST_OF_MERCHANT.format(
        conditions=" AND (at, id) >= ($3, $4) AND (at, id) < ($5, $6) AND event = ANY($7::text[])", direction="DESC"
    ),
    "find order": FIND_ORDER,
    "find invitation": FIND_INVITATION,
    "lock invitations": LOCK_INVITATIONS,
    "list invitations": LIST_INVITATIONS,
    "list product names": LIST_PRODUCT_NAMES,
    "list savings of policies": LIST_SAVINGS,
    "list timeline of order": LIST_OF_ORDER,
    "list timeline of invitation": LIST_OF_INVITATION,
    "find last events of invitations": FIND_LAST_EVENTS,
    "read reputation": READ_REPUTATION,
    "read product feed": READ_FEED,
}


SENDING_STATEMENTS = {
    "take pending provider events": TAKE_PENDING,
    "take one provider event": TAKE_ONE,
    "find attempts of provider events": FIND_ATTEMPTS,
    "find notices of provider events": FIND_NOTICES,
    "find attempt by address": FIND_ATTEMPT_BY_ADDRESS,
    "find last invitation of a contact": FIND_LAST_BY_CONTACT,
    "settle provider events": SETTLE,
    "postpone provider events": POSTPONE,
    "set deliveries": SET_DELIVERIES,
    "count soft bounces": COUNT_SOFT_BOUNCES,
    "claim what is due": CLAIM_DUE,
    "claim what is due of a channel": CLAIM_DUE_OF_CHANNEL,
    "claim what is due at a pace": paces.CLAIM_DUE_PACED,
    "take a token": paces.TAKE_ONE,
    "read contents": READ_CONTENTS,
    "read invitations": READ_INVITATIONS,
    "record": RECORD,
    "renew leases": RENEW_LEASES,
    "lock expired": LOCK_EXPIRED,
    "find last attempt": FIND_LAST,
    "keep message": KEEP_MESSAGE,
    "claim due notices": notices.CLAIM_DUE,
    "start notice": notices.START,
    "finish notice": notices.FINISH,
    "give notices back": notices.GIVE_BACK,
    "end doubt of a notice": notices.END_DOUBT,
    "settle expired notices": notices.EXPIRE,
    "list notices in doubt": LIST_NOTICE_DOUBTS,
    "find notice": notices.FIND_NOTICE,
    "lock notice": notices.LOCK_NOTICE,
    "retry notice": notices.RETRY,
    "list notices": notices.LIST_NOTICES.format(conditions=" AND (created_at, id) < ($3, $4)", direction="DESC"),
    "list notices of a status": notices.LIST_NOTICES.format(
        conditions=" AND status = $3 AND (created_at, id) > ($4, $5)", direction="ASC"
    ),
}


async def fill(url: str) -> None:
    database = make_database(url)
    await add_merchant(database, make_merchant())
    async with database.autocommit() as stores:
        for statement in FILL:
            await driver_of(stores).execute(statement, *([MERCHANT_ID, NOON] if "$2" in statement else [MERCHANT_ID]))
        await driver_of(stores).execute("ANALYZE")
    await database.close()


@pytest.fixture(scope="module")
def filled_url(database_maker: DatabaseMaker) -> Iterator[str]:
    """A database of one merchant with many orders, analyzed."""
    with database_maker.database(fresh=True) as url, asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(fill(url))
        yield url


@pytest.fixture
async def database(filled_url: str) -> AsyncIterator[Database]:
    database = make_database(filled_url, pool_size=1)
    yield database
    await database.close()


async def explain(driver: Any, statement: str) -> str:
    """Explain the plan that is made once, without a look at the parameters."""
    count = max(int(number) for number in re.findall(r"\$(\d+)", statement))
    await driver.execute(f"PREPARE explained AS {statement}")
    rows = await driver.fetch(f"EXPLAIN EXECUTE explained ({', '.join(['NULL'] * count)})")
    await driver.execute("DEALLOCATE explained")
    return FIRST_WILDCARD.sub("", "\n".join(row[0] for row in rows))


@pytest.mark.parametrize("statement", STATEMENTS.values(), ids=STATEMENTS)
async def test_statement_finds_its_rows_by_their_keys(database: Database, statement: str) -> None:
    async with database.transaction(by_key=True) as stores:
        plan = await explain(driver_of(stores), statement)
    assert READ_TOO_MUCH.search(plan) is None, plan


@pytest.mark.parametrize("statement", SENDING_STATEMENTS.values(), ids=SENDING_STATEMENTS)
async def test_statement_of_sending_finds_its_rows_by_their_keys(database: Database, statement: str) -> None:
    async with database.transaction() as stores:
        await driver_of(stores).execute("SET LOCAL plan_cache_mode = force_generic_plan")
        plan = await explain(driver_of(stores), statement)
    assert READ_TOO_MUCH.search(plan) is None, plan


BATCH_UPDATES_OF_STATUS = {
    BatchStatus.ACCEPTED: "batch_updates_unfinished_idx",
    BatchStatus.RUNNING: "batch_updates_unfinished_idx",
    BatchStatus.FINISHED: "batch_updates_merchant_id_created_at_id_idx",
    None: "batch_updates_merchant_id_created_at_id_idx",
}
"""The index that carries the list: a page in its order, or the few that have not finished."""


@pytest.mark.parametrize("beyond", ["", " AND (b.created_at, b.id) < ($3, $4)"], ids=["first page", "further page"])
@pytest.mark.parametrize("status", BATCH_UPDATES_OF_STATUS)
async def test_page_of_batch_updates_is_found_by_an_index(
    database: Database, status: BatchStatus | None, beyond: str
) -> None:
    conditions = (f" AND {CONDITIONS_OF_STATUS[status]}" if status is not None else "") + beyond
    async with database.transaction() as stores:
        await driver_of(stores).execute("SET LOCAL plan_cache_mode = force_generic_plan")
        plan = await explain(driver_of(stores), LIST_BATCH_UPDATES.format(conditions=conditions, direction="DESC"))
    assert re.findall(r"using (\w+) on batch_updates b", plan) == [BATCH_UPDATES_OF_STATUS[status]], plan
    assert "Seq Scan" not in plan, plan
    assert ("Sort" in plan) is (status in {BatchStatus.ACCEPTED, BatchStatus.RUNNING}), plan
    assert len(re.findall(r"Index (?:Only )?Scan", plan)) == plan.count("batch_update_id = b.id") + 1, plan


async def test_attempts_are_closed_by_their_keys_where_the_planner_takes_the_table_for_empty(database_url: str) -> None:
    fresh = make_database(database_url, pool_size=1)
    await add_merchant(fresh, make_merchant())
    async with fresh.transaction() as stores:
        driver = driver_of(stores)
        await driver.execute("ANALYZE")
        await driver.execute("SET LOCAL session_replication_role = replica")
        await driver.execute(ATTEMPTS, MERCHANT_ID, NOON)
        await driver.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        plan = await explain(driver, RECORD)
    await fresh.close()
    closing = plan[plan.index("CTE closed") : plan.index("CTE changed")]
    assert READ_TOO_MUCH.search(closing) is None, plan


class ExplainingDriver:
    """Explains the statement instead of running it."""

    def __init__(self, driver: Any) -> None:
        self._driver = driver
        self.plan = ""

    async def fetchrow(self, query: str, *args: object) -> tuple[int, ...]:
        self.plan = await explain(self._driver, query)
        return (1,) * query.count("(SELECT count(*)")


async def test_writing_everything_at_once_finds_its_rows_by_their_keys(database: Database) -> None:
    new, known = make_order(order_id="new"), make_order(order_id="o1", lines=())
    invited, stored = make_invitation(order_ids=("new",)), make_invitation(order_ids=("o1",))
    decisions = Decisions(
        posted_ids={"new", "o1"},
        orders=[new, make_order(order_id="o1", lines=(make_line(),)), make_order(order_id="o2")],
        stored_orders={"o1": known, "o2": make_order(order_id="o2")},
        invitations=[invited, stored],
        stored_invitations={stored.id: make_invitation(order_ids=("o1",), products=())},
        accepted_at=NOON,
    )
    async with database.transaction(by_key=True) as stores:
        driver: Any = ExplainingDriver(driver_of(stores))
        await DecisionStore(driver, KEYS, new_id=new_id).record(MERCHANT_ID, decisions)
    written = set(re.findall(r"(?:Insert|Update|Delete) on (\w+)", driver.plan))
    assert written == {
        "orders",
        "order_lines",
        "products",
        "invitations",
        "invitation_orders",
        "invitation_products",
    }
    assert READ_TOO_MUCH.search(driver.plan) is None, driver.plan
