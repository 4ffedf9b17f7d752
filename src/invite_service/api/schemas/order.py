"""The order event as a shop posts it."""

from typing import Annotated, Any

from pydantic import BaseModel, Field, TypeAdapter

from invite_service.api.schemas.fields import (
    STRICT,
    Country,
    Currency,
    EmailText,
    Id100,
    Instant,
    Price,
    PrintableId,
    Text50,
    Text100,
    Text200,
    Text500,
    WebAddress,
    Zone,
)
from invite_service.domain.order import UNSET, OrderEvent, OrderLine, UnsetType

MAX_PRODUCTS = 200
"""Lines of one order."""
MAX_SKUS = 50
"""Stock keeping units of one line."""
MAX_ATTRIBUTES = 5
"""Free texts of one order."""


class CustomerRequest(BaseModel):
    """Who bought. An e-mail address or a phone number that cannot be read counts as absent and is no fault."""

    model_config = STRICT

    id: Text100 | None = None
    email: EmailText | None = None
    name: Text200 | None = None
    phone: Text50 | None = None
    """International, or national when the order names its country."""


class OrderProductRequest(BaseModel):
    """One bought product."""

    model_config = STRICT

    id: Id100
    """The merchant's own product id; variants share their parent's."""
    name: Text500 | None = None
    url: WebAddress | None = None
    image_url: WebAddress | None = None
    brand: Text200 | None = None
    sku: Annotated[list[Text100], Field(max_length=MAX_SKUS)] | None = None
    gtin: Text50 | None = None
    mpn: Text100 | None = None
    category: Text200 | None = None
    price: Price | None = None
    currency: Currency | None = None
    variant_id: Text100 | None = None
    variant_name: Text500 | None = None
    returned: bool | None = None
    """True once it was sent back: it is not asked about any more."""

    def to_line(self) -> OrderLine:
        """Translate to the domain's order line."""
        return OrderLine(
            id=self.id,
            name=self.name,
            url=self.url,
            image_url=self.image_url,
            brand=self.brand,
            sku=tuple(self.sku) if self.sku else (),
            gtin=self.gtin,
            mpn=self.mpn,
            category=self.category,
            price=self.price,
            currency=self.currency,
            variant_id=self.variant_id,
            variant_name=self.variant_name,
            returned=self.returned is True,
        )


class DiscountRequest(BaseModel):
    """A voucher that the customer gets after the first review, whatever its stars."""

    model_config = STRICT

    code: Text100 | None = None
    description: Text500 | None = None


class OrderRequest(BaseModel):
    """An order and its status; a shop may post the same order many times.

    Only order_id is required. A field that is absent keeps its stored value; an explicit null or [] clears it.
    """

    model_config = STRICT

    order_id: PrintableId
    status: Text50 | None = None
    """The shop's own word; which ones trigger, hold or cancel is the policy's."""
    updated_at: Instant | None = None
    """When the shop last changed the order: an event older than what is stored changes nothing."""
    purchased_at: Instant | None = None
    """At most 24 hours in the future; absent: when the order was first accepted."""
    shipped_at: Instant | None = None
    delivered_at: Instant | None = None
    customer: CustomerRequest | None = None
    language: Annotated[str, Field(max_length=35)] | None = None
    """BCP 47, in any case, with - or _."""
    country: Country | None = None
    time_zone: Zone | None = None
    """Of the customer."""
    consent: bool | None = None
    """Whether the customer agreed to be asked; counts where the policy requires it."""
    products: Annotated[list[OrderProductRequest], Field(max_length=MAX_PRODUCTS)] | None = None
    attributes: Annotated[list[Text200], Field(max_length=MAX_ATTRIBUTES)] | None = None
    """Free texts that stay with the order."""
    discount: DiscountRequest | None = None

    def to_event(self) -> OrderEvent:
        """Translate to the domain's order event, absent fields as UNSET and explicit nulls as None or ()."""
        return OrderEvent(
            order_id=self.order_id,
            status=_given(self, "status"),
            updated_at=_given(self, "updated_at"),
            purchased_at=_given(self, "purchased_at"),
            shipped_at=_given(self, "shipped_at"),
            delivered_at=_given(self, "delivered_at"),
            customer_id=_given_inside(self, "customer", "id"),
            email=_given_inside(self, "customer", "email"),
            name=_given_inside(self, "customer", "name"),
            phone=_given_inside(self, "customer", "phone"),
            language=_given(self, "language"),
            country=_given(self, "country"),
            time_zone=_given(self, "time_zone"),
            consent=_given(self, "consent"),
            lines=self._lines(),
            attributes=self._attributes(),
            discount_code=_given_inside(self, "discount", "code"),
            discount_description=_given_inside(self, "discount", "description"),
        )

    def _lines(self) -> tuple[OrderLine, ...] | UnsetType:
        if "products" not in self.__pydantic_fields_set__:
            return UNSET
        return tuple([product.to_line() for product in self.products or ()])

    def _attributes(self) -> tuple[str, ...] | UnsetType:
        if "attributes" not in self.__pydantic_fields_set__:
            return UNSET
        return tuple(self.attributes or ())


def _given(model: BaseModel, name: str) -> Any:
    return getattr(model, name) if name in model.__pydantic_fields_set__ else UNSET


def _given_inside(model: BaseModel, name: str, inner: str) -> Any:
    """Read a field of an inner object; an inner object that is null clears all of its fields."""
    part = _given(model, name)
    return part if part is None or part is UNSET else _given(part, inner)


ORDER = TypeAdapter(OrderRequest)
"""Validates one order event."""
