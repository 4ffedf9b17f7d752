"""How a merchant's messages and pages look."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from datetime import datetime

from invite_service.domain.branding import Branding
from invite_service.domain.decision import JsonFigure
from invite_service.domain.errors import PreconditionFailedError
from invite_service.domain.merchant import Merchant
from invite_service.domain.timeline import TimelineEntry, TimelineEvent
from invite_service.rendering.colors import TEXT_CONTRAST, WHITE, contrast_of
from invite_service.rules.sms_senders import warn_of_sender
from invite_service.storage.database import Database


@dataclass(frozen=True, slots=True)
class BrandingWarning:
    """Something that will not look, or arrive, as it was meant to."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class SavedBranding:
    """A branding, and what is to be known about it."""

    branding: Branding
    warnings: tuple[BrandingWarning, ...]


class BrandingService:
    """Reads and replaces a merchant's branding."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    async def get(self, merchant: Merchant) -> SavedBranding:
        """Get the merchant's branding; version 0, with the defaults, where none was set."""
        async with self._database.autocommit() as stores:
            branding = await stores.branding.get(merchant.id)
        return SavedBranding(branding, tuple(_warnings(branding)))

    async def replace(
        self, merchant: Merchant, branding: Branding, *, replacing: int | None, actor: str
    ) -> SavedBranding:
        """Replace the branding; `replacing` is the version that the caller has seen, None to replace any.

        Raises PreconditionFailedError when somebody else replaced it meanwhile.
        """
        async with self._database.transaction() as stores:
            before = await stores.branding.get(merchant.id)
            seen = before.version if replacing is None else replacing
            saved, now = replace(branding, version=seen + 1), merchant.now(self._clock())
            if not await stores.branding.replace(merchant.id, saved, replacing=seen, at=now):
                raise PreconditionFailedError("The branding was changed meanwhile; read it again.")
            await stores.timeline.add(merchant.id, [_entry(before, saved, now=now, actor=actor)])
        return SavedBranding(saved, tuple(_warnings(saved)))


def _entry(before: Branding, saved: Branding, *, now: datetime, actor: str) -> TimelineEntry:
    """Name what differs, and no more: fields hold addresses and numbers."""
    names = [field.name for field in fields(Branding) if field.name != "version"]
    changed = [name for name in names if getattr(before, name) != getattr(saved, name)]
    data: dict[str, JsonFigure] = {"version": saved.version, "changed": [*changed]}
    return TimelineEntry(at=now, actor=actor, event=TimelineEvent.BRANDING_CHANGED, data=data)


def _warnings(branding: Branding) -> Iterator[BrandingWarning]:
    """Name what WCAG 2.2 would not let pass (1.4.3), mended when it is drawn, and what a sender of SMS cannot do."""
    pairs = (
        ("text_color", branding.text_color, "white", WHITE),
        ("text_color", branding.text_color, "background_color", branding.background_color),
        ("primary_color", branding.primary_color, "white", WHITE),
    )
    for name, color, ground, against in pairs:
        contrast = contrast_of(color, against)
        if contrast < TEXT_CONTRAST:
            yield BrandingWarning(
                "low_contrast",
                f"{name} on {ground} has a contrast of {contrast:.1f}, below {TEXT_CONTRAST}; "
                "text in it is drawn darker.",
            )
    for warning in warn_of_sender(branding.sms_sender or ""):
        yield BrandingWarning(warning.code, warning.detail)
