"""The stars badge: one SVG with five stars, the average and how many ratings it is of.

It holds no script, style sheet or id, so that it may stand in an img element or in a page itself, more than once.
"""

from enum import StrEnum
from typing import Final

from invite_service.domain.branding import Branding
from invite_service.rendering.colors import (
    BLACK,
    DARK_CARD,
    SHAPE_CONTRAST,
    TEXT_CONTRAST,
    WHITE,
    mix,
    mix_until,
    palette_of,
    text_on,
)
from invite_service.rendering.environment import environment
from invite_service.rendering.texts import available_language, texts_of
from invite_service.rules.averages import StarCounts

BADGE_POLICY: Final = "default-src 'none'; sandbox"
"""Content-Security-Policy of a badge that is opened by itself."""

_STARS_END: Final = 126
"""Where the text begins, in pixels."""
_STAR: Final = 22
"""From one star to the next, in pixels."""
_CHARACTER: Final = 8
"""More than a character takes on average, in pixels."""


class BadgeTheme(StrEnum):
    """What the badge stands on."""

    LIGHT = "light"
    DARK = "dark"


def draw_badge(stars: StarCounts, branding: Branding, *, theme: BadgeTheme, language: str) -> str:
    """Draw the badge in the merchant's colour, mended where stars or text could not be seen (WCAG 2.2 contrast).

    Its words are in the language, or in English where that has no texts.
    """
    texts = texts_of(available_language(language))
    average = texts.number(stars.average) if stars.average is not None else ""
    title = (
        texts("average_out_of_five", average=average, count=stars.rating_count) if average else texts("reviews_none")
    )
    count = texts.number(stars.rating_count)
    background = DARK_CARD if theme is BadgeTheme.DARK else WHITE
    away = WHITE if theme is BadgeTheme.DARK else BLACK
    ink = text_on(background) if theme is BadgeTheme.DARK else palette_of(branding).text
    shown = f"{average} ({count})" if average else title
    return (
        environment()
        .get_template("badge.svg")
        .render(
            title=title,
            average=average,
            count=count,
            filled=round(_STAR * (stars.average or 0), 1),
            width=_STARS_END + _CHARACTER * len(shown) + 8,
            background=background,
            star=mix_until(branding.primary_color, against=background, towards=away, contrast=SHAPE_CONTRAST),
            ink=ink,
            muted=mix_until(mix(ink, background, 0.35), against=background, towards=away, contrast=TEXT_CONTRAST),
        )
    )
