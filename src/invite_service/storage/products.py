"""Products: what messages and pages show of them, the newest that an order told."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from invite_service.domain.order import Order
from invite_service.storage.statements import Share, instant, text

_SHOWN: Final = ("name", "url", "image_url", "brand", "category")

_NEWEST: Final = ", ".join(f"COALESCE(given.{name}, known.{name})" for name in _SHOWN)
_KNOWN: Final = ", ".join(f"known.{name}" for name in _SHOWN)

# Rows that would stay as they are are left out beforehand: ON CONFLICT would lock them, and orders of a product that
# sells well would queue up behind each other. What an order does not tell stays as an earlier one told it. OFFSET 0
# keeps the planner from reading all products at once to compare them with a few.
SAVE_PRODUCTS: Final = Share(
    "saved_products",
    (text("product_id"), *(text(name) for name in _SHOWN), instant("updated_at")),
    f"""
    INSERT INTO products AS stored (merchant_id, {{names}})
    SELECT $1, {{values}} FROM {{rows}}
    WHERE NOT EXISTS (
        SELECT FROM products AS known
        WHERE known.merchant_id = $1 AND known.product_id = given.product_id
            AND (known.updated_at > given.updated_at OR ({_NEWEST}) IS NOT DISTINCT FROM ({_KNOWN}))
        OFFSET 0
    )
    ORDER BY given.product_id
    ON CONFLICT (merchant_id, product_id) DO UPDATE
    SET {", ".join(f"{name} = COALESCE(EXCLUDED.{name}, stored.{name})" for name in _SHOWN)},
        updated_at = EXCLUDED.updated_at
    WHERE stored.updated_at <= EXCLUDED.updated_at
    RETURNING 1
    """,  # noqa: S608 - built from the constants above
)


def product_rows(orders: Iterable[Order], *, told_at: datetime) -> Iterable[tuple[object, ...]]:
    """Write the products of some orders as the values of SAVE_PRODUCTS, each once, later orders before earlier ones.

    `told_at` is when the events that told of them were accepted (the merchant's clock).
    """
    told: dict[str, tuple[str | None, ...]] = {}
    for order in orders:
        for line in order.lines:
            shown = (line.name, line.url, line.image_url, line.brand, line.category)
            earlier = told.get(line.id)
            if earlier is not None and earlier != shown:
                shown = tuple(new if new is not None else old for new, old in zip(shown, earlier, strict=True))  # type: ignore[assignment]
            told[line.id] = shown
    return ((product_id, *shown, told_at) for product_id, shown in told.items())
