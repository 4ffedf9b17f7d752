"""Tables on a terminal: what is copied out of one stays whole, however narrow the terminal is."""

from io import StringIO

import pytest
from rich.console import Console

from invite_service.cli.presenting import print_rows

IDS = ["01a21d1a-ae8b-72f9-85b1-def9118058b6", "01a21d1a-ae43-74ec-9098-f6d4a461fb16"]

COLUMNS = ["Invitation", "Status", "Next", "send_at", "Orders", "Products"]

ROWS = [
    (IDS[0], "scheduled", "product_1", "2011-01-06 11:59", ["A-1"], ["p" * 100]),
    (IDS[1], "scheduled", "product_1", "2011-01-06 11:24", ["536522", "536593"], [f"2283{n}" for n in range(9)]),
]


@pytest.mark.parametrize("width", [40, 80, 120, 200])
def test_ids_and_times_stay_whole_and_nothing_is_cut_off(width: int) -> None:
    written = StringIO()
    console = Console(file=written, width=width)
    print_rows(console, COLUMNS, ROWS)
    lines = written.getvalue().splitlines()
    assert [next(line for line in lines if line.startswith(one))[38:72] for one in IDS] == [
        "scheduled  product_1  2011-01-06 1",
        "scheduled  product_1  2011-01-06 1",
    ]
    assert "2011-01-06 11:59  A-1" in written.getvalue()
    assert written.getvalue().count("p") == 100 + 2  # And those of the two steps.
    assert all(f"2283{n}" in written.getvalue() for n in range(9))
    assert console.width == width


def test_texts_are_folded_where_the_terminal_has_room_for_the_rest() -> None:
    written = StringIO()
    print_rows(Console(file=written, width=60), ["Rule", "In words"], [("contact", "The order has an address. " * 4)])
    assert max(map(len, written.getvalue().splitlines())) <= 60
