"""Colours of a merchant's branding, mended where text in them could not be read (WCAG 2.2 contrast)."""

import re
from dataclasses import dataclass
from functools import lru_cache

from invite_service.domain.branding import Branding

TEXT_CONTRAST = 4.5
"""WCAG 2.2, 1.4.3: text against its background."""

SHAPE_CONTRAST = 3.0
"""WCAG 2.2, 1.4.11: the shape of a control against what surrounds it."""

WHITE = "#ffffff"
BLACK = "#000000"
DARK_BACKGROUND = "#111113"
DARK_CARD = "#1c1c1f"
STAR = "#c77700"
DARK_STAR = "#f5b301"

_HEX = re.compile(r"#[0-9a-fA-F]{6}")
_STEPS = 20


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours a message or page is drawn in, as #rrggbb; `on_` means text upon, `dark_` the dark scheme's."""

    background: str
    on_background: str
    muted_on_background: str
    text: str
    muted: str
    button: str
    button_edge: str
    """Drawn around a button, so that a pale one can be seen to be one."""
    on_button: str
    link: str
    tint: str
    """A breath of the button's colour on white, behind notices."""
    dark_button: str
    dark_button_edge: str
    dark_on_button: str
    dark_link: str
    star: str = STAR
    dark_star: str = DARK_STAR


@lru_cache(maxsize=256)
def palette_of(branding: Branding) -> Palette:
    """Derive the palette; the merchant's colours are kept wherever they can be read."""
    button = _checked(branding.primary_color)
    dark_button = mix_until(button, against=DARK_CARD, towards=WHITE, contrast=1.8)
    text = mix_until(branding.text_color, against=WHITE, towards=BLACK, contrast=7.0)
    background = _checked(branding.background_color)
    away = text_on(background)
    keeps = contrast_of(text, background) >= TEXT_CONTRAST
    on_background = text if keeps else mix_until(text, against=background, towards=away, contrast=12.0)
    return Palette(
        background=background,
        on_background=on_background,
        muted_on_background=mix_until(
            mix(on_background, background, 0.35), against=background, towards=away, contrast=5.0
        ),
        text=text,
        muted=mix_until(mix(text, WHITE, 0.45), against=WHITE, towards=BLACK, contrast=5.0),
        button=button,
        button_edge=mix_until(button, against=WHITE, towards=BLACK, contrast=SHAPE_CONTRAST),
        on_button=text_on(button),
        link=mix_until(branding.primary_color, against=WHITE, towards=BLACK, contrast=TEXT_CONTRAST),
        tint=mix(button, WHITE, 0.92),
        dark_button=dark_button,
        dark_button_edge=mix_until(button, against=DARK_CARD, towards=WHITE, contrast=SHAPE_CONTRAST),
        dark_on_button=text_on(dark_button),
        dark_link=mix_until(branding.primary_color, against=DARK_CARD, towards=WHITE, contrast=6.0),
    )


def text_on(background: str) -> str:
    """Choose white or black for text on a background: the better of the two always reaches TEXT_CONTRAST."""
    return max(WHITE, BLACK, key=lambda color: contrast_of(color, background))


def mix_until(color: str, *, against: str, towards: str, contrast: float) -> str:
    """Mix the colour with `towards`, a twentieth at a time, until it stands out enough against another."""
    for step in range(_STEPS):
        mixed = mix(color, towards, step / _STEPS)
        if contrast_of(mixed, against) >= contrast:
            return mixed
    return towards


def mix(color: str, other: str, share: float) -> str:
    """Mix `share` (0 to 1) of the other colour into one."""
    pairs = zip(_channels(color), _channels(other), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def contrast_of(one: str, other: str) -> float:
    """Tell the contrast ratio of two colours, 1 to 21 (WCAG 2.2, "contrast ratio")."""
    lower, higher = sorted((_luminance(one), _luminance(other)))
    return (higher + 0.05) / (lower + 0.05)


def _luminance(color: str) -> float:
    linear = [
        channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4
        for channel in (value / 255 for value in _channels(color))
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _channels(color: str) -> tuple[int, int, int]:
    checked = _checked(color)
    return int(checked[1:3], 16), int(checked[3:5], 16), int(checked[5:7], 16)


def _checked(color: str) -> str:
    if not _HEX.fullmatch(color):
        raise ValueError("a colour is written #rrggbb")
    return color.lower()
