"""Reviews as the public sees them, sorted and filtered, and what their answers' ETags are made of.

A sorted list is put together from parts that an index carries: one for each number of stars, or one of what somebody
found helpful and one of the rest. Each is read from where the page begins, and no further than the page is long.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import dropwhile
from typing import Final

from invite_service.domain.errors import MerchantNotFoundError
from invite_service.domain.feedback import PublishState
from invite_service.domain.merchant import MerchantId
from invite_service.domain.notice import Reply
from invite_service.domain.public_review import PublicFilter, PublicReview, ReviewPlace, ReviewSorting
from invite_service.rules.averages import PublicStanding, StarCounts
from invite_service.storage.choosing import Conditions
from invite_service.storage.driver import Driver, Row
from invite_service.storage.totals import SERVICE, STARS, key_of

_COUNTS: Final = ", ".join(f"{table}.{name}" for table in ("t", "w") for name in STARS)

# A merchant without counters has its row as well: without one there is no such merchant.
_STANDINGS: Final = f"""
FROM merchants
CROSS JOIN unnest({{wanted}}) AS wanted (product_id)
LEFT JOIN public_versions AS v ON v.merchant_id = $1 AND v.product_id = wanted.product_id
LEFT JOIN rating_totals AS t
    ON t.merchant_id = $1 AND t.product_id = wanted.product_id AND t.state = '{PublishState.PUBLISHED}'
LEFT JOIN review_totals AS w
    ON w.merchant_id = $1 AND w.product_id = wanted.product_id AND w.state = '{PublishState.PUBLISHED}'"""

FIND_STANDINGS: Final = f"""
SELECT wanted.product_id, v.version, {_COUNTS}{_STANDINGS.format(wanted="$2::text[]")}
WHERE merchants.id = $1
"""

# A reply is to a text, and seen only with it.
LIST_REVIEWS: Final = """
SELECT r.part, r.rank, r.id, r.stars, r.created_at, r.updated_at, v.text, v.displayed_name, v.language, r.helpful_count,
    r.unhelpful_count, replies.text AS reply_text, replies.created_at AS replied_at, replies.created_by AS replied_by,
    replies.updated_at AS reply_updated_at,
    ARRAY(
        SELECT p.id FROM review_pictures AS p WHERE p.merchant_id = $1 AND p.rating_id = v.rating_id ORDER BY p.id
    ) AS picture_ids
FROM ({parts}) AS r
LEFT JOIN reviews AS v ON v.merchant_id = $1 AND v.rating_id = r.id AND v.state = 'published'
LEFT JOIN replies ON replies.merchant_id = $1 AND replies.rating_id = v.rating_id
ORDER BY r.part, r.rank {direction}, r.created_at {direction}, r.id {direction}
LIMIT $3
"""

# One look at both, so that the standing and what goes with it are of one moment. An empty list has one row, of nulls.
LIST_WITH_STANDING: Final = f"""
SELECT r.*, v.version, {_COUNTS}{_STANDINGS.format(wanted="ARRAY[$2::text]")}
LEFT JOIN ({{listed}}) AS r ON TRUE
WHERE merchants.id = $1
ORDER BY r.part, r.rank {{direction}}, r.created_at {{direction}}, r.id {{direction}}
"""

PART_OF_LIST: Final = """(
    SELECT {part} AS part, {rank} AS rank, id, stars, created_at, updated_at, helpful_count, unhelpful_count
    FROM ratings
    WHERE merchant_id = $1 AND product_id = $2 AND state = 'published'{conditions}
    ORDER BY {order}
    LIMIT $3
)"""

_WITH_TEXT: Final = """{is_there} (
    SELECT FROM reviews AS v
    WHERE v.merchant_id = $1 AND v.rating_id = ratings.id AND v.state = 'published'{condition}
)"""

_ALL_STARS: Final = range(1, len(STARS) + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewSlice:
    """Which part of a sorted list is read: up to `limit` reviews, beyond a place or from an end."""

    sorting: ReviewSorting
    limit: int
    beyond: ReviewPlace | None = None
    is_backwards: bool = False
    """Against the sorting, as a page before a place is read."""


class PublicReviewStore:
    """What the public sees of a merchant's reviews."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def find_standings(
        self, merchant_id: MerchantId, product_ids: Sequence[str | None]
    ) -> dict[str | None, PublicStanding]:
        """Find how products, and for None the service, stand; what was never rated stands at zero.

        Raises:
            MerchantNotFoundError: there is none of that id.
        """
        keys = {key_of(product_id): product_id for product_id in product_ids}
        rows = await self._driver.fetch(FIND_STANDINGS, merchant_id, list(keys))
        if keys and not rows:
            raise MerchantNotFoundError("No merchant of that id exists.")
        return {keys[key]: _standing(version, counts) for key, version, *counts in rows}

    async def list_(
        self, merchant_id: MerchantId, product_id: str | None, chosen: PublicFilter, *, part: ReviewSlice
    ) -> list[PublicReview]:
        """List what is published of a product, or of the service where it is None."""
        statement, parameters = _list_statement(merchant_id, product_id, chosen, part)
        return [_review(row, product_id) for row in await self._driver.fetch(statement, *parameters)]

    async def list_with_standing(
        self, merchant_id: MerchantId, product_id: str | None, chosen: PublicFilter, *, part: ReviewSlice
    ) -> tuple[PublicStanding, list[PublicReview]]:
        """Tell how a product, or the service, stands, and list what is published of it at the same moment.

        Raises:
            MerchantNotFoundError: there is none of that id.
        """
        listed, parameters = _list_statement(merchant_id, product_id, chosen, part)
        statement = LIST_WITH_STANDING.format(listed=listed, direction=_direction(part))
        rows = await self._driver.fetch(statement, *parameters)
        if not rows:
            raise MerchantNotFoundError("No merchant of that id exists.")
        version, *counts = tuple(rows[0])[-1 - 2 * len(STARS) :]
        reviews = [_review(row, product_id) for row in rows if row["id"] is not None]
        return _standing(version, counts), reviews


@dataclass(frozen=True, slots=True, kw_only=True)
class _Section:
    """What one index carries of a sorted list."""

    stars: int | None = None
    is_helpful: bool | None = None
    """Somebody found it helpful: then it is sorted by how many did."""

    def holds(self, rank: int) -> bool:
        """Say whether a place of that rank lies here."""
        return rank == self.stars if self.is_helpful is None else (rank > 0) is self.is_helpful


def _list_statement(
    merchant_id: MerchantId, product_id: str | None, chosen: PublicFilter, part: ReviewSlice
) -> tuple[str, list[object]]:
    parameters: list[object] = [merchant_id, product_id or SERVICE, part.limit]
    parts = " UNION ALL ".join(_parts(chosen, part, parameters))
    return LIST_REVIEWS.format(parts=parts, direction=_direction(part)), parameters


def _groups(chosen: PublicFilter, sorting: ReviewSorting) -> list[list[_Section]]:
    """List what follows each other in a list, each with its sections, which lie side by side.

    Side by side each number of stars is read by itself: among all of them few of one number may be far apart.
    """
    stars = sorted(set(chosen.stars), reverse=sorting is not ReviewSorting.LOWEST)
    match sorting:
        case ReviewSorting.MOST_HELPFUL:
            rest = [_Section(is_helpful=False, stars=one) for one in stars] or [_Section(is_helpful=False)]
            return [[_Section(is_helpful=True)], rest]
        case ReviewSorting.HIGHEST:
            return [[_Section(stars=one)] for one in stars or reversed(_ALL_STARS)]
        case ReviewSorting.LOWEST:
            return [[_Section(stars=one)] for one in stars or _ALL_STARS]
        case _:
            return [[_Section(stars=one) for one in stars] or [_Section()]]


def _parts(chosen: PublicFilter, part: ReviewSlice, parameters: list[object]) -> Iterator[str]:
    groups, beyond = _groups(chosen, part.sorting), part.beyond
    if part.is_backwards:
        groups.reverse()
    if beyond is not None and len(groups) > 1:
        rank = beyond.rank
        groups = list(dropwhile(lambda group: not group[0].holds(rank), groups))
    for number, group in enumerate(groups):
        for section in group:
            yield _part(section, chosen, part, parameters, beyond=beyond, number=number)
        beyond = None


def _part(
    section: _Section,
    chosen: PublicFilter,
    part: ReviewSlice,
    parameters: list[object],
    *,
    beyond: ReviewPlace | None,
    number: int = 0,
) -> str:
    conditions = Conditions.sharing(parameters)
    if section.stars is not None:
        conditions.add("stars = {}", section.stars)
    if section.is_helpful is not None:
        conditions.add(f"helpful_count IS {'NOT NULL' if section.is_helpful else 'NULL'}")
    if section.is_helpful and chosen.stars:
        conditions.add("stars = ANY({}::int2[])", list(chosen.stars))
    direction = _direction(part)
    columns = ("helpful_count", "created_at", "id") if section.is_helpful else ("created_at", "id")
    if beyond is not None:
        place = (beyond.rank, beyond.at, beyond.id)[-len(columns) :]
        sign = ">" if direction == "ASC" else "<"
        conditions.add(f"({', '.join(columns)}) {sign} ({', '.join('{}' for _ in place)})", *place)
    if chosen.languages:
        of_language = _WITH_TEXT.format(is_there="EXISTS", condition=" AND v.language = ANY({}::text[])")
        conditions.add(of_language, list(chosen.languages))
    if chosen.has_text is not None:
        conditions.add(_WITH_TEXT.format(is_there="EXISTS" if chosen.has_text else "NOT EXISTS", condition=""))
    return PART_OF_LIST.format(
        part=number,
        rank="helpful_count" if section.is_helpful else "0",
        conditions=conditions,
        order=", ".join(f"{column} {direction}" for column in columns),
    )


def _direction(part: ReviewSlice) -> str:
    return "ASC" if (part.sorting is ReviewSorting.OLDEST) is not part.is_backwards else "DESC"


def _standing(version: int | None, counts: Sequence[int | None]) -> PublicStanding:
    stars, texts = counts[: len(STARS)], counts[len(STARS) :]
    return PublicStanding(
        version or 0, StarCounts(*(count or 0 for count in stars)), StarCounts(*(count or 0 for count in texts))
    )


def _review(row: Row, product_id: str | None) -> PublicReview:
    _, _, rating_id, stars, created_at, updated_at, text, displayed_name, language, helpful, unhelpful, *_ = row
    reply_text = row["reply_text"]
    reply = None
    if reply_text is not None:
        reply = Reply(
            rating_id=rating_id,
            text=reply_text,
            created_at=row["replied_at"],
            created_by=row["replied_by"],
            updated_at=row["reply_updated_at"],
        )
    return PublicReview(
        id=rating_id,
        product_id=product_id,
        stars=stars,
        created_at=created_at,
        updated_at=updated_at,
        text=text,
        displayed_name=displayed_name or "",
        language=language,
        reply=reply,
        picture_ids=tuple(row["picture_ids"]),
        helpful_count=helpful or 0,
        unhelpful_count=unhelpful or 0,
    )
