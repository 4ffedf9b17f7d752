"""Charts of figures."""

from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from invite_service.rendering.charts import MAX_BARS, WIDTH, Bar, draw_bars

SVG = "{http://www.w3.org/2000/svg}"


def test_bars_are_as_long_as_their_numbers_and_told_in_words() -> None:
    drawn = ET.fromstring(draw_bars("Costs", [Bar("a", 2, "2 NOK"), Bar("b & <c>", 1, "1 NOK"), Bar("d", 0, "0")]))  # noqa: S314
    lengths = [float(bar.attrib["width"]) for bar in drawn.findall(f"{SVG}rect")]
    assert (lengths[0], lengths[2]) == (2 * lengths[1], 0)
    assert drawn.attrib["role"] == "img"
    assert drawn.findtext(f"{SVG}title") == "Costs"
    assert drawn.findtext(f"{SVG}desc") == "a: 2 NOK; b & <c>: 1 NOK; d: 0"


def test_nothing_is_drawn_as_a_title_alone() -> None:
    drawn = ET.fromstring(draw_bars("Costs", []))  # noqa: S314
    assert drawn.findall(f"{SVG}rect") == []


@given(
    st.lists(
        st.builds(
            Bar,
            st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn", "Co"]), max_size=60),
            st.floats(0, 1e9),
            st.just("1"),
        ),
        max_size=100,
    )
)
def test_every_chart_is_whole_and_as_wide_as_it_says(bars: list[Bar]) -> None:
    drawn = ET.fromstring(draw_bars("Costs", bars))  # noqa: S314
    rects = drawn.findall(f"{SVG}rect")
    assert len(rects) == min(len(bars), MAX_BARS)
    assert all(float(rect.attrib["x"]) + float(rect.attrib["width"]) <= WIDTH for rect in rects)
