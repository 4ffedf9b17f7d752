"""What becomes of stars and text that a customer leaves, and what a merchant may do about them (RULES.md section 9).

The one place that sets their states. Both are computed again at every edit, but for what a merchant holds or has
rejected. Under every setting but `low_ratings` the time of publishing does not depend on the stars.
"""

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from invite_service.domain.errors import Fault
from invite_service.domain.feedback import PublishState, Rating
from invite_service.domain.policy import WEEKDAYS
from invite_service.domain.publishing import Approval, HoldScope, NameDisplay, PublishingSettings, RejectReason

STARS_RANGE: Final = (1, 4)
"""Of support_max_stars."""

HOLD_DAYS_RANGE: Final = (1, 30)
"""Of support_hold_working_days."""

MAX_NAME_LENGTH: Final = 100
"""Characters of a full name that are shown."""

_MEDIA_LINK = re.compile(
    r"""
    (?:^|[^\w@.-])(?:[\w-]{1,63}\.){0,4}
    (?:youtube\.com|youtu\.be|vimeo\.com|dailymotion\.com|tiktok\.com|twitch\.tv|streamable\.com
      |instagram\.com|flickr\.com|flic\.kr|imgur\.com|giphy\.com|tenor\.com|pinterest\.\w+|pin\.it
      |photos\.google\.com|photos\.app\.goo\.gl|snapchat\.com)
    /\S
    |
    (?:https?://|www\.|[\w-]{1,63}\.[a-z]{2,24}/)\S{0,2000}
    \.(?:jpe?g|png|gif|webp|avif|heic|bmp|tiff?|svg|mp4|m4v|mov|webm|avi|mkv|mpe?g|ogv|3gp)
    (?![\w-])
    """,
    re.VERBOSE | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Publishing:
    """How stars and the text that goes with them stand after the customer left or edited them."""

    stars: PublishState
    text: PublishState | None
    """None for no text."""
    publish_at: datetime | None = None
    """When what is pending here is published."""
    held_since: datetime | None = None
    """When something of it was first left waiting, now or earlier."""
    alerts_support: bool = False
    """Support is to hear of it at once."""


def decide_publishing(
    stars: int,
    text: str | None,
    *,
    stored: Rating | None,
    settings: PublishingSettings,
    now: datetime,
    end_of_hold: Callable[[datetime], datetime],
    has_pictures: bool = False,
) -> Publishing:
    """Decide the states of a rating as the customer left or edited it, `stored` being what stood before.

    `text` is the review as it will stand, `has_pictures` whether pictures go with it. `end_of_hold` counts the working
    days of the settings from when a hold began; one that has ended by now holds nothing any more.
    """
    waits = _waits(stars, text, settings)
    held_since = stored.held_since if stored is not None else None
    if waits and held_since is None:
        held_since = now
    publish_at = end_of_hold(held_since) if waits and held_since is not None else None
    if publish_at is not None and publish_at <= now:
        publish_at = None
    computed = PublishState.PENDING if publish_at is not None else PublishState.PUBLISHED
    stars_state = stored.state if stored is not None and stored.is_fixed else computed
    text_state = _text_state(text, stored, computed, settings=settings, has_pictures=has_pictures)
    is_timed = PublishState.PENDING in {
        None if stored is not None and stored.is_fixed else stars_state,
        None if stored is not None and stored.is_review_fixed else text_state,
    }
    return Publishing(
        stars=stars_state,
        text=text_state,
        publish_at=publish_at if is_timed else None,
        held_since=held_since,
        alerts_support=is_low(stars, text, settings),
    )


def is_low(stars: int, text: str | None, settings: PublishingSettings) -> bool:
    """Say whether the support trigger goes off: `text` is None for stars alone."""
    return (
        settings.approval is Approval.SUPPORT_TRIGGER
        and stars <= settings.support_max_stars
        and not (settings.support_requires_review and text is None)
    )


def _waits(stars: int, text: str | None, settings: PublishingSettings) -> bool:
    if settings.support_hold_scope is HoldScope.ALL_RATINGS:
        # Whoever left the same, stars aside, waits the same.
        stars = min(stars, settings.support_max_stars)
    return is_low(stars, text, settings)


def _text_state(
    text: str | None,
    stored: Rating | None,
    computed: PublishState,
    *,
    settings: PublishingSettings,
    has_pictures: bool,
) -> PublishState | None:
    if text is None:
        return None
    if stored is not None and stored.is_review_fixed:
        return stored.review_state
    if stored is not None and stored.is_fixed and stored.review_state is None:
        # The merchant held or rejected the stars when there was no text yet: what is added goes the same way.
        return stored.state
    if has_pictures or has_media_link(text) or settings.approval is Approval.MANUAL:
        return PublishState.NEEDS_ATTENTION
    return computed


def shown_text_state(rating: Rating) -> PublishState | None:
    """Tell how a text stands as it can be seen, None for none: a text is seen only with its stars."""
    if rating.review_state is PublishState.PUBLISHED:
        return rating.state
    return rating.review_state


class RatingPart(StrEnum):
    """What of a rating a merchant acts on."""

    STARS = "stars"
    REVIEW = "review"


ALL_PARTS: Final = frozenset(RatingPart)


def publish(rating: Rating, parts: Collection[RatingPart] = ALL_PARTS) -> Rating:
    """Let stars, text or both be seen; what is held no longer waits, what was rejected is not any more."""
    return _settle(rating, parts, PublishState.PUBLISHED, is_fixed=False, reason=None)


def hold(rating: Rating, parts: Collection[RatingPart] = ALL_PARTS) -> Rating:
    """Keep stars, text or both from being seen until the merchant says otherwise."""
    return _settle(rating, parts, PublishState.PENDING, is_fixed=True, reason=None)


def reject(rating: Rating, reason: RejectReason, parts: Collection[RatingPart] = ALL_PARTS) -> Rating:
    """Refuse stars, text or both for good, or until the merchant thinks better of it."""
    return _settle(rating, parts, PublishState.REJECTED, is_fixed=True, reason=reason)


def publish_when_due(rating: Rating, *, now: datetime) -> Rating:
    """Publish what was pending until now or earlier."""
    if rating.publish_at is None or rating.publish_at > now:
        return rating
    parts = [part for part in RatingPart if _is_timed(rating, part)]
    return replace(publish(rating, parts), reject_reason=rating.reject_reason, publish_at=None)


def _is_timed(rating: Rating, part: RatingPart) -> bool:
    if part is RatingPart.STARS:
        return rating.state is PublishState.PENDING and not rating.is_fixed
    return rating.review_state is PublishState.PENDING and not rating.is_review_fixed


def _settle(
    rating: Rating,
    parts: Collection[RatingPart],
    state: PublishState,
    *,
    is_fixed: bool,
    reason: RejectReason | None,
) -> Rating:
    settled = rating
    if RatingPart.STARS in parts:
        settled = replace(settled, state=state, is_fixed=is_fixed)
    if RatingPart.REVIEW in parts and rating.review_state is not None:
        settled = replace(settled, review_state=state, is_review_fixed=is_fixed)
    is_rejected = PublishState.REJECTED in {settled.state, settled.review_state}
    return replace(
        settled,
        publish_at=settled.publish_at if any(_is_timed(settled, part) for part in RatingPart) else None,
        reject_reason=(reason or rating.reject_reason) if is_rejected else None,
    )


def check_settings(settings: PublishingSettings) -> list[Fault]:
    """Name everything that is out of range; an empty list means that the settings can be saved.

    Whether a country's holidays are known is for whoever knows holidays.
    """
    return list(_setting_faults(settings))


def _setting_faults(settings: PublishingSettings) -> Iterator[Fault]:
    ranges = {"support_max_stars": STARS_RANGE, "support_hold_working_days": HOLD_DAYS_RANGE}
    for field, (least, most) in ranges.items():
        if not least <= getattr(settings, field) <= most:
            yield Fault(f"/{field}", "out_of_range", f"Must be {least} to {most}.")
    if not settings.working_days:
        yield Fault("/working_days", "empty", "At least one day is needed.")
    if not set(settings.working_days) <= set(WEEKDAYS):
        yield Fault("/working_days", "unknown_day", f"Must be of {', '.join(WEEKDAYS)}.")
    if settings.holiday_region is not None and settings.holiday_country is None:
        yield Fault("/holiday_region", "country_missing", "Needs holiday_country.")


def has_media_link(text: str) -> bool:
    """Say whether a review links to a picture or a video."""
    return _MEDIA_LINK.search(text) is not None


def display_name(customer_name: str | None, display: NameDisplay = NameDisplay.FIRST_NAME_INITIAL) -> str:
    """Write the name a review is shown with: whole, the first name and an initial ("Kari N."), or none.

    "Nordmann, Kari" is read as a last name first; a name with more commas, or that is an address, is not shown at all.
    """
    if customer_name is None or "@" in customer_name or display is NameDisplay.ANONYMOUS:
        return ""
    first, comma, rest = customer_name.partition(",")
    if "," in rest:
        return ""
    parts = f"{rest} {first}".split() if comma else customer_name.split()
    if not parts:
        return ""
    if display is NameDisplay.FULL:
        return " ".join(parts)[:MAX_NAME_LENGTH]
    return parts[0][:40] if len(parts) == 1 else f"{parts[0][:40]} {parts[-1][0].upper()}."
