"""What merchants' templates may name: a fixed set of variables, each short and one clean line (docs/texts.md)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from invite_service.domain.branding import Branding
from invite_service.domain.texts import TextName
from invite_service.rendering.cleaning import one_line, web_address
from invite_service.rendering.products import PRODUCT_NAME_LIMIT, ShownProduct
from invite_service.rendering.text_fields import PAGE_TEXTS, SMS_TEXTS

MAX_PRODUCTS: Final = 12
"""Products a template can go through; `product_count` tells the number of all."""

NAME_LIMIT: Final = 80
ORDER_ID_LIMIT: Final = 100

SMS_NAME_LIMIT: Final = 30
"""Characters of any name in an SMS: room is dear."""

MERCHANT_NAMES: Final = frozenset({"merchant_name", "homepage_url", "support_email", "support_phone", "support_url"})
"""The same for all customers, so that what names only these is written once per text version."""

CUSTOMER_NAMES: Final = frozenset(
    {"customer_name", "order_id", "product_count", "product_name", "product_names", "products"}
)

_PLAINER: Final = str.maketrans(
    {
        "\N{LEFT SINGLE QUOTATION MARK}": "'",
        "\N{RIGHT SINGLE QUOTATION MARK}": "'",
        "\N{LEFT DOUBLE QUOTATION MARK}": '"',
        "\N{RIGHT DOUBLE QUOTATION MARK}": '"',
        "\N{EN DASH}": "-",
        "\N{EM DASH}": "-",
        "\N{HORIZONTAL ELLIPSIS}": "...",
        "\N{NO-BREAK SPACE}": " ",
    }
)
"""Typographic signs of names that would double the price of an SMS."""


class NamedProduct(Mapping[str, str]):
    """A product as templates know it: it has a name, and is written as its name."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __getitem__(self, key: str) -> str:
        if key != "name":
            raise KeyError(key)
        return self._name

    def __iter__(self) -> Iterator[str]:
        return iter(("name",))

    def __len__(self) -> int:
        return 1

    def __str__(self) -> str:
        return self._name


def names_for(name: TextName) -> frozenset[str]:
    """Tell which variables the templates of a text may name; a page knows of the merchant and the customer's name."""
    if name is TextName.PAGE:
        return MERCHANT_NAMES
    if name is TextName.NOT_RECEIVED:
        return MERCHANT_NAMES | {"customer_name"}
    return MERCHANT_NAMES | CUSTOMER_NAMES


def plain_name(text: str | None, *, limit: int = SMS_NAME_LIMIT) -> str:
    """Make a name one line of the letters an SMS has at hand."""
    return one_line((text or "").translate(_PLAINER), limit=limit).translate(_PLAINER)


def merchant_variables(
    name: TextName, *, merchant_name: str, homepage_url: str, branding: Branding
) -> dict[str, object]:
    """Give the variables that are the same for all customers; what the merchant has not set is nil."""
    is_sms = name in SMS_TEXTS
    return {
        "merchant_name": plain_name(merchant_name) if is_sms else one_line(merchant_name, limit=NAME_LIMIT),
        "homepage_url": web_address(branding.homepage_url or homepage_url),
        "support_email": branding.support_email,
        "support_phone": branding.support_phone,
        "support_url": web_address(branding.support_url),
    }


def customer_variables(
    name: TextName,
    *,
    customer_name: str | None,
    order_id: str | None = None,
    products: Sequence[ShownProduct] = (),
    unnamed_product: str = "",
) -> dict[str, object]:
    """Give the variables of one customer; `unnamed_product` stands for a product without a name."""
    is_sms = name in SMS_TEXTS
    if name in PAGE_TEXTS:
        return {"customer_name": one_line(customer_name, limit=NAME_LIMIT) or None}

    def clean(text: str | None, limit: int) -> str:
        return plain_name(text) if is_sms else one_line(text, limit=limit)

    names = [clean(product.name, PRODUCT_NAME_LIMIT) or unnamed_product for product in products[:MAX_PRODUCTS]]
    return {
        "customer_name": clean(customer_name, NAME_LIMIT) or None,
        "order_id": clean(order_id, ORDER_ID_LIMIT) or None,
        "product_count": len(products),
        "product_name": names[0] if names else None,
        "product_names": ", ".join(names) or None,
        "products": [NamedProduct(product) for product in names],
    }
