"""What is taken as feedback: stars and words, each fault named (RULES.md sections 8 and 9)."""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from invite_service.domain.errors import Fault
from invite_service.domain.feedback import Feedback, Rating
from invite_service.domain.invitation import Invitation, Kind

LOWEST_STARS, HIGHEST_STARS = 1, 5

MAX_TEXT_LENGTH = 5000
"""Characters of a review, after trimming."""

MAX_REPLY_LENGTH = 2000
"""Characters of a reply to a review, after trimming."""

MAX_RATINGS = 200
"""Ratings taken at once."""

MAX_PICTURES = 5
"""Pictures that go with one review."""

MAX_PICTURE_BYTES = 8 * 1024 * 1024
"""Of a picture as it is uploaded."""

EDITABLE_FOR = timedelta(days=30)
"""After its text was first left, a rating is its customer's to change for so long; a later edit does not prolong it."""

_LINE_END = re.compile(r"\r\n?|[\u2028\u2029]")

_NOT_PLAIN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Controls but for tab and line end, marks that turn the writing direction of what follows, and surrogates."""


def tidy_text(text: str | None) -> str | None:
    """Trim a review and make its line ends one kind; one of nothing but space is none at all."""
    return None if text is None else _LINE_END.sub("\n", text).strip() or None


def tidy(feedback: Sequence[Feedback]) -> tuple[Feedback, ...]:
    """Tidy the text of each."""
    return tuple(replace(given, text=tidy_text(given.text)) for given in feedback)


def check_feedback(feedback: Sequence[Feedback], invitation: Invitation) -> list[Fault]:
    """Name every fault of tidied feedback on an invitation; pointers count from `/ratings/0`.

    It is taken for what the invitation ever asked about: its products, or the service.
    """
    if not feedback:
        return [Fault("/ratings", "nothing_rated", "Give at least one rating.")]
    if len(feedback) > MAX_RATINGS:
        return [Fault("/ratings", "too_long", f"At most {MAX_RATINGS} ratings at once.")]
    asked: Collection[str | None] = (None,) if invitation.kind is Kind.SERVICE else frozenset(invitation.ever_asked_ids)
    counts = Counter(given.product_id for given in feedback)
    faults: list[Fault] = []
    for index, given in enumerate(feedback):
        faults += _faults(given, f"/ratings/{index}", asked=asked, is_repeated=counts[given.product_id] > 1)
    return faults


def editable_until(rating: Rating) -> datetime | None:
    """Tell from which instant on a customer can no longer change a rating; None as long as it has no text."""
    return rating.reviewed_at + EDITABLE_FOR if rating.reviewed_at is not None else None


def is_editable(rating: Rating, *, now: datetime) -> bool:
    """Say whether the customer may still change stars and text."""
    until = editable_until(rating)
    return until is None or now < until


def check_age(feedback: Sequence[Feedback], stored: Mapping[str | None, Rating], *, now: datetime) -> list[Fault]:
    """Name what would change a rating that is too old for it; `stored` has them by what was asked about.

    Saying again what stands is no change.
    """
    return [
        Fault(f"/ratings/{index}", "too_old_to_change", "The review is too old to be changed.")
        for index, given in enumerate(feedback)
        if given.product_id in stored
        and is_change(given, stored[given.product_id])
        and not is_editable(stored[given.product_id], now=now)
    ]


def is_change(given: Feedback, stored: Rating) -> bool:
    """Say whether feedback says anything other than what stands, or more; a text that is left out stays as it is.

    To take a picture away is none: that may be asked for at any time.
    """
    says_else = (given.stars, given.text or stored.review_text) != (stored.stars, stored.review_text)
    return says_else or bool(given.added_pictures)


def pictures_after(given: Feedback, stored: Rating | None) -> tuple[UUID, ...]:
    """List the pictures that go with a review once feedback is taken."""
    before = stored.picture_ids if stored is not None else ()
    return (*(picture for picture in before if picture not in given.removed_pictures), *given.added_pictures)


def check_pictures(feedback: Sequence[Feedback], stored: Mapping[str | None, Rating]) -> list[Fault]:
    """Name what is wrong with pictures that feedback adds; `stored` has ratings by what was asked about."""
    faults = []
    for index, given in enumerate(feedback):
        if not given.added_pictures:
            continue
        rating, pointer = stored.get(given.product_id), f"/ratings/{index}/review/pictures"
        if len(pictures_after(given, rating)) > MAX_PICTURES:
            faults.append(Fault(pointer, "too_many_pictures", f"At most {MAX_PICTURES} pictures."))
        if given.text is None and (rating is None or rating.review_text is None):
            faults.append(Fault(pointer, "picture_without_text", "Pictures go with a text."))
    return faults


def check_reply(text: str) -> list[Fault]:
    """Name every fault of a tidied reply to a review."""
    faults = []
    if not 0 < len(text) <= MAX_REPLY_LENGTH:
        faults.append(Fault("/text", "bad_length", f"Must be 1 to {MAX_REPLY_LENGTH} characters."))
    if _NOT_PLAIN.search(text):
        faults.append(Fault("/text", "text_not_plain", "Must be plain text, without control characters."))
    return faults


def _faults(given: Feedback, pointer: str, *, asked: Collection[str | None], is_repeated: bool) -> list[Fault]:
    faults = []
    if given.product_id not in asked:
        detail = "The invitation did not ask about this."
        faults.append(Fault(f"{pointer}/product_id", "product_unknown", detail))
    elif is_repeated:
        faults.append(Fault(f"{pointer}/product_id", "rated_twice", "Rate each product once at a time."))
    if not LOWEST_STARS <= given.stars <= HIGHEST_STARS:
        faults.append(Fault(f"{pointer}/stars", "stars_out_of_range", "Must be from 1 to 5."))
    if given.text is not None and not given.consent:
        detail = "The customer has to agree that the review is shown."
        faults.append(Fault(f"{pointer}/review/consent", "consent_missing", detail))
    if given.text is not None and len(given.text) > MAX_TEXT_LENGTH:
        faults.append(Fault(f"{pointer}/review/text", "text_too_long", f"At most {MAX_TEXT_LENGTH} characters."))
    if given.text is not None and _NOT_PLAIN.search(given.text):
        detail = "Must be plain text, without control characters."
        faults.append(Fault(f"{pointer}/review/text", "text_not_plain", detail))
    return faults
