"""Counters of stars and of texts, and what the public may have to read anew: kept in each rating's transaction."""

from collections.abc import Callable, Collection, Iterable
from typing import Final

from invite_service.domain.feedback import PublishState, Rating
from invite_service.domain.merchant import MerchantId
from invite_service.rules.averages import CountsByState, StarCounts
from invite_service.rules.publishing import shown_text_state
from invite_service.storage.driver import Driver
from invite_service.storage.response_periods import COUNT_RATED, rated_rows, shard_of
from invite_service.storage.statements import Given, Share, Writing, text

SERVICE: Final = ""
"""Stands for the service in the product_id of ratings and totals; no product has an empty id."""

ALL_PRODUCTS: Final = "*"
"""Stands for the sum over all products in the product_id of totals."""

STARS: Final = ("stars_1", "stars_2", "stars_3", "stars_4", "stars_5")

Change = tuple[Rating | None, Rating]
"""A rating as it stood before (None for a new one), and as it stands now."""


def _adding_to(table: str) -> Share:
    return Share(
        f"added_{table}",
        (text("product_id"), text("state"), *(Given(name, "int8") for name in STARS)),
        f"""
        INSERT INTO {table} AS stored (merchant_id, {{names}})
        SELECT $1, {{values}} FROM {{rows}}
        ORDER BY given.product_id, given.state
        ON CONFLICT (merchant_id, product_id, state) DO UPDATE
        SET {", ".join(f"{name} = stored.{name} + EXCLUDED.{name}" for name in STARS)}
        RETURNING 1
        """,  # noqa: S608 - a table's name, and the constant above
    )


# Sorted, so that two transactions that count at the same time meet in the same order. The sums over all products are
# rows that many transactions want: this is the last statement of a transaction that has one.
ADD_TO_RATING_TOTALS: Final = _adding_to("rating_totals")
ADD_TO_REVIEW_TOTALS: Final = _adding_to("review_totals")

RAISE_VERSIONS: Final = Share(
    "raised_versions",
    (text("product_id"),),
    """
    INSERT INTO public_versions AS stored (merchant_id, version, {names})
    SELECT $1, 1, {values} FROM {rows}
    ORDER BY given.product_id
    ON CONFLICT (merchant_id, product_id) DO UPDATE SET version = stored.version + 1
    RETURNING 1
    """,
)


def _reading(table: str) -> str:
    return f"""
SELECT product_id, state, {", ".join(STARS)}
FROM {table}
WHERE merchant_id = $1 AND product_id = ANY($2::text[])
"""  # noqa: S608 - a table's name, and the constant above


FIND_RATING_TOTALS: Final = _reading("rating_totals")
FIND_REVIEW_TOTALS: Final = _reading("review_totals")


async def count(driver: Driver, merchant_id: MerchantId, changes: Iterable[Change], *, zone: str) -> None:
    """Count ratings that were changed, whose rows this transaction holds."""
    changes = list(changes)
    counting = Writing()
    counting.add(ADD_TO_RATING_TOTALS, _differences(changes, lambda rating: rating.state))
    counting.add(ADD_TO_REVIEW_TOTALS, _differences(changes, shown_text_state))
    touched = {key_of(rating.product_id) for change in changes for rating in change if rating is not None}
    counting.add(RAISE_VERSIONS, ((key,) for key in touched))
    added = [rating for stored, rating in changes if stored is None]
    if added:
        instants = [rating.created_at for rating in added]
        counting.add(COUNT_RATED, rated_rows(instants, zone, shard=shard_of(added[0].id)))
    await counting.run(driver, merchant_id)


class TotalStore:
    """A merchant's counters."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def find_ratings(
        self, merchant_id: MerchantId, product_ids: Collection[str | None]
    ) -> dict[str | None, dict[PublishState, StarCounts]]:
        """Find the stars of products and, for None, of the service; what was never rated is left out."""
        keys = {key_of(product_id): product_id for product_id in product_ids}
        found: dict[str | None, dict[PublishState, StarCounts]] = {}
        for key, state, *stars in await self._driver.fetch(FIND_RATING_TOTALS, merchant_id, list(keys)):
            found.setdefault(keys[key], {})[PublishState(state)] = StarCounts(*stars)
        return found

    async def find_service_and_products(self, merchant_id: MerchantId) -> tuple[CountsByState, CountsByState]:
        """Find the stars of the service, and those of all products together, of one instant."""
        return await self._find_both(FIND_RATING_TOTALS, merchant_id)

    async def find_texts(self, merchant_id: MerchantId) -> tuple[CountsByState, CountsByState]:
        """Find the stars that go with the texts about the service, and with those about all products together.

        A text stands as it can be seen: one whose stars are not published as these do.
        """
        return await self._find_both(FIND_REVIEW_TOTALS, merchant_id)

    async def raise_version(self, merchant_id: MerchantId, product_id: str | None) -> None:
        """Tell that the public may see something else of a product, or of the service, than before."""
        raising = Writing()
        raising.add(RAISE_VERSIONS, [(key_of(product_id),)])
        await raising.run(self._driver, merchant_id)

    async def _find_both(self, statement: str, merchant_id: MerchantId) -> tuple[CountsByState, CountsByState]:
        found: dict[str, dict[PublishState, StarCounts]] = {SERVICE: {}, ALL_PRODUCTS: {}}
        for key, state, *stars in await self._driver.fetch(statement, merchant_id, list(found)):
            found[key][PublishState(state)] = StarCounts(*stars)
        return found[SERVICE], found[ALL_PRODUCTS]


def key_of(product_id: str | None) -> str:
    """Write a product's id as totals know it: one that begins like ALL_PRODUCTS is told apart by doubling the sign."""
    if product_id is None:
        return SERVICE
    return ALL_PRODUCTS + product_id if product_id.startswith(ALL_PRODUCTS) else product_id


def _differences(
    changes: Iterable[Change], state_of: Callable[[Rating], PublishState | None]
) -> Iterable[tuple[object, ...]]:
    """Add up what the changes take from the counters and bring to them; what changes nothing is left out."""
    differences: dict[tuple[str, PublishState], list[int]] = {}
    for stored, rating in changes:
        for counted, sign in ((stored, -1), (rating, 1)):
            state = state_of(counted) if counted is not None else None
            if counted is None or state is None:
                continue
            key = key_of(counted.product_id)
            for counter in [key] if counted.product_id is None else [key, ALL_PRODUCTS]:
                differences.setdefault((counter, state), [0] * len(STARS))[counted.stars - 1] += sign
    return [(key, state, *stars) for (key, state), stars in differences.items() if any(stars)]
