"""How commands show what they found: tables for people, JSON for machines, progress on a terminal."""

import contextlib
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from invite_service.api.answers import to_json

PLAIN_WIDTH: Final = 200
"""Columns of what goes into a file or a pipe, where no terminal tells how wide it is."""

WHOLE_WIDTH: Final = 36
"""Columns no wider than this, as an id is, are never folded: what they hold is copied into the next command."""

FOLDED_WIDTH: Final = 20
"""Columns that wider ones are left at the least."""

_GAP: Final = 2
"""Blanks between columns of a table."""

NOTHING: Final = "-"
"""Stands where there is no value."""


def print_json(answer: object) -> None:
    """Print an answer as the HTTP API writes it."""
    typer.echo(to_json(answer).decode())


def open_console(*, is_stderr: bool = False) -> Console:
    """Open the terminal, or what stands for it; texts are shown as they are, without markup."""
    stream = sys.stderr if is_stderr else sys.stdout
    width = None if stream.isatty() else PLAIN_WIDTH
    return Console(file=stream, width=width, markup=False, emoji=False, highlight=False)


def shown(value: object) -> str:
    """Write a value for a terminal: nothing in it can move the cursor or change colours."""
    if value is None or value == "":
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{shown(name)}={shown(part)}" for name, part in value.items()) or NOTHING
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(shown(part) for part in value) or NOTHING
    return "".join(letter if _is_harmless(letter) else "\N{REPLACEMENT CHARACTER}" for letter in str(value))


def _is_harmless(letter: str) -> bool:
    # Spaces that do not break, as languages put them into numbers, do not count as printable.
    return letter.isprintable() or unicodedata.category(letter) == "Zs"


def shown_instant(instant: datetime | None, zone: str) -> str:
    """Write an instant as the wall clock of a zone shows it."""
    return NOTHING if instant is None else instant.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M")


def print_facts(console: Console, facts: Mapping[str, object]) -> None:
    """Print names and values, one pair a line."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(name, shown(value))
    console.print(table)


def print_rows(console: Console, columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "") -> None:
    """Print rows under column names; nothing is cut off, and columns of numbers are set to the right.

    Where narrow columns alone are wider than the terminal, lines are longer than it is, and it is the terminal that
    breaks them.
    """
    found = list(rows)
    cells = [[shown(value) for value in row] for row in found]
    widths = [max(map(cell_len, column)) for column in zip(columns, *cells, strict=True)]
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    for index, (name, width) in enumerate(zip(columns, widths, strict=True)):
        is_number = bool(found) and all(isinstance(row[index], int) for row in found)
        is_whole = width <= WHOLE_WIDTH
        table.add_column(name, overflow="fold", no_wrap=is_whole, justify="right" if is_number else "left")
    for row in cells:
        table.add_row(*row)
    if title:
        console.print(f"\n{title}", style="bold")
    needed = sum(_GAP + (width if width <= WHOLE_WIDTH else FOLDED_WIDTH) for width in widths)
    if needed <= console.width:
        console.print(table)
        return
    terminal = console.width
    console.width = needed
    console.print(table)
    console.width = terminal


def print_cursors(console: Console, *, following: str | None, preceding: str | None) -> None:
    """Print how to ask for the next and for the previous page of a list, where there is one."""
    for name, cursor in (("Next", following), ("Previous", preceding)):
        if cursor is not None:
            console.print(f"{name} page: --cursor {cursor}", soft_wrap=True)


@contextlib.contextmanager
def progress(says: str, *, total: int) -> Iterator[Callable[[int], None]]:
    """Show on a terminal how far something is; what is given takes how many are done."""
    console = open_console(is_stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(says, total=total)
        yield lambda done: bar.update(task, completed=done)


@contextlib.contextmanager
def busy(says: str) -> Iterator[None]:
    """Show on a terminal that something goes on which cannot say how far it is."""
    console = open_console(is_stderr=True)
    with console.status(says) if console.is_terminal else contextlib.nullcontext():
        yield
