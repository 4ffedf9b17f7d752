"""The table at the end: what we do, what the yardstick does, and which bar that reaches."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.targets import TARGETS

_HEADINGS = ("row", "job", "ours", "yardstick", "ratio", "rounds", "first bar", "aim", "verdict")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One row of the table; `spread` are the lowest and highest figure of a single round."""

    row: str
    ours: str
    yardstick: str
    figure: float
    spread: tuple[float, float] | None = None
    note: str = ""


def compare(
    row: str, ours: Sequence[float], yardstick: Sequence[float], *, unit: str, against: str, note: str = ""
) -> Result:
    """Make the row of two series taken side by side: the ratio of their medians, and the rounds' own ratios."""
    ratios = [one / other for one, other in zip(ours, yardstick, strict=True)]
    return Result(
        row=row,
        ours=f"{_short(median(ours))} {unit}",
        yardstick=f"{_short(median(yardstick))} {unit}, {against}",
        figure=median(ours) / median(yardstick),
        spread=(min(ratios), max(ratios)),
        note=note,
    )


def render(results: Iterable[Result]) -> str:
    """Write the table, and the notes of its rows below it."""
    known = sorted(results, key=lambda result: list(TARGETS).index(result.row))
    lines = [_HEADINGS, *(_cells(result) for result in known)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADINGS))]
    written = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    ]
    written.insert(1, "  ".join("-" * width for width in widths))
    notes = [f"{result.row}: {result.note}" for result in known if result.note]
    return "\n".join([*written, *(["", *notes] if notes else [])])


def _cells(result: Result) -> tuple[str, ...]:
    target = TARGETS[result.row]
    sign, unit = ("≤" if target.is_ceiling else "≥"), target.unit
    spread = f"{_short(result.spread[0])} to {_short(result.spread[1])}" if result.spread else ""
    return (
        result.row,
        target.job,
        result.ours,
        result.yardstick,
        f"{_short(result.figure)} {unit}",
        spread,
        f"{sign} {_short(target.first_bar)} {unit}",
        f"{sign} {_short(target.aim)} {unit}",
        target.verdict(result.figure),
    )


def _short(figure: float) -> str:
    """Write three digits that count, and thousands in full."""
    if abs(figure) >= 100:
        return f"{figure:,.0f}"
    return f"{figure:.3g}"
