"""A merchant's publishing settings: what holds now, changing it, and what held before (RULES.md section 9)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from invite_service.domain.errors import Fault, InvalidInputError, PreconditionFailedError
from invite_service.domain.merchant import Merchant, MerchantId
from invite_service.domain.publishing import Approval, HoldScope, PublishingSettings, PublishingVersion
from invite_service.domain.timeline import TimelineEvent
from invite_service.rules.publishing import check_settings
from invite_service.services.holidays import check_holidays
from invite_service.services.settings_news import tell_change
from invite_service.storage.database import Database
from invite_service.storage.publishing import publishing_from_json, publishing_json


@dataclass(frozen=True, slots=True)
class PublishingWarning:
    """Something a merchant should know before relying on a setting."""

    code: str
    detail: str


LOW_RATINGS_HELD: Final = PublishingWarning(
    "low_ratings_held",
    "Only low ratings wait before they are published. Holding reviews back for what they say can mislead customers: "
    "in the United States 16 CFR 465.7 forbids to present reviews as all or most of those received while some are "
    "withheld for their rating, in the European Union the Unfair Commercial Practices Directive (article 7(6), annex I "
    "points 23b and 23c) asks for honest information on how reviews are handled and forbids publishing only positive "
    "ones. The hold ends by itself after support_hold_working_days, averages of pending ratings are shown apart, and "
    "the review policy page states it. With support_hold_scope all_ratings every rating waits the same, whatever its "
    "stars, and support is still told of low ones at once. This is not legal advice.",
)


def warnings_of(settings: PublishingSettings) -> tuple[PublishingWarning, ...]:
    """Say what is to be known about settings."""
    holds_low = settings.approval is Approval.SUPPORT_TRIGGER and settings.support_hold_scope is HoldScope.LOW_RATINGS
    return (LOW_RATINGS_HELD,) if holds_low else ()


class PublishingService:
    """Reads and changes publishing settings; every change is a new version."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    async def get(self, merchant_id: MerchantId) -> PublishingSettings:
        """Get the settings that hold now; their version is their ETag."""
        async with self._database.autocommit() as stores:
            return await stores.publishing.get(merchant_id)

    async def patch(
        self, merchant: Merchant, changes: Mapping[str, Any], *, replacing: int | None, actor: str
    ) -> PublishingSettings:
        """Change settings, given by their wire names; a change that changes nothing makes no version.

        `replacing` is the version the caller has seen, None stands for any. What waits already waits as it did.

        Raises:
            InvalidInputError: settings are unknown or out of range; all of them are named.
            PreconditionFailedError: `replacing` is not the current version.
        """
        async with self._database.transaction() as stores:
            current = await stores.publishing.get(merchant.id)
            if replacing is not None and replacing != current.version:
                raise _is_outdated()
            changed = _change(current, changes)
            if replace(changed, version=current.version) == current:
                return current
            now = merchant.now(self._clock())
            if not await stores.publishing.add(merchant.id, changed, created_at=now, created_by=actor):
                raise _is_outdated()
            told = tell_change(
                TimelineEvent.PUBLISHING_CHANGED,
                publishing_json(current),
                publishing_json(changed),
                version=changed.version,
                at=now,
                actor=actor,
            )
            await stores.timeline.add(merchant.id, [told])
        return changed

    async def list_versions(
        self, merchant_id: MerchantId, *, before: int | None = None, limit: int
    ) -> list[PublishingVersion]:
        """List saved versions, the newest first; with `before` those lower than it."""
        async with self._database.autocommit() as stores:
            return await stores.publishing.list_versions(merchant_id, before=before, limit=limit)


def _is_outdated() -> PreconditionFailedError:
    return PreconditionFailedError("The publishing settings were changed meanwhile; read them again.")


def _change(current: PublishingSettings, changes: Mapping[str, Any]) -> PublishingSettings:
    settings = publishing_json(current)
    unknown = [
        Fault(f"/{name}", "unknown_field", "There is no such setting.") for name in changes if name not in settings
    ]
    if unknown:
        raise InvalidInputError("The publishing settings are not all known.", faults=unknown)
    changed = publishing_from_json(current.version + 1, {**settings, **changes})
    faults = [*check_settings(changed), *check_holidays(changed)]
    if faults:
        raise InvalidInputError("The publishing settings have faults.", faults=faults)
    return changed
