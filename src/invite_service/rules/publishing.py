"""What becomes of stars and text that a customer leaves (RULES.md section 9): the one place that sets their states.

Approval is automatic: both are published at once. What a merchant held or rejected stays so, and a review with a link
to a picture or a video waits for the merchant.
"""

import re
from typing import NamedTuple

from invite_service.domain.feedback import PublishState, Rating

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


class Publishing(NamedTuple):
    """The states of stars and of the text that goes with them; None for no text."""

    stars: PublishState
    text: PublishState | None


def decide_publishing(text: str | None, *, stored: Rating | None) -> Publishing:
    """Decide the states of a rating as the customer left or edited it, `stored` being what stood before.

    `text` is the review as it will stand. Nothing but a merchant's hand takes stars out of `published` here, and text
    out of it only where it holds no media link; such a state stands whatever the customer edits.
    """
    stars = PublishState.PUBLISHED if stored is None else stored.state
    if text is None:
        return Publishing(stars, None)
    if stored is not None and stored.review_state is not None and _is_merchants(stored):
        return Publishing(stars, stored.review_state)
    return Publishing(stars, PublishState.NEEDS_ATTENTION if has_media_link(text) else PublishState.PUBLISHED)


def _is_merchants(stored: Rating) -> bool:
    """Say whether the merchant set the stored text's state; the rule alone publishes, or holds for a media link."""
    if stored.review_state is PublishState.PUBLISHED:
        return False
    is_rules = stored.review_state is PublishState.NEEDS_ATTENTION and has_media_link(stored.review_text or "")
    return not is_rules


def has_media_link(text: str) -> bool:
    """Say whether a review links to a picture or a video."""
    return _MEDIA_LINK.search(text) is not None


def display_name(customer_name: str | None) -> str:
    """Write the name a review is shown with: the first name and an initial ("Kari N.").

    "Nordmann, Kari" is read as a last name first; a name with more commas, or that is an address, is not shown at all.
    """
    if customer_name is None or "@" in customer_name:
        return ""
    first, comma, rest = customer_name.partition(",")
    if "," in rest:
        return ""
    parts = f"{rest} {first}".split() if comma else customer_name.split()
    if not parts:
        return ""
    return parts[0][:40] if len(parts) == 1 else f"{parts[0][:40]} {parts[-1][0].upper()}."
