"""What merchants do about suppressions: enter, import, look up, list, export and lift them."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from invite_service.domain.decision import JsonFigure
from invite_service.domain.errors import ActionRefusedError, DomainError
from invite_service.domain.invitation import Channel
from invite_service.domain.merchant import Merchant
from invite_service.domain.suppression import (
    NewSuppression,
    StoredSuppression,
    Subject,
    SubjectKind,
    SuppressionFilter,
    SuppressionReason,
    SuppressionSource,
)
from invite_service.domain.timeline import TimelineEntry, TimelineEvent
from invite_service.rules.suppressions import decide_reach, patterns_covering, why_not_lifted
from invite_service.services.contact_hashes import ContactHashes
from invite_service.services.paging import Page, PageRequest, all_of, page_of
from invite_service.storage.choosing import Slice
from invite_service.storage.database import Database
from invite_service.storage.stores import Stores

_REFUSAL_DETAIL = "The customer said so; only the customer can take it back."


class SuppressionNotFoundError(DomainError):
    """The merchant has no suppression of that id."""

    code: ClassVar[str] = "suppression_not_found"


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppressionEntry:
    """One suppression as a merchant enters it."""

    subject: Subject
    reason: SuppressionReason
    channel: Channel | None
    since: datetime | None
    """On the merchant's clock; None: now."""
    note: str | None


@dataclass(frozen=True, slots=True)
class Shown:
    """A suppression with the hash that its contact is shown as."""

    suppression: StoredSuppression
    hash: str


@dataclass(frozen=True, slots=True)
class Entered:
    """What stands after entering, aligned with what was entered, and how many were not there before."""

    items: Sequence[Shown]
    added: int


@dataclass(frozen=True, slots=True)
class Kept:
    """A suppression that was not lifted, and why."""

    shown: Shown
    refusal: str


@dataclass(frozen=True, slots=True)
class Lifted:
    """What became of the suppressions of one contact."""

    lifted: Sequence[Shown]
    kept: Sequence[Kept]


class SuppressionService:
    """A merchant's suppressions."""

    def __init__(self, database: Database, *, hashes: ContactHashes, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._hashes = hashes
        self._clock = clock

    def read_hash(self, merchant: Merchant, text: str) -> Subject | None:
        """Read a hash that this service showed the merchant; None for any other text."""
        return self._hashes.read(merchant.id, text)

    def now(self, merchant: Merchant) -> datetime:
        """Tell the merchant's time."""
        return merchant.now(self._clock())

    async def list_(self, merchant: Merchant, chosen: SuppressionFilter, *, page: PageRequest) -> Page[Shown]:
        """List suppressions in the order in which they were entered."""
        async with self._database.autocommit() as stores:
            found = await stores.suppressions.list_(merchant.id, chosen, part=page.to_slice())
        return page_of([self._show(merchant, item) for item in found], page)

    async def export(
        self, merchant: Merchant, chosen: SuppressionFilter, *, ascending: bool = True
    ) -> AsyncIterator[Sequence[Shown]]:
        """Go through all that `list_` pages through, some at a time; no connection is held in between."""

        async def read(part: Slice) -> Sequence[StoredSuppression]:
            async with self._database.autocommit() as stores:
                return await stores.suppressions.list_(merchant.id, chosen, part=part)

        async for items in all_of(read, lambda item: (item.created_at, item.id), ascending=ascending):
            yield [self._show(merchant, item) for item in items]

    async def look_up(self, merchant: Merchant, subject: Subject) -> list[Shown]:
        """Find what keeps messages from a contact: what stands on it, and the wildcards that cover it."""
        async with self._database.autocommit() as stores:
            found = await stores.suppressions.list_stored(merchant.id, [subject, *_wildcards_over(subject)])
        return [self._show(merchant, item) for item in found]

    async def enter(self, merchant: Merchant, entries: Sequence[SuppressionEntry], *, actor: str) -> Entered:
        """Enter suppressions. What is scheduled for their contacts is skipped when it is due (RULES.md section 7).

        Entering one again changes nothing but that the widest reach counts.
        """
        source, now = SuppressionSource.MERCHANT, self.now(merchant)
        async with self._database.transaction() as stores:
            added = await self._enter(stores, merchant, entries, source=source, now=now)
            stored = await stores.suppressions.list_stored(merchant.id, [entry.subject for entry in entries])
            if added:
                ids = sorted(map(str, added))
                data: dict[str, JsonFigure] = {"source": source.value, "added": len(ids), "suppression_ids": ids}
                await _tell(stores, merchant, TimelineEvent.CONTACTS_SUPPRESSED, data, actor=actor, now=now)
            by_place = {(item.contact_key, item.reason): item for item in stored}
            items = [
                self._show(merchant, by_place[stores.suppressions.key_of(entry.subject), entry.reason])
                for entry in entries
            ]
        return Entered(items, len(added))

    async def import_chunk(self, merchant: Merchant, entries: Sequence[SuppressionEntry], *, actor: str) -> int:
        """Enter some of the suppressions of a file, and say how many were not there before."""
        source, now = SuppressionSource.IMPORT, self.now(merchant)
        async with self._database.transaction() as stores:
            added = len(await self._enter(stores, merchant, entries, source=source, now=now))
            if added:
                data: dict[str, JsonFigure] = {"source": source.value, "added": added}
                await _tell(stores, merchant, TimelineEvent.CONTACTS_SUPPRESSED, data, actor=actor, now=now)
        return added

    async def lift(self, merchant: Merchant, suppression_id: UUID, *, actor: str) -> None:
        """Take a suppression back.

        Raises:
            SuppressionNotFoundError: there is none of that id.
            ActionRefusedError: it is not the merchant's to take back; `reason` says why.
        """
        async with self._database.transaction() as stores:
            found = await stores.suppressions.find(merchant.id, suppression_id)
            if found is None:
                raise SuppressionNotFoundError("No suppression of that id exists.")
            lifted = await self._lift(stores, merchant, [found], actor=actor)
            # What could not be lifted although it could when it was found was said again by the customer since.
            if not lifted:
                found = await stores.suppressions.find(merchant.id, suppression_id) or found
                refusal = why_not_lifted(found.reason, found.source) or "not_the_merchants"
                raise ActionRefusedError(refusal, _REFUSAL_DETAIL)

    async def lift_contact(self, merchant: Merchant, subject: Subject, *, actor: str) -> Lifted:
        """Take back what stands on a contact, as far as it is the merchant's to take back."""
        async with self._database.transaction() as stores:
            found = await stores.suppressions.list_stored(merchant.id, [subject])
            lifted = await self._lift(stores, merchant, found, actor=actor)
            remaining = await stores.suppressions.list_stored(merchant.id, [subject])
        return Lifted(
            [self._show(merchant, item) for item in found if item.id in lifted],
            [
                Kept(self._show(merchant, item), why_not_lifted(item.reason, item.source) or "not_the_merchants")
                for item in remaining
            ],
        )

    async def _enter(
        self,
        stores: Stores,
        merchant: Merchant,
        entries: Sequence[SuppressionEntry],
        *,
        source: SuppressionSource,
        now: datetime,
    ) -> set[UUID]:
        return await stores.suppressions.enter(
            merchant.id,
            [
                NewSuppression(
                    subject=entry.subject,
                    reason=entry.reason,
                    channel=decide_reach(entry.subject.kind, entry.reason, entry.channel),
                    source=source,
                    note=entry.note,
                    created_at=entry.since or now,
                )
                for entry in entries
            ],
        )

    async def _lift(
        self, stores: Stores, merchant: Merchant, found: Sequence[StoredSuppression], *, actor: str
    ) -> set[UUID]:
        lifted = await stores.suppressions.lift(merchant.id, [item.id for item in found])
        now = self.now(merchant)
        for item in found:
            if item.id in lifted:
                data: dict[str, JsonFigure] = {
                    "suppression_id": str(item.id),
                    "kind": item.kind.value,
                    "source": item.source.value,
                }
                event, reason = TimelineEvent.SUPPRESSION_LIFTED, item.reason.value
                await _tell(stores, merchant, event, data, actor=actor, now=now, reason=reason)
        return lifted

    def _show(self, merchant: Merchant, item: StoredSuppression) -> Shown:
        return Shown(item, self._hashes.write(merchant.id, item.kind, item.contact_key))


def _wildcards_over(subject: Subject) -> list[Subject]:
    """Name the wildcards that may cover a subject: of a hash they are not known."""
    if subject.kind is not SubjectKind.EMAIL or subject.text is None:
        return []
    return [Subject(SubjectKind.DOMAIN, pattern) for pattern in patterns_covering(subject.text)]


async def _tell(
    stores: Stores,
    merchant: Merchant,
    event: TimelineEvent,
    data: dict[str, JsonFigure],
    *,
    actor: str,
    now: datetime,
    reason: str | None = None,
) -> None:
    entry = TimelineEntry(at=now, actor=actor, event=event, reason=reason, data=data)
    await stores.timeline.add(merchant.id, [entry])
