"""Merchants' own texts: what is set, changing it, and what stands where nothing is set."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from invite_service.domain.errors import InvalidInputError, PreconditionFailedError
from invite_service.domain.merchant import MerchantId
from invite_service.domain.texts import FieldValue, MerchantText, TextName
from invite_service.domain.timeline import TimelineEntry, TimelineEvent
from invite_service.rendering.text_checks import check_text
from invite_service.rendering.text_defaults import default_fields
from invite_service.storage.database import Database


@dataclass(frozen=True, slots=True)
class ShownText:
    """A text as the merchant wrote it, and the catalogue's words as templates to begin with."""

    text: MerchantText
    defaults: dict[str, FieldValue]


class TextService:
    """Reads and changes merchants' own texts; every change is a new version."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime]) -> None:
        """Make a service; `clock` tells real time."""
        self._database = database
        self._clock = clock

    async def get(self, merchant_id: MerchantId, name: TextName, language: str) -> ShownText:
        """Get a text; version 0 where it was never set."""
        async with self._database.autocommit() as stores:
            return _shown(await stores.texts.get(merchant_id, name, language))

    async def list_(self, merchant_id: MerchantId) -> list[MerchantText]:
        """List the texts that differ from the catalogue."""
        async with self._database.autocommit() as stores:
            version = await stores.texts.find_last_version(merchant_id)
            return [text for text in await stores.texts.list_at(merchant_id, version) if text.is_set]

    async def replace(
        self, merchant_id: MerchantId, text: MerchantText, *, replacing: int | None, actor: str
    ) -> ShownText:
        """Replace a text; one without fields goes back to the catalogue. What changes nothing makes no version.

        `replacing` is the version the caller has seen, None stands for any. `actor` is who saves it. It holds for what
        is written from now on, also by workers that run already.

        Raises:
            InvalidInputError: the text has faults; all of them are named.
            PreconditionFailedError: `replacing` is not the current version.
            MerchantNotFoundError: there is no such merchant.
        """
        faults = check_text(text)
        if faults:
            raise InvalidInputError("The text has faults.", faults=faults)
        async with self._database.transaction() as stores:
            merchant = await stores.merchants.lock(merchant_id)
            current = await stores.texts.get(merchant_id, text.name, text.language)
            if replacing is not None and replacing != current.version:
                raise PreconditionFailedError("The text was changed meanwhile; read it again.")
            if (text.fields, text.asks_for) == (current.fields, current.asks_for):
                return _shown(current)
            now = merchant.now(self._clock())
            version = await stores.texts.find_last_version(merchant_id) + 1
            saved = replace(text, version=version, changed_at=now, changed_by=actor)
            await stores.texts.add(merchant_id, saved)
            await stores.timeline.add(merchant_id, [_entry(saved, now=now, actor=actor)])
        return _shown(saved)


def _shown(text: MerchantText) -> ShownText:
    return ShownText(text, default_fields(text.name, text.language, text.asks_for))


def _entry(text: MerchantText, *, now: datetime, actor: str) -> TimelineEntry:
    return TimelineEntry(
        at=now,
        actor=actor,
        event=TimelineEvent.TEXT_CHANGED,
        reason=None if text.is_set else "deleted",
        data={"text": text.name.value, "language": text.language, "version": text.version},
    )
