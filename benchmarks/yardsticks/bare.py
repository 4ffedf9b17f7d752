"""`/bare`: what FastAPI, asyncpg and one statement cost when nothing is decided and nobody asks for a key.

It leaves the rows that an order of a new purchase leaves behind in the service: the order, its lines and event, the
contact, the invitation with its order and products, and one line of the timeline, into the same tables with the same
indexes. `BENCH_DATABASE_URL` and `BENCH_MERCHANT` say where, `BENCH_SECRET` makes the contacts' keys.
"""

import contextlib
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import asyncpg
import orjson
import uuid_utils
from fastapi import FastAPI, Request
from pydantic import BaseModel

from invite_service.storage.contacts import ContactKeys

MERCHANT = os.environ.get("BENCH_MERCHANT", "")
KEYS = ContactKeys(os.environ.get("BENCH_SECRET", ""))

INSERT = """
WITH line AS (
    SELECT * FROM unnest($10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::numeric[], $16::text[])
        WITH ORDINALITY AS line (product_id, name, url, image_url, category, price, currency, number)
), contact AS (
    INSERT INTO contacts (merchant_id, contact_key) VALUES ($1, $6) ON CONFLICT DO NOTHING
), added_order AS (
    INSERT INTO orders (
        merchant_id, order_id, version, status, purchased_at, customer_id, customer_name, email, email_key, language,
        country, attributes, received_at, triggered_at, on_hold, outcome, invitation_id, trace
    ) VALUES ($1, $2, 1, $3, $4, $7, $8, $5, $6, $9, $17, '{}', $18, $18, FALSE, 'invited', $19, '[]')
), added_lines AS (
    INSERT INTO order_lines (
        merchant_id, order_id, position, product_id, name, url, image_url, sku, category, price, currency, returned
    )
    SELECT $1, $2, number - 1, product_id, name, url, image_url, '{}', category, price, currency, FALSE FROM line
), added_event AS (
    INSERT INTO order_events (merchant_id, order_id, id, body, accepted_at) VALUES ($1, $2, $20, $21, $18)
), added_products AS (
    INSERT INTO products (merchant_id, product_id, name, url, image_url, category, updated_at)
    SELECT $1, product_id, name, url, image_url, category, $18 FROM line ON CONFLICT DO NOTHING
), added_invitation AS (
    INSERT INTO invitations (
        merchant_id, id, kind, channel, language, contact, contact_key, customer_name, status, steps, next_step,
        policy_version, time_zone, spread_order_id, created_at, send_at, next_attempt_at, order_ids, moved_by_merchant,
        send_now, message_count, tries
    ) VALUES (
        $1, $19, 'product', 'email', $9, $5, $6, $8, 'scheduled', '{product_1,product_2}', 'product_1', 1,
        'Europe/London', $2, $18, $22, $22, ARRAY[$2], FALSE, FALSE, 0, 0
    )
), added_membership AS (
    INSERT INTO invitation_orders (merchant_id, invitation_id, order_id, position) VALUES ($1, $19, $2, 0)
), added_invited AS (
    INSERT INTO invitation_products (merchant_id, invitation_id, product_id, position, brought_by, asked, created_at)
    SELECT $1, $19, product_id, number - 1, ARRAY[$2], FALSE, $18 FROM line
)
INSERT INTO timeline_entries (merchant_id, id, order_id, invitation_id, at, actor, event, data)
VALUES ($1, $23, $2, $19, $18, 'bare', 'invitation_scheduled', '{}')
"""


class Customer(BaseModel):
    """Who bought."""

    id: str
    email: str
    name: str


class Product(BaseModel):
    """What was bought."""

    id: str
    name: str
    url: str
    image_url: str
    category: str
    price: Decimal
    currency: str


class Order(BaseModel):
    """The body that is posted."""

    order_id: str
    status: str
    purchased_at: datetime
    customer: Customer
    language: str
    country: str
    products: list[Product]


@contextlib.asynccontextmanager
async def _pooled(app: FastAPI) -> AsyncIterator[None]:
    async with asyncpg.create_pool(os.environ["BENCH_DATABASE_URL"], min_size=10, max_size=10) as pool:
        app.state.pool = pool
        yield


app = FastAPI(lifespan=_pooled)


@app.get("/readyz")
async def is_ready() -> dict[str, str]:
    return {"status": "ready"}


@app.post("/bare", status_code=201)
async def store(order: Order, request: Request) -> dict[str, str]:
    now = datetime.now(UTC)
    invitation_id, products = _new_id(), order.products
    await request.app.state.pool.execute(
        INSERT,
        MERCHANT,
        order.order_id,
        order.status,
        order.purchased_at,
        order.customer.email,
        KEYS.key(order.customer.email),
        order.customer.id,
        order.customer.name,
        order.language,
        [product.id for product in products],
        [product.name for product in products],
        [product.url for product in products],
        [product.image_url for product in products],
        [product.category for product in products],
        [product.price for product in products],
        [product.currency for product in products],
        order.country,
        now,
        invitation_id,
        _new_id(),
        orjson.dumps(order.model_dump(mode="json")).decode(),
        now + timedelta(days=14),
        _new_id(),
    )
    return {"order_id": order.order_id, "invitation_id": str(invitation_id)}


def _new_id() -> UUID:
    return UUID(int=uuid_utils.uuid7().int)
