"""Rows of the public side: a page of reviews, and summaries of many products, against PostgreSQL's own JSON of both."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

import asyncpg
import orjson
from benchmarks.listing import FULL_LISTS, PAGE, Getter, ListingLab, ListingScale
from benchmarks.table import Result, compare

SHOWING_ROWS: Final = ("public_reviews", "public_summaries")

FULL_REVIEWS: Final = ListingScale(rows=1_000_000, merchants=1, rounds=FULL_LISTS.rounds, requests=200)
QUICK_REVIEWS: Final = ListingScale(rows=50_000, merchants=1, rounds=2, requests=100)

PRODUCTS: Final = 500
SUMMED_UP: Final = 48
"""Products of a category's page."""

# Foreign keys rest while ratings of no invitation are made; the plans do not depend on them. Half of them have a text.
_FILL: Final = """
SET session_replication_role = replica;
INSERT INTO ratings (merchant_id, id, invitation_id, product_id, stars, state, created_at, updated_at)
SELECT '{merchant}', md5('r' || n)::uuid, md5('i' || n)::uuid, 'p' || n % {products}, 1 + (n * 7 + n / 3) % 5,
    CASE WHEN n % 19 = 0 THEN 'pending' ELSE 'published' END,
    timestamptz '2026-01-01Z' + n * interval '1 second', timestamptz '2026-01-01Z' + n * interval '1 second'
FROM generate_series(1, {rows}) AS n;
INSERT INTO reviews (merchant_id, rating_id, text, displayed_name, language, state, created_at, updated_at)
SELECT '{merchant}', id, repeat('It holds tea as a cup should. ', 6), 'Kari N.', 'nb', 'published', created_at,
    updated_at
FROM ratings WHERE ascii(right(id::text, 1)) % 2 = 0;
INSERT INTO rating_totals (merchant_id, product_id, state, stars_1, stars_2, stars_3, stars_4, stars_5)
SELECT merchant_id, product_id, state, count(*) FILTER (WHERE stars = 1), count(*) FILTER (WHERE stars = 2),
    count(*) FILTER (WHERE stars = 3), count(*) FILTER (WHERE stars = 4), count(*) FILTER (WHERE stars = 5)
FROM ratings GROUP BY 1, 2, 3;
INSERT INTO review_totals (merchant_id, product_id, state, stars_1, stars_2, stars_3, stars_4, stars_5)
SELECT r.merchant_id, r.product_id, r.state, count(*) FILTER (WHERE stars = 1), count(*) FILTER (WHERE stars = 2),
    count(*) FILTER (WHERE stars = 3), count(*) FILTER (WHERE stars = 4), count(*) FILTER (WHERE stars = 5)
FROM ratings r JOIN reviews v ON v.merchant_id = r.merchant_id AND v.rating_id = r.id GROUP BY 1, 2, 3;
INSERT INTO public_versions (merchant_id, product_id, version)
SELECT '{merchant}', 'p' || n, 1 FROM generate_series(0, {products} - 1) AS n;
"""

# What the wire shows of counters, written by PostgreSQL.
_STANDING: Final = """
    'count', t.stars_1 + t.stars_2 + t.stars_3 + t.stars_4 + t.stars_5,
    'average', round((t.stars_1 + 2 * t.stars_2 + 3 * t.stars_3 + 4 * t.stars_4 + 5 * t.stars_5)::numeric
        / (t.stars_1 + t.stars_2 + t.stars_3 + t.stars_4 + t.stars_5), 2),
    'distribution', json_build_object(
        '1', t.stars_1, '2', t.stars_2, '3', t.stars_3, '4', t.stars_4, '5', t.stars_5
    ),
    'review_count', w.stars_1 + w.stars_2 + w.stars_3 + w.stars_4 + w.stars_5
"""

_COUNTERS: Final = """
FROM rating_totals t
JOIN review_totals w ON w.merchant_id = t.merchant_id AND w.product_id = t.product_id AND w.state = t.state
WHERE t.merchant_id = '{merchant}' AND t.state = 'published'
"""

_PAGE: Final = (
    "SELECT json_build_object('summary', (SELECT json_build_object("
    + _STANDING
    + ") "
    + _COUNTERS
    + """ AND t.product_id = 'p7'), 'items', json_agg(json_build_object(
    'id', r.id, 'product_id', r.product_id, 'stars', r.stars,
    'review', CASE WHEN v.rating_id IS NOT NULL THEN json_build_object(
        'text', v.text, 'language', v.language, 'displayed_name', v.displayed_name,
        'picture_ids', ARRAY(
            SELECT p.id FROM review_pictures p WHERE p.merchant_id = '{merchant}' AND p.rating_id = v.rating_id
        )
    ) END,
    'reply', CASE WHEN a.rating_id IS NOT NULL THEN json_build_object(
        'text', a.text, 'created_at', a.created_at, 'updated_at', a.updated_at
    ) END,
    'is_verified_buyer', true,
    'votes', json_build_object('helpful', COALESCE(r.helpful_count, 0), 'not_helpful', COALESCE(r.unhelpful_count, 0)),
    'created_at', r.created_at, 'updated_at', r.updated_at
) ORDER BY r.created_at DESC, r.id DESC))::text
FROM (
    SELECT * FROM ratings
    WHERE merchant_id = '{merchant}' AND product_id = 'p7' AND state = 'published'
    ORDER BY created_at DESC, id DESC LIMIT {page}
) AS r
LEFT JOIN reviews v ON v.merchant_id = '{merchant}' AND v.rating_id = r.id AND v.state = 'published'
LEFT JOIN replies a ON a.merchant_id = '{merchant}' AND a.rating_id = v.rating_id
"""
)

_SUMMARIES: Final = (
    "SELECT json_build_object('items', json_agg(json_build_object('product_id', t.product_id, "
    + _STANDING
    + ") ORDER BY substr(t.product_id, 2)::int))::text "
    + _COUNTERS
    + " AND t.product_id = ANY(ARRAY[{product_ids}])"
)


@dataclass(slots=True)
class ShowingLab(ListingLab):
    """The service and its yardstick over one merchant's ratings."""

    async def fill(self) -> None:
        """Make the merchant's ratings, and the counters as they would have been kept."""
        database = await asyncpg.connect(self.plain_url)
        await database.execute(
            _FILL.format(merchant=self.crowd.first, products=PRODUCTS, rows=self.scale.rows), timeout=1200
        )
        for statement in ("VACUUM ANALYZE", "CHECKPOINT"):
            await database.execute(statement, timeout=1200)
        await database.close()


async def measure_showing(rows: Collection[str], scale: ListingScale) -> list[Result]:
    """Measure the rows asked for."""
    async with await ShowingLab.open(scale) as lab:
        merchant = lab.crowd.first
        product_ids = [f"p{number}" for number in range(SUMMED_UP)]
        written = ", ".join(f"'{product_id}'" for product_id in product_ids)
        port = await lab.start_yardstick(
            {
                "public_reviews": _PAGE.format(merchant=merchant, page=PAGE),
                "public_summaries": _SUMMARIES.format(merchant=merchant, product_ids=written),
            }
        )
        public = f"/public/v1/{merchant}"
        paths = {
            "public_reviews": f"{public}/products/p7/reviews?limit={PAGE}",
            "public_summaries": f"{public}/summaries?{'&'.join(f'product_id={one}' for one in product_ids)}",
        }
        return [await _compare(lab, row, paths[row], port) for row in SHOWING_ROWS if row in rows]


async def _compare(lab: ShowingLab, row: str, path: str, port: int) -> Result:
    """Ask for the same in turns, by nobody whom a cache could help."""
    service, yardstick = Getter(lab.api_port), Getter(port)
    ours, theirs = [], []
    if _told(service.get(path)) != _told(yardstick.get(f"/page/{row}")):
        raise RuntimeError(f"{row} and its yardstick tell different things")
    for number in range(lab.scale.rounds + 1):
        read = await asyncio.to_thread(service.p50, path, lab.scale.requests)
        written = await asyncio.to_thread(yardstick.p50, f"/page/{row}", lab.scale.requests)
        if number:
            ours.append(read)
            theirs.append(written)
    return compare(
        row,
        [1000 / one for one in ours],
        [1000 / one for one in theirs],
        unit="answers/s",
        against="json_agg",
        note=f"{lab.scale.rows:,} ratings of {PRODUCTS} products; p50 {median(ours):.2f} ms",
    )


def _told(body: bytes) -> Any:
    """Read what an answer tells, less cursors and the way instants are written."""
    document = orjson.loads(body)
    return [
        {name: value for name, value in item.items() if name not in {"created_at", "updated_at"}}
        for item in document["items"]
    ]
