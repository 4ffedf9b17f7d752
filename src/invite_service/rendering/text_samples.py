"""Made-up customers: one to look at, and the worst ones that a text must hold for before it is saved."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from invite_service.domain.branding import Branding
from invite_service.domain.texts import TextName
from invite_service.rendering.text_variables import customer_variables, merchant_variables

LONG: Final = 10_000
"""Characters of a long name."""

_LONG_NAME: Final = "漢" * LONG
"""One text for all who bear it: one for each of them takes 4 MiB."""


@dataclass(frozen=True, slots=True)
class SampleProduct:
    """A made-up product."""

    product_id: str
    name: str | None
    image_url: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleCustomer:
    """What a text is written for."""

    customer_name: str | None
    order_id: str | None
    products: Sequence[SampleProduct]
    merchant_name: str | None = None
    """None: the merchant's own."""
    has_contacts: bool = True
    """Whether the merchant has set everything that customers can turn to."""


USUAL: Final = SampleCustomer(
    customer_name="Kari Nordmann",
    order_id="A-1001",
    products=(SampleProduct("mug", "Blue mug"), SampleProduct("tent", "Tent for two")),
)
"""The one that previews show where no order is named."""

WORST: Final = (
    USUAL,
    SampleCustomer(customer_name=None, order_id=None, products=(), has_contacts=False),
    SampleCustomer(customer_name="Å", order_id="1", products=(SampleProduct("1", None),), merchant_name="B"),
    SampleCustomer(
        customer_name="Å" * LONG,
        order_id="1" * LONG,
        products=[SampleProduct(str(number), _LONG_NAME) for number in range(200)],
        merchant_name="ÅØ " * LONG,
    ),
    SampleCustomer(
        customer_name="<b>{{ x }}\r\nBcc: a@example.com\u202e",
        order_id="A/1#2&<'\"",
        products=[SampleProduct(str(number), "<script>{% x %}\x00") for number in range(12)],
        merchant_name="A & <B>\r\n",
    ),
)
"""Nobody's name, none at all, very long ones, no products, one, very many, and such as would break out of a mail."""


def sample_variables(
    name: TextName, sample: SampleCustomer, *, merchant_name: str, homepage_url: str, branding: Branding
) -> dict[str, object]:
    """Give the variables of a made-up customer, made as those of real ones are."""
    given = branding if sample.has_contacts else Branding()
    of_merchant = merchant_variables(
        name,
        merchant_name=merchant_name if sample.merchant_name is None else sample.merchant_name,
        homepage_url=homepage_url,
        branding=given,
    )
    of_customer = customer_variables(
        name,
        customer_name=sample.customer_name,
        order_id=sample.order_id,
        products=sample.products,
        unnamed_product="?",
    )
    return of_merchant | of_customer
