"""Products as search engines are told of them."""

from typing import Final

from invite_service.domain.errors import ProductNotFoundError
from invite_service.domain.merchant import MerchantId
from invite_service.domain.public_review import ProductFacts
from invite_service.storage.driver import Driver

# The codes are not kept with the product: what they say may differ from variant to variant, so they are those of the
# line that brought the newest rating.
FIND_PRODUCT: Final = """
SELECT products.name, products.url, products.image_url, products.brand, bought.gtin, bought.mpn, bought.sku,
    products.updated_at
FROM products
LEFT JOIN LATERAL (
    SELECT order_lines.gtin, order_lines.mpn, order_lines.sku
    FROM (
        SELECT invitation_id FROM ratings
        WHERE merchant_id = $1 AND product_id = $2 AND state = 'published'
        ORDER BY created_at DESC, id DESC
        LIMIT 1
    ) AS newest
    JOIN invitation_products AS asked
        ON asked.merchant_id = $1 AND asked.invitation_id = newest.invitation_id AND asked.product_id = $2
    JOIN order_lines
        ON order_lines.merchant_id = $1 AND order_lines.order_id = ANY(asked.brought_by)
        AND order_lines.product_id = $2
    ORDER BY order_lines.gtin IS NULL, order_lines.order_id, order_lines.position
    LIMIT 1
) AS bought ON TRUE
WHERE products.merchant_id = $1 AND products.product_id = $2
"""


class PublicProductStore:
    """What orders told of a merchant's products."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def get(self, merchant_id: MerchantId, product_id: str) -> ProductFacts:
        """Get what is known of a product.

        Raises:
            ProductNotFoundError: no order told of one of that id.
        """
        row = await self._driver.fetchrow(FIND_PRODUCT, merchant_id, product_id)
        if row is None:
            raise ProductNotFoundError("No product of that id is known.")
        name, url, image_url, brand, gtin, mpn, skus, updated_at = row
        return ProductFacts(
            product_id=product_id,
            name=name,
            url=url,
            image_url=image_url,
            brand=brand,
            gtin=gtin,
            mpn=mpn,
            skus=tuple(skus or ()),
            updated_at=updated_at,
        )
