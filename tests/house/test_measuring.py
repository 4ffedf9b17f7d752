"""What the suite says of itself: how much of the package it ran, and whether that is enough."""

from typing import Any

from tests.support.measuring import Coverage, compare_with_bars


def ran(*, lines: int, branches: int) -> dict[str, Any]:
    """Of 60 lines and 40 branches."""
    return {
        "executed_lines": list(range(lines)),
        "missing_lines": list(range(lines, 60)),
        "executed_branches": [(branch, branch + 1) for branch in range(branches)],
        "missing_branches": [(branch, branch + 1) for branch in range(branches, 40)],
    }


def test_lines_and_branches_count_alike_for_the_folders_of_each_bar() -> None:
    coverage: Coverage = {
        "files": {
            "src/invite_service/rules/decide.py": ran(lines=60, branches=38),
            "src/invite_service/domain/order.py": ran(lines=59, branches=35),
            "src/invite_service/rulesets.py": ran(lines=50, branches=20),
        }
    }
    assert list(compare_with_bars(coverage)) == [(("rules", "domain"), 96.0, 95), ((".",), (98 + 94 + 70) / 3, 85)]


def test_what_was_never_imported_counts_as_left_out() -> None:
    coverage: Coverage = {"files": {"src/invite_service/rules/decide.py": ran(lines=0, branches=0)}}
    assert [(share, share < bar) for _, share, bar in compare_with_bars(coverage)] == [(0.0, True), (0.0, True)]
