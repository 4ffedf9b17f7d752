"""What the suite says of itself: how much of the package it ran."""

import subprocess
import sys
from pathlib import Path

from tests.house.tree import ROOT


def run_measured(test: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-c", "pyproject.toml", "-p", "tests.support.measuring", str(test)],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )


def test_run_that_leaves_most_of_the_package_out_fails_and_names_the_lines(tmp_path: Path) -> None:
    test = tmp_path / "test_one.py"
    test.write_text(
        "from invite_service.rules.draw import draw_bucket\n\n\n"
        "def test_bucket() -> None:\n"
        "    assert draw_bucket('shop', '1') == draw_bucket('shop', '1')\n",
        encoding="utf-8",
    )
    run = run_measured(test)
    assert (run.returncode, "1 passed" in run.stdout) == (1, True), run.stdout + run.stderr
    rows = [" ".join(row.split()) for row in run.stdout.splitlines()]
    # Of 19 lines six, and of two branches both.
    expected = "src/invite_service/rules/draw.py 19 6 2 2 0 62 22, 27, 32-34, 39"
    assert [row for row in rows if row.startswith("src/invite_service/rules/draw.py")] == [expected]
