"""Rules of the house that ruff, mypy and import-linter cannot see. No pattern is spelled so that it matches itself."""

import re
from pathlib import Path

from tests.house.tree import ROOT, our_files, our_texts

REGISTRY_OR_MACHINE = re.compile(
    r"py[p]i\.or[g]|pytho[n]hosted|np[m]js\.(or[g]|co[m])|de[b]\.de[b]ian|/wor[k]/|/roo[t]/|/op[t]/whee[l]s|/hom[e]/\w"
)
UNFINISHED = re.compile(
    r"TOD[O]|FIXM[E]|XX[X]|NotImplemente[d]Error|# type: ignor[e]$|pragma: no cove[r]", re.MULTILINE
)
CLOCK = re.compile(r"\bdatetime\.now\(|\butcnow\b|\btime\.time\(|\bdate\.today\(")
COMMIT = re.compile(r"\.commit\(")
DRAWERS = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "misc"}
MIGRATION_NAME = re.compile(r"(\d{4}-\d{2}-\d{2})_[a-z0-9_]+\.py")


def lines_that_match(pattern: re.Pattern[str], *, suffix: str = "", below: str = "") -> list[str]:
    return [
        f"{path}:{text.count(chr(10), 0, match.start()) + 1}"
        for path, text in our_texts()
        if path.endswith(suffix) and path.startswith(below)
        for match in pattern.finditer(text)
    ]


def test_no_file_names_a_package_registry_or_a_path_of_one_machine() -> None:
    assert lines_that_match(REGISTRY_OR_MACHINE) == []


def test_nothing_is_left_for_later() -> None:
    assert lines_that_match(UNFINISHED, suffix=".py") == []


def test_clock_is_read_in_bootstrap_only() -> None:
    places = lines_that_match(CLOCK, suffix=".py", below="src/")
    assert [place for place in places if not place.startswith("src/invite_service/bootstrap.py:")] == []


def test_transactions_are_committed_in_the_database_file_only() -> None:
    places = lines_that_match(COMMIT, suffix=".py", below="src/")
    assert [place for place in places if not place.startswith("src/invite_service/storage/database.py:")] == []


def test_package_files_are_empty_but_for_the_version() -> None:
    contents = {path: text for path, text in our_texts() if Path(path).name == "__init__.py"}
    version_file = contents.pop("src/invite_service/__init__.py")
    assert re.fullmatch(r'""".+"""\n\n__version__ = "\d+\.\d+\.\d+"\n', version_file)
    assert {path for path, text in contents.items() if text} == set()


def test_no_file_is_a_drawer_for_everything() -> None:
    assert [path for path in our_files() if DRAWERS & set(path.stem.lower().split("_"))] == []


def test_every_folder_of_tests_is_a_package_so_that_equal_file_names_can_live_side_by_side() -> None:
    folders = {path.parent for path in our_files() if path.suffix == ".py" and path.is_relative_to(ROOT / "tests")}
    assert {folder for folder in folders if not (folder / "__init__.py").exists()} == set()


def test_migration_names_begin_with_the_date_they_were_made() -> None:
    for path in (ROOT / "migrations" / "versions").glob("*.py"):
        name = MIGRATION_NAME.fullmatch(path.name)
        assert name, path.name
        assert f"Create Date: {name[1]} " in path.read_text(encoding="utf-8")
