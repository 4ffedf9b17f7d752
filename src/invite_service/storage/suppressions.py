"""Suppressions: entering, matching, listing and lifting them. Of a contact only its key is kept (docs/adr/0017).

A wildcard is kept like a contact, under the key of its pattern (rules/suppressions.py).
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from invite_service.domain.invitation import Channel
from invite_service.domain.merchant import MerchantId
from invite_service.domain.suppression import (
    ADDRESS_REASONS,
    OF_THE_MERCHANT,
    NewSuppression,
    StoredSuppression,
    Subject,
    SubjectKind,
    Suppression,
    SuppressionFilter,
    SuppressionReason,
    SuppressionSource,
)
from invite_service.rules.suppressions import decide_reach, patterns_covering
from invite_service.storage.choosing import Conditions, Slice
from invite_service.storage.contacts import LOCK_CONTACTS, ContactKeys
from invite_service.storage.driver import Driver, Row

_STORED_COLUMNS: Final = "id, contact_key, kind, channel, reason, source, note, created_at"

# The widest reach counts, and the customer's own word takes the place of what the merchant entered: it could be lifted.
ENTER: Final = """
INSERT INTO suppressions (merchant_id, contact_key, reason, id, kind, channel, source, note, created_at)
SELECT $1, given.contact_key, given.reason, given.id, given.kind, given.channel, given.source, given.note,
    given.created_at
FROM unnest($2::bytea[], $3::text[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[], $9::timestamptz[])
    AS given (contact_key, reason, id, kind, channel, source, note, created_at)
ORDER BY given.contact_key, given.reason
ON CONFLICT (merchant_id, contact_key, reason) DO UPDATE
SET channel = CASE WHEN EXCLUDED.channel IS NULL THEN NULL ELSE suppressions.channel END,
    source = CASE
        WHEN suppressions.source = ANY($10::text[]) AND EXCLUDED.source <> ALL($10::text[]) THEN EXCLUDED.source
        ELSE suppressions.source
    END
WHERE (suppressions.channel IS NOT NULL AND EXCLUDED.channel IS NULL)
   OR (suppressions.source = ANY($10::text[]) AND EXCLUDED.source <> ALL($10::text[]))
RETURNING id
"""

HAS_WILDCARDS: Final = "EXISTS (SELECT FROM suppressions AS w WHERE w.merchant_id = $1 AND w.kind = 'domain')"
"""Whether a merchant has wildcards at all: nobody else pays for looking for those that cover a contact."""

LIST_SUPPRESSIONS: Final = """
SELECT contact_key, reason, created_at, channel
FROM suppressions
WHERE merchant_id = $1 AND contact_key = ANY($2::bytea[])
"""

LIST_STORED: Final = f"""
SELECT {_STORED_COLUMNS}
FROM suppressions
WHERE merchant_id = $1 AND contact_key = ANY($2::bytea[])
ORDER BY id
"""  # noqa: S608 - built from the constant above

LIST_PAGE: Final = """
SELECT {columns}
FROM suppressions AS s
WHERE s.merchant_id = $1{conditions}
ORDER BY s.id {direction}
LIMIT {limit}
"""

FIND_STORED: Final = f"""
SELECT {_STORED_COLUMNS} FROM suppressions WHERE merchant_id = $1 AND id = $2
"""  # noqa: S608 - built from the constant above

# Whether it may be lifted is judged where it is deleted: a customer may unsubscribe in between.
LIFT: Final = """
DELETE FROM suppressions
WHERE merchant_id = $1 AND id = ANY($2::uuid[]) AND (source = ANY($3::text[]) OR reason = ANY($4::text[]))
RETURNING id
"""


class SuppressionStore:
    """A merchant's suppressions; contacts passed in are normalised."""

    def __init__(self, driver: Driver, keys: ContactKeys, *, new_id: Callable[[], UUID]) -> None:
        self._driver = driver
        self._keys = keys
        self._new_id = new_id

    async def add(
        self,
        merchant_id: MerchantId,
        contacts: Collection[str],
        reason: SuppressionReason,
        *,
        source: SuppressionSource,
        at: datetime,
    ) -> None:
        """Suppress contacts as far as a reason reaches; one that carries it already keeps its date. Locks them.

        `at` is on the merchant's clock.
        """
        await self.enter(
            merchant_id,
            [
                NewSuppression(
                    subject=Subject(kind, contact),
                    reason=reason,
                    channel=decide_reach(kind, reason, None),
                    source=source,
                    created_at=at,
                )
                for contact in contacts
                for kind in (SubjectKind.EMAIL if "@" in contact else SubjectKind.PHONE,)
            ],
        )

    async def enter(self, merchant_id: MerchantId, suppressions: Iterable[NewSuppression]) -> set[UUID]:
        """Enter suppressions, locking what they stand on, and give the ids of those that were not there before.

        Of several for the same reason on one contact the widest counts, here and with what is stored.
        """
        by_place: dict[tuple[bytes, SuppressionReason], NewSuppression] = {}
        for suppression in suppressions:
            place = (self.key_of(suppression.subject), suppression.reason)
            known = by_place.get(place)
            if known is None or (known.channel is not None and suppression.channel is None):
                by_place[place] = suppression
        if not by_place:
            return set()
        # Sorted, as everybody locks contacts.
        await self._driver.fetch(LOCK_CONTACTS, merchant_id, sorted({key for key, _ in by_place}))
        ids = [self._new_id() for _ in by_place]
        columns = zip(*map(_columns, by_place.items(), ids), strict=True)
        merchants_own = list(OF_THE_MERCHANT)
        written = await self._driver.fetch(ENTER, merchant_id, *map(list, columns), merchants_own)
        # What was there before comes back with the id it had.
        return {row[0] for row in written} & set(ids)

    def key_of(self, subject: Subject) -> bytes:
        """Give the key that a subject is known by."""
        if subject.key is not None:
            return subject.key
        assert subject.text is not None
        return self._keys.key(subject.text)

    async def list_suppressions(self, merchant_id: MerchantId, contacts: Collection[str]) -> list[Suppression]:
        """List every reason that the contacts carry themselves; wildcards that cover them are not among these."""
        by_key = {self._keys.key(contact): contact for contact in contacts}
        rows = await self._driver.fetch(LIST_SUPPRESSIONS, merchant_id, list(by_key))
        return suppressions_from_rows(rows, by_key)

    async def list_covering(self, merchant_id: MerchantId, contacts: Collection[str]) -> list[Suppression]:
        """List, as suppressions of the contacts, the wildcards that cover them."""
        return await list_covering(self._driver, self._keys, merchant_id, contacts)

    async def list_stored(self, merchant_id: MerchantId, subjects: Iterable[Subject]) -> list[StoredSuppression]:
        """List what stands on subjects, oldest first."""
        keys = [self.key_of(subject) for subject in subjects]
        return [_stored(row) for row in await self._driver.fetch(LIST_STORED, merchant_id, keys)]

    async def list_(
        self, merchant_id: MerchantId, chosen: SuppressionFilter, *, part: Slice
    ) -> list[StoredSuppression]:
        """List suppressions in the order in which they were entered, in the slice's direction."""
        conditions = Conditions(merchant_id)
        if part.beyond is not None:
            conditions.add(f"s.id {'>' if part.ascending else '<'} {{}}", part.beyond[1])
        if chosen.closes is not None:
            conditions.add("(s.channel IS NULL OR s.channel = {})", chosen.closes)
        if chosen.reason is not None:
            conditions.add("s.reason = {}", chosen.reason)
        if chosen.source is not None:
            conditions.add("s.source = {}", chosen.source)
        statement = LIST_PAGE.format(
            columns=_STORED_COLUMNS,
            conditions=conditions,
            direction="ASC" if part.ascending else "DESC",
            limit=part.limit,
        )
        return [_stored(row) for row in await self._driver.fetch(statement, *conditions.parameters)]

    async def find(self, merchant_id: MerchantId, suppression_id: UUID) -> StoredSuppression | None:
        """Find a suppression by its id."""
        row = await self._driver.fetchrow(FIND_STORED, merchant_id, suppression_id)
        return _stored(row) if row is not None else None

    async def lift(self, merchant_id: MerchantId, suppression_ids: Collection[UUID]) -> set[UUID]:
        """Delete those that a merchant may lift, and give their ids."""
        rows = await self._driver.fetch(
            LIFT, merchant_id, list(suppression_ids), list(OF_THE_MERCHANT), list(ADDRESS_REASONS)
        )
        return {row[0] for row in rows}


async def list_covering(
    driver: Driver, keys: ContactKeys, merchant_id: MerchantId, contacts: Collection[str]
) -> list[Suppression]:
    """List, as suppressions of the contacts, the wildcards that cover them: one statement however many they are."""
    covered: defaultdict[str, list[str]] = defaultdict(list)
    for contact in contacts:
        for pattern in patterns_covering(contact):
            covered[pattern].append(contact)
    by_key = {keys.key(pattern): pattern for pattern in covered}
    if not by_key:
        return []
    rows = await driver.fetch(LIST_SUPPRESSIONS, merchant_id, list(by_key))
    return [
        Suppression(contact, found.reason, found.created_at, found.channel)
        for found in suppressions_from_rows(rows, by_key)
        for contact in covered[found.contact]
    ]


async def list_covering_each(
    driver: Driver, keys: ContactKeys, merchant_id: MerchantId, groups: Sequence[Collection[str]]
) -> list[list[Suppression]]:
    """List the wildcards that cover groups of contacts, aligned with the groups: one statement for all of them."""
    found: defaultdict[str, list[Suppression]] = defaultdict(list)
    for suppression in await list_covering(driver, keys, merchant_id, set().union(*groups)):
        found[suppression.contact].append(suppression)
    return [[suppression for contact in group for suppression in found.get(contact, ())] for group in groups]


def _columns(placed: tuple[tuple[bytes, SuppressionReason], NewSuppression], new_id: UUID) -> tuple[object, ...]:
    (key, reason), new = placed
    return (key, reason, new_id, new.subject.kind, new.channel, new.source, new.note, new.created_at)


def suppressions_from_rows(rows: Iterable[Sequence[Any]], contacts: Mapping[bytes, str]) -> list[Suppression]:
    """Make suppressions of rows (contact_key, reason, created_at, channel); `contacts` tells whose keys they are."""
    return [
        Suppression(
            contacts[contact_key],
            SuppressionReason(reason),
            created_at,
            Channel(channel) if channel is not None else None,
        )
        for contact_key, reason, created_at, channel in rows
    ]


def _stored(row: Row) -> StoredSuppression:
    return StoredSuppression(
        id=row["id"],
        contact_key=row["contact_key"],
        kind=SubjectKind(row["kind"]),
        channel=Channel(row["channel"]) if row["channel"] is not None else None,
        reason=SuppressionReason(row["reason"]),
        source=SuppressionSource(row["source"]),
        note=row["note"],
        created_at=row["created_at"],
    )
