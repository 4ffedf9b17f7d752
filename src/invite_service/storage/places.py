"""Where the invitations of a page are found: each filter starts at the index that leads to its first row.

A filter and a sorting seldom share an index, and a planner that has to choose takes an average merchant for granted: it
walks a sorting through a million rows that a filter refuses. So the choice is made here, by what is asked:

- by status, kind or channel: each combination asked for is a range of an index that is sorted, and the page is in what
  these ranges begin with;
- by the instant that is not sorted by: the same with days instead of combinations;
- by order or contact: they have few invitations, all of which are read;
- by product: an index has a product's invitations sorted by created_at. By send_at, all are read of one with few
  invitations; of another, those of the merchant are walked through in their order; where the page is not found within
  WALK of them, all of the product's are read, or, of one in many invitations of its time, those of each day of
  its time;
- nothing of these: the index of the sorting.

What else is asked applies to the rows found on this way. Subqueries with a LIMIT are read row by row, by the index that
leads to each, whatever the planner thinks of their number.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from invite_service.domain.invitation import Channel, InvitationStatus, Kind
from invite_service.domain.listing import ALWAYS, InvitationFilter, InvitationSorting, Span
from invite_service.domain.merchant import MerchantId
from invite_service.storage.choosing import Conditions, Slice
from invite_service.storage.contacts import ContactKeys

FEW: Final = 5_000
"""Invitations of a product that are read rather than walked to."""

WALK: Final = 5_000
"""Invitations that are walked through for a page before all of the product's are read."""

WALK_PER_ROW: Final = 20
"""The same for each row of a page larger than usual."""

MANY: Final = 20_000
"""Invitations of a product that are no longer read for a page, where the product is in many invitations of its time."""

SAMPLE: Final = 2_000
"""The merchant's invitations, from the product's latest back, of which HITS tell that it is in many."""

HITS: Final = 100
"""One in twenty: the first of a day's that has the product is then found soon, for every day of its time."""

_LEAST_ID: Final = UUID(int=0)

BY_COMBINATION: Final = """
SELECT found.at, found.id
FROM unnest({statuses}::text[], {kinds}::text[], {channels}::text[]) AS asked (status, kind, channel)
CROSS JOIN LATERAL (
    SELECT i.{at} AS at, i.id
    FROM invitations i
    WHERE i.merchant_id = $1 AND i.status = asked.status AND i.kind = asked.kind AND i.channel = asked.channel
        {in_index}{besides}
    ORDER BY i.{at} {direction}, i.id {direction}
    LIMIT {limit}
) AS found
ORDER BY found.at {direction}, found.id {direction}
LIMIT {limit}
"""

# Of the days, only those whose first row is among the first ones can have a row of the page.
BY_DAY: Final = """
SELECT found.at, found.id
FROM (
    SELECT days.day
    FROM (
        SELECT days.day::date AS day
        FROM generate_series(
            GREATEST(({start}::timestamptz AT TIME ZONE 'UTC')::date, (
                SELECT (i.{other} AT TIME ZONE 'UTC')::date FROM invitations i
                WHERE i.merchant_id = $1 ORDER BY i.{other}, i.id LIMIT 1
            ))::timestamp,
            LEAST(({end}::timestamptz AT TIME ZONE 'UTC')::date, (
                SELECT (i.{other} AT TIME ZONE 'UTC')::date FROM invitations i
                WHERE i.merchant_id = $1 ORDER BY i.{other} DESC, i.id DESC LIMIT 1
            ))::timestamp,
            interval '1 day'
        ) AS days (day)
    ) AS days
    CROSS JOIN LATERAL (
        SELECT i.{at} AS at, i.id
        FROM invitations i
        WHERE i.merchant_id = $1 AND (i.{other} AT TIME ZONE 'UTC')::date = days.day{in_index}{besides}
        ORDER BY i.{at} {direction}, i.id {direction}
        LIMIT 1
    ) AS head
    ORDER BY head.at {direction}, head.id {direction}
    LIMIT {limit}
) AS days
CROSS JOIN LATERAL (
    SELECT i.{at} AS at, i.id
    FROM invitations i
    WHERE i.merchant_id = $1 AND (i.{other} AT TIME ZONE 'UTC')::date = days.day{in_index}{besides}
    ORDER BY i.{at} {direction}, i.id {direction}
    LIMIT {limit}
) AS found
ORDER BY found.at {direction}, found.id {direction}
LIMIT {limit}
"""

BY_CANDIDATE: Final = """
SELECT i.{at} AS at, i.id
FROM ({candidates}) AS candidate
CROSS JOIN LATERAL (SELECT i.* FROM invitations i WHERE i.merchant_id = $1 AND i.id = candidate.id LIMIT 1) AS i
WHERE TRUE{in_index}{besides}
ORDER BY i.{at} {direction}, i.id {direction}
LIMIT {limit}
"""

# By limits of the whole place, the product included, and with a product that no plan knows: of one that is equal to a
# parameter a plan that is made once expects a handful of rows, which it reads all and sorts, however many they are.
BY_PRODUCT: Final = """
SELECT p.created_at AS at, p.invitation_id AS id
FROM invitation_products p{joined}
WHERE p.merchant_id = $1{in_index}
ORDER BY p.product_id {direction}, p.created_at {direction}, p.invitation_id {direction}
LIMIT {limit}
"""

_EVER: Final = Span(start=datetime(1, 1, 2, tzinfo=UTC), end=datetime(9999, 12, 31, tzinfo=UTC))
"""Both limits, where none is asked for."""

_WITH_INVITATION: Final = """
CROSS JOIN LATERAL (
    SELECT 1 FROM invitations i WHERE i.merchant_id = $1 AND i.id = p.invitation_id{besides} LIMIT 1
) AS i"""

# How many of the product there are is looked at only where the walk was in vain.
_OF_PRODUCT: Final = "FROM invitation_products p WHERE p.merchant_id = $1 AND p.product_id = {product}"

_ALL_OF_PRODUCT: Final = f"SELECT p.invitation_id AS id {_OF_PRODUCT}"

_IS_IN_MANY: Final = f"""(
    EXISTS (SELECT 1 {_OF_PRODUCT} ORDER BY p.created_at OFFSET {MANY} LIMIT 1)
    AND (
        SELECT count(*)
        FROM (
            SELECT i.id
            FROM invitations i
            WHERE i.merchant_id = $1 AND i.created_at <= (SELECT max(p.created_at) {_OF_PRODUCT})
            ORDER BY i.created_at DESC, i.id DESC
            LIMIT {SAMPLE}
        ) AS i
        CROSS JOIN LATERAL (SELECT 1 {_OF_PRODUCT} AND p.invitation_id = i.id LIMIT 1) AS invited
    ) >= {HITS}
)"""  # noqa: S608 - built from the constants above

BY_PRODUCT_SENT: Final = f"""
WITH walked AS MATERIALIZED (
    SELECT i.{{at}} AS at, i.id
    FROM (
        SELECT i.*
        FROM invitations i
        WHERE i.merchant_id = $1{{in_index}}
        ORDER BY i.{{at}} {{direction}}, i.id {{direction}}
        LIMIT {{walk}}
    ) AS i
    CROSS JOIN LATERAL (SELECT 1 {_OF_PRODUCT} AND p.invitation_id = i.id LIMIT 1) AS invited
    WHERE EXISTS (SELECT 1 {_OF_PRODUCT} ORDER BY p.created_at OFFSET {FEW} LIMIT 1){{besides}}
    ORDER BY i.{{at}} {{direction}}, i.id {{direction}}
    LIMIT {{limit}}
),
found AS MATERIALIZED (SELECT count(*) = {{limit}} AS is_page FROM walked),
spread AS MATERIALIZED (SELECT {_IS_IN_MANY} AS is_in_many WHERE NOT (SELECT is_page FROM found))
SELECT walked.at, walked.id FROM walked WHERE (SELECT is_page FROM found)
UNION ALL
SELECT found.at, found.id FROM ({BY_CANDIDATE.replace("{candidates}", _ALL_OF_PRODUCT)}) AS found
WHERE NOT (SELECT is_in_many FROM spread)
UNION ALL
SELECT found.at, found.id FROM ({{by_day}}) AS found WHERE (SELECT is_in_many FROM spread)
"""  # noqa: S608 - built from the constants above

IN_ORDER: Final = """
SELECT i.{at} AS at, i.id
FROM invitations i
WHERE i.merchant_id = $1{in_index}
ORDER BY i.{at} {direction}, i.id {direction}
LIMIT {limit}
"""

# An order joins one invitation, or the next one after that ended.
OF_ORDER: Final = """
SELECT j.invitation_id AS id FROM invitation_orders j WHERE j.merchant_id = $1 AND j.order_id = {}
"""

# The address it goes to, and those of every order that joined: a customer asked by SMS is found by e-mail as well.
OF_CONTACT: Final = """
SELECT a.id FROM invitations a WHERE a.merchant_id = $1 AND a.contact_key = {0}
UNION
SELECT j.invitation_id
FROM orders o JOIN invitation_orders j ON j.merchant_id = $1 AND j.order_id = o.order_id
WHERE o.merchant_id = $1 AND o.email_key = {0}
UNION
SELECT j.invitation_id
FROM orders o JOIN invitation_orders j ON j.merchant_id = $1 AND j.order_id = o.order_id
WHERE o.merchant_id = $1 AND o.phone_key = {0}
"""

HAS_PRODUCT: Final = """EXISTS (
    SELECT FROM invitation_products p WHERE p.merchant_id = $1 AND p.invitation_id = i.id AND p.product_id = {}
)"""

COUNT_BY_COMBINATION: Final = """
SELECT asked.status, sum(counted.count)::int8 AS count
FROM unnest({statuses}::text[], {kinds}::text[], {channels}::text[]) AS asked (status, kind, channel)
CROSS JOIN LATERAL (
    SELECT count(*) AS count
    FROM invitations i
    WHERE i.merchant_id = $1 AND i.status = asked.status AND i.kind = asked.kind AND i.channel = asked.channel
        {besides}
) AS counted
GROUP BY asked.status
"""

COUNT_CANDIDATES: Final = """
SELECT i.status, count(*) AS count
FROM ({candidates}) AS candidate
CROSS JOIN LATERAL (SELECT i.* FROM invitations i WHERE i.merchant_id = $1 AND i.id = candidate.id LIMIT 1) AS i
WHERE TRUE{besides}
GROUP BY i.status
"""


@dataclass(frozen=True, slots=True)
class Query:
    """A statement and what it is given."""

    text: str
    parameters: list[object]


def find_page(
    merchant_id: MerchantId,
    chosen: InvitationFilter,
    keys: ContactKeys,
    *,
    sorted_by: InvitationSorting,
    part: Slice,
) -> Query:
    """Write what finds the `at` and `id` of a slice's invitations; they may come in any order."""
    asked = _Asked(merchant_id, chosen, keys)
    candidates = asked.candidates()
    if candidates is None and chosen.product_id is not None and sorted_by is InvitationSorting.CREATED_AT:
        return _find_in_product(asked, chosen.product_id, chosen, part)
    in_index = Conditions.sharing(asked.parameters)
    in_index.add_part(f"(i.{sorted_by}, i.id)", _spans(chosen, sorted_by), part, least_id=_LEAST_ID)
    besides = Conditions.sharing(asked.parameters)
    other = _other(sorted_by)
    crossing = _spans(chosen, other)
    for span in crossing:
        besides.add_span(f"i.{other}", span)
    words = {
        "at": sorted_by.value,
        "other": other.value,
        "direction": _direction(part),
        "limit": part.limit,
        "in_index": in_index,
        "besides": besides,
    }
    if candidates is not None:
        asked.add_product(besides)
        asked.add_state(besides)
        return asked.query(BY_CANDIDATE, **words, candidates=candidates)
    if chosen.product_id is not None:
        asked.add_state(besides)
        product = asked.give(chosen.product_id)
        of_product = _OF_PRODUCT.format(product=product)
        by_day = BY_DAY.format(
            **words | {"besides": f"{besides} AND (SELECT TRUE {of_product} AND p.invitation_id = i.id)"},
            start=f"(SELECT min(p.created_at) {of_product})",
            end=f"(SELECT max(p.created_at) {of_product})",
        )
        walk = max(WALK, WALK_PER_ROW * part.limit)
        return asked.query(BY_PRODUCT_SENT, **words, product=product, walk=walk, by_day=by_day)
    if chosen.statuses or chosen.kind is not None or chosen.channel is not None:
        return asked.query(BY_COMBINATION, **words, **asked.combinations())
    if crossing:
        whole = _intersection(crossing)
        return asked.query(BY_DAY, **words, start=asked.give(whole.start), end=asked.give(whole.end))
    return asked.query(IN_ORDER, **words)


def _find_in_product(asked: "_Asked", product_id: str, chosen: InvitationFilter, part: Slice) -> Query:
    product = asked.give(product_id)
    in_index = Conditions.sharing(asked.parameters)
    spans = [_EVER, *_spans(chosen, InvitationSorting.CREATED_AT)]
    columns = "(p.product_id, p.created_at, p.invitation_id)"
    in_index.add_part(columns, spans, part, least_id=_LEAST_ID, under=f"(SELECT {product}::text), ")
    besides = Conditions.sharing(asked.parameters)
    for span in _spans(chosen, InvitationSorting.SEND_AT):
        besides.add_span("i.send_at", span)
    asked.add_state(besides)
    return asked.query(
        BY_PRODUCT,
        in_index=in_index,
        joined=_WITH_INVITATION.format(besides=besides) if str(besides) else "",
        direction=_direction(part),
        limit=part.limit,
    )


def _direction(part: Slice) -> str:
    return "ASC" if part.ascending else "DESC"


def count_by_status(merchant_id: MerchantId, chosen: InvitationFilter, keys: ContactKeys) -> Query:
    """Write what counts the invitations chosen, by status; a status with none may be missing."""
    asked = _Asked(merchant_id, chosen, keys)
    besides = Conditions.sharing(asked.parameters)
    for column in InvitationSorting:
        for span in _spans(chosen, column):
            besides.add_span(f"i.{column}", span)
    candidates = asked.candidates()
    if candidates is not None:
        asked.add_product(besides)
    elif chosen.product_id is not None:
        candidates = _ALL_OF_PRODUCT.format(product=asked.give(chosen.product_id))
    if candidates is None:
        return asked.query(COUNT_BY_COMBINATION, besides=besides, **asked.combinations())
    asked.add_state(besides)
    return asked.query(COUNT_CANDIDATES, besides=besides, candidates=candidates)


class _Asked:
    """A filter on its way into a statement, with the parameters given so far."""

    def __init__(self, merchant_id: MerchantId, chosen: InvitationFilter, keys: ContactKeys) -> None:
        self.parameters: list[object] = [merchant_id]
        self._chosen = chosen
        self._keys = keys

    def give(self, value: object) -> str:
        """Give a parameter, and tell how the statement names it."""
        self.parameters.append(value)
        return f"${len(self.parameters)}"

    def query(self, text: str, **words: object) -> Query:
        """Write the statement out."""
        return Query(text.format(**words), self.parameters)

    def combinations(self) -> dict[str, str]:
        """Give every combination asked for of a status, a kind and a channel."""
        chosen = self._chosen
        combined = [
            (status, kind, channel)
            for status in dict.fromkeys(chosen.statuses or InvitationStatus)
            for kind in ([chosen.kind] if chosen.kind is not None else Kind)
            for channel in ([chosen.channel] if chosen.channel is not None else Channel)
        ]
        statuses, kinds, channels = (list(words) for words in zip(*combined, strict=True))
        return {"statuses": self.give(statuses), "kinds": self.give(kinds), "channels": self.give(channels)}

    def candidates(self) -> str | None:
        """Write what lists the invitations of an order or a contact; None when neither is asked for."""
        chosen = self._chosen
        listed = []
        if chosen.order_id is not None:
            listed.append(OF_ORDER.format(self.give(chosen.order_id)))
        if chosen.contact is not None:
            listed.append(OF_CONTACT.format(self.give(self._keys.key(chosen.contact))))
        return " INTERSECT ".join(f"({one})" for one in listed) or None

    def add_product(self, besides: Conditions) -> None:
        """Add the product where the rows are found by something else."""
        if self._chosen.product_id is not None:
            besides.add(HAS_PRODUCT, self._chosen.product_id)

    def add_state(self, besides: Conditions) -> None:
        """Add status, kind and channel where the rows are found by something else."""
        chosen = self._chosen
        if chosen.statuses:
            besides.add("i.status = ANY({}::text[])", list(chosen.statuses))
        if chosen.kind is not None:
            besides.add("i.kind = {}", chosen.kind)
        if chosen.channel is not None:
            besides.add("i.channel = {}", chosen.channel)


def _other(sorted_by: InvitationSorting) -> InvitationSorting:
    is_by_sending = sorted_by is InvitationSorting.SEND_AT
    return InvitationSorting.CREATED_AT if is_by_sending else InvitationSorting.SEND_AT


def _spans(chosen: InvitationFilter, column: InvitationSorting) -> list[Span]:
    spans = [chosen.created] if column is InvitationSorting.CREATED_AT else chosen.sends
    return [span for span in spans if span != ALWAYS]


def _intersection(spans: list[Span]) -> Span:
    return Span(
        start=max((span.start for span in spans if span.start is not None), default=None),
        end=min((span.end for span in spans if span.end is not None), default=None),
    )
