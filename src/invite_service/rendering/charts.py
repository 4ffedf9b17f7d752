"""Charts of an account's figures as SVG: bars with their numbers, readable without colour and by screen readers."""

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import escape

WIDTH = 720
BAR_HEIGHT = 22
GAP = 8
LABEL_WIDTH = 170
VALUE_WIDTH = 110
MAX_BARS = 60
"""The last ones of a longer list; a chart of more says nothing."""
MAX_LABEL = 24
"""Characters of a label."""


class Bar(NamedTuple):
    """One bar: what it is of, how long it is, and the number beside it."""

    label: str
    value: float
    text: str


def draw_bars(title: str, bars: Sequence[Bar]) -> str:
    """Draw bars below each other; of more than MAX_BARS the last. An empty list draws the title alone."""
    shown = bars[-MAX_BARS:]
    largest = max((bar.value for bar in shown), default=0.0) or 1.0
    room = WIDTH - LABEL_WIDTH - VALUE_WIDTH
    height = 40 + len(shown) * (BAR_HEIGHT + GAP)
    rows = []
    for number, bar in enumerate(shown):
        top = 40 + number * (BAR_HEIGHT + GAP)
        length = round(max(bar.value, 0.0) / largest * room, 1)
        baseline = top + BAR_HEIGHT - 6
        label = bar.label if len(bar.label) <= MAX_LABEL else f"{bar.label[: MAX_LABEL - 1]}…"
        rows.append(
            f'<text x="{LABEL_WIDTH - 8}" y="{baseline}" text-anchor="end">{escape(label)}</text>'
            f'<rect x="{LABEL_WIDTH}" y="{top}" width="{length}" height="{BAR_HEIGHT}" rx="3"/>'
            f'<text x="{LABEL_WIDTH + length + 6}" y="{baseline}">{escape(bar.text)}</text>'
        )
    described = "; ".join(f"{bar.label}: {bar.text}" for bar in shown)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" aria-labelledby="title description">'
        f'<title id="title">{escape(title)}</title><desc id="description">{escape(described)}</desc>'
        "<style>text{font:13px system-ui,sans-serif;fill:#1d1d1f}.title{font-size:16px;font-weight:600}"
        "rect{fill:#1f4b3f}@media(prefers-color-scheme:dark){text{fill:#f4f4f2}rect{fill:#7fc4ae}}</style>"
        f'<text class="title" x="0" y="20">{escape(title)}</text>{"".join(rows)}</svg>'
    )
