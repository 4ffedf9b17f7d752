"""The service's tables as ORM classes, mapped as the SQLAlchemy manual shows."""

from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy.orm import DeclarativeBase, Mapped, relationship

from invite_service.storage.metadata import accounts, customers, messages, purchases, records
from invite_service.storage.metadata.columns import metadata as all_tables


class Base(DeclarativeBase):
    """Maps onto the tables that are there."""

    metadata = all_tables


class Contact(Base):
    """A contact."""

    __table__ = customers.contacts


class Product(Base):
    """A product."""

    __table__ = purchases.products


class Suppression(Base):
    """A suppressed contact."""

    __table__ = customers.suppressions
    if TYPE_CHECKING:
        contact_key: bytes
        reason: str
        created_at: datetime


class OrderLine(Base):
    """A bought product."""

    __table__ = purchases.order_lines


class OrderEvent(Base):
    """What was posted."""

    __table__ = purchases.order_events


class Order(Base):
    """An order with its lines."""

    __table__ = purchases.orders
    if TYPE_CHECKING:
        order_id: str
    lines: Mapped[list[OrderLine]] = relationship(OrderLine, order_by=OrderLine.__table__.c.position)
    events: Mapped[list[OrderEvent]] = relationship(OrderEvent)


class InvitationProduct(Base):
    """A product of an invitation."""

    __table__ = messages.invitation_products


class InvitationOrder(Base):
    """An order that joined an invitation."""

    __table__ = messages.invitation_orders


class Invitation(Base):
    """An invitation with its orders and products."""

    __table__ = messages.invitations
    if TYPE_CHECKING:
        id: UUID
    products: Mapped[list[InvitationProduct]] = relationship(
        InvitationProduct, order_by=InvitationProduct.__table__.c.position
    )
    joined: Mapped[list[InvitationOrder]] = relationship(InvitationOrder)


class TimelineEntry(Base):
    """A line of the timeline."""

    __table__ = records.timeline_entries


class Merchant(Base):
    """A merchant."""

    __table__ = accounts.merchants


def columns_of(row: Base) -> dict[str, Any]:
    """Read a row's columns."""
    return {column.key: getattr(row, column.key) for column in row.__table__.columns}
