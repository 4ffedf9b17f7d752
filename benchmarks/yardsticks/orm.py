"""The usual way: the same endpoint, rules included, as FastAPI with the SQLAlchemy ORM, one order after the other.

It decides with the service's own rules and answers with its own models; what differs is how it reads and writes. It
asks for no key. `BENCH_DATABASE_URL` and `BENCH_MERCHANT` say where.
"""

import contextlib
import os
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import orjson
from benchmarks.ledgers import new_id
from benchmarks.yardsticks import models
from benchmarks.yardsticks.translation import (
    invitation_columns,
    invitation_value,
    line_columns,
    order_columns,
    order_value,
)
from fastapi import Depends, FastAPI
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import selectinload

from invite_service.api.schemas.decision import DecisionResponse
from invite_service.api.schemas.order import OrderRequest
from invite_service.domain.invitation import Invitation
from invite_service.domain.merchant import Merchant, MerchantId
from invite_service.domain.order import Order
from invite_service.domain.policy import Policy
from invite_service.domain.suppression import Suppression, SuppressionReason
from invite_service.rules.ledger import Ledger
from invite_service.rules.orders import contacts_of
from invite_service.storage.contacts import ContactKeys
from invite_service.storage.orders import trace_json

MERCHANT = os.environ.get("BENCH_MERCHANT", "")
KEYS = ContactKeys(os.environ.get("BENCH_SECRET", ""))
POLICY = Policy()


class BatchRequest(BaseModel):
    """The body of a batch."""

    orders: list[OrderRequest]


@contextlib.asynccontextmanager
async def _connected(app: FastAPI) -> AsyncIterator[None]:
    engine = create_async_engine(
        os.environ["BENCH_DATABASE_URL"],
        pool_size=10,
        max_overflow=0,
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
    )
    app.state.sessions = async_sessionmaker(engine, expire_on_commit=False)
    yield
    await engine.dispose()


app = FastAPI(lifespan=_connected)


async def _session() -> AsyncIterator[AsyncSession]:
    async with app.state.sessions() as session:
        yield session


Session = Annotated[AsyncSession, Depends(_session)]


@app.get("/readyz")
async def is_ready() -> dict[str, str]:
    return {"status": "ready"}


@app.post("/orders", status_code=201)
async def take_order(order: OrderRequest, session: Session) -> DecisionResponse:
    decided, invitation = await _take(session, order, now=datetime.now(UTC))
    await session.commit()
    return DecisionResponse.of(decided, invitation)


@app.post("/orders/batch")
async def take_batch(batch: BatchRequest, session: Session) -> list[DecisionResponse]:
    now = datetime.now(UTC)
    taken = [await _take(session, order, now=now) for order in batch.orders]
    await session.commit()
    return [DecisionResponse.of(decided, invitation) for decided, invitation in taken]


async def _take(session: AsyncSession, body: OrderRequest, *, now: datetime) -> tuple[Order, Invitation | None]:
    event = body.to_event()
    merchant = await session.get_one(models.Merchant, MERCHANT)
    stored = await session.get(models.Order, (MERCHANT, event.order_id), options=[selectinload(models.Order.lines)])
    contacts = sorted(contacts_of(event, order_value(stored) if stored else None))
    await _lock(session, contacts)
    orders, invitations = await _read_history(session, contacts)
    ledger = _make_ledger(merchant)
    ledger.load(
        [order_value(order) for order in orders],
        [invitation_value(invitation) for invitation in invitations],
        await _read_suppressions(session, contacts),
    )
    decided = ledger.post(event, accepted_at=now)
    _store_order(session, ledger, {order.order_id: order for order in orders})
    _store_invitations(session, ledger, {invitation.id: invitation for invitation in invitations})
    await _store_products(session, decided, now)
    record = body.model_dump(mode="json", exclude_unset=True)
    session.add(
        models.OrderEvent(merchant_id=MERCHANT, order_id=decided.order_id, id=new_id(), body=record, accepted_at=now)
    )
    for entry in ledger.timeline:
        session.add(
            models.TimelineEntry(
                merchant_id=MERCHANT,
                id=new_id(),
                order_id=entry.order_id,
                invitation_id=entry.invitation_id,
                at=entry.at,
                actor=entry.actor,
                event=entry.event,
                reason=entry.reason,
                data=dict(entry.data),
            )
        )
    await session.flush()
    return decided, ledger.invitations[decided.invitation_id] if decided.invitation_id else None


def _make_ledger(merchant: models.Merchant) -> Ledger:
    row = models.columns_of(merchant)
    value = Merchant(
        id=MerchantId(row["id"]),
        name=row["name"],
        time_zone=row["time_zone"],
        homepage_url=row["homepage_url"],
        sandbox=row["sandbox"],
        created_at=row["created_at"],
    )
    return Ledger(value, policy=POLICY, policies={POLICY.version: POLICY}, new_id=new_id)


async def _lock(session: AsyncSession, contacts: Sequence[str]) -> None:
    for contact in contacts:
        identity = (MERCHANT, KEYS.key(contact))
        if await session.get(models.Contact, identity, with_for_update=True) is None:
            session.add(models.Contact(merchant_id=MERCHANT, contact_key=KEYS.key(contact)))
    await session.flush()


async def _read_history(
    session: AsyncSession, contacts: Sequence[str]
) -> tuple[Sequence[models.Order], Sequence[models.Invitation]]:
    orders, joined = models.Order.__table__.c, models.InvitationOrder.__table__.c
    keys = [KEYS.key(contact) for contact in contacts]
    related = await session.scalars(
        select(models.Order)
        .where(orders.merchant_id == MERCHANT, orders.email_key.in_(keys) | orders.phone_key.in_(keys))
        .options(selectinload(models.Order.lines))
    )
    found = related.all()
    invitations = await session.scalars(
        select(models.Invitation)
        .join(models.Invitation.joined)
        .where(joined.merchant_id == MERCHANT, joined.order_id.in_([order.order_id for order in found]))
        .options(selectinload(models.Invitation.products), selectinload(models.Invitation.joined))
        .with_for_update(of=models.Invitation)
    )
    return found, invitations.unique().all()


async def _read_suppressions(session: AsyncSession, contacts: Sequence[str]) -> list[Suppression]:
    column = models.Suppression.__table__.c
    by_key = {KEYS.key(contact): contact for contact in contacts}
    rows = await session.scalars(
        select(models.Suppression).where(column.merchant_id == MERCHANT, column.contact_key.in_(list(by_key)))
    )
    return [Suppression(by_key[row.contact_key], SuppressionReason(row.reason), row.created_at) for row in rows]


def _store_order(session: AsyncSession, ledger: Ledger, rows: dict[str, models.Order]) -> None:
    for order in ledger.changed_orders():
        columns = {**order_columns(order, KEYS), "trace": [list(entry) for entry in trace_json(order.trace)]}
        row = rows.get(order.order_id)
        if row is not None:
            for name, value in columns.items():
                setattr(row, name, value)
            continue
        lines = [models.OrderLine(merchant_id=MERCHANT, **line) for line in line_columns(order)]
        session.add(models.Order(merchant_id=MERCHANT, **columns, lines=lines))


def _store_invitations(session: AsyncSession, ledger: Ledger, rows: dict[UUID, models.Invitation]) -> None:
    for invitation in ledger.changed_invitations():
        columns = {**invitation_columns(invitation), "contact_key": KEYS.key(invitation.contact)}
        row = rows.get(invitation.id)
        if row is None:
            row = models.Invitation(merchant_id=MERCHANT, **columns)
            session.add(row)
        else:
            for name, value in columns.items():
                setattr(row, name, value)
        row.joined.extend(
            models.InvitationOrder(merchant_id=MERCHANT, order_id=order_id, position=position)
            for position, order_id in enumerate(invitation.order_ids)
            if position >= len(row.joined)
        )
        row.products.extend(
            models.InvitationProduct(
                merchant_id=MERCHANT,
                product_id=product.product_id,
                position=position,
                brought_by=list(product.brought_by),
                asked=product.asked,
                created_at=invitation.created_at,
            )
            for position, product in enumerate(invitation.products)
            if position >= len(row.products)
        )


async def _store_products(session: AsyncSession, order: Order, now: datetime) -> None:
    for line in order.lines:
        product = await session.get(models.Product, (MERCHANT, line.id))
        shown = {"name": line.name, "url": line.url, "image_url": line.image_url, "category": line.category}
        if product is None:
            session.add(models.Product(merchant_id=MERCHANT, product_id=line.id, updated_at=now, **shown))
            continue
        for name, value in shown.items():
            setattr(product, name, value)
