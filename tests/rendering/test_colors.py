"""Colours that can be read, whatever the merchant chose."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invite_service.domain.branding import Branding
from invite_service.rendering.colors import (
    DARK_CARD,
    SHAPE_CONTRAST,
    TEXT_CONTRAST,
    WHITE,
    contrast_of,
    palette_of,
    text_on,
)

COLORS = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


def test_contrast_is_that_of_wcag() -> None:
    assert contrast_of("#000000", "#ffffff") == pytest.approx(21)
    assert contrast_of("#777777", "#ffffff") == pytest.approx(4.478, abs=0.001)
    assert contrast_of("#ffffff", "#ffffff") == 1


@given(COLORS, COLORS, COLORS)
def test_every_text_can_be_read(primary: str, text: str, background: str) -> None:
    palette = palette_of(Branding(primary_color=primary, text_color=text, background_color=background))
    pairs = [
        (palette.text, WHITE),
        (palette.muted, WHITE),
        (palette.link, WHITE),
        (palette.text, palette.tint),
        (palette.on_button, palette.button),
        (palette.on_background, palette.background),
        (palette.muted_on_background, palette.background),
        (palette.dark_link, DARK_CARD),
        (palette.dark_on_button, palette.dark_button),
    ]
    assert [pair for pair in pairs if contrast_of(*pair) < TEXT_CONTRAST] == []
    shapes = [
        (palette.button_edge, WHITE),
        (palette.star, WHITE),
        (palette.dark_button_edge, DARK_CARD),
        (palette.dark_star, DARK_CARD),
    ]
    assert [pair for pair in shapes if contrast_of(*pair) < SHAPE_CONTRAST] == []


@given(COLORS)
def test_colours_that_can_be_read_are_kept(color: str) -> None:
    palette = palette_of(Branding(primary_color=color, text_color=color))
    assert palette.button == color
    if contrast_of(color, WHITE) >= TEXT_CONTRAST:
        assert palette.link == color


def test_text_on_yellow_is_black_and_on_green_white() -> None:
    assert (text_on("#ffd400"), text_on("#1f4b3f")) == ("#000000", "#ffffff")


@pytest.mark.parametrize("color", ["red", "#fff", "#12345g", "#123456; } body { display: none", ""])
def test_anything_but_six_digits_is_refused(color: str) -> None:
    with pytest.raises(ValueError, match="#rrggbb"):
        palette_of(Branding(primary_color=color))
