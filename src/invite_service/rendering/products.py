"""What messages and pages show of a product."""

from typing import Protocol

PRODUCT_NAME_LIMIT = 120
"""Characters of a product's name that are shown."""


class ShownProduct(Protocol):
    """A product with what is shown of it; the storage's product cards are such."""

    @property
    def product_id(self) -> str:
        """The merchant's own id."""

    @property
    def name(self) -> str | None:
        """What the merchant calls it."""

    @property
    def image_url(self) -> str | None:
        """Where its picture is; shown when that is an https address."""
