"""The build files agree with each other, with the documents and with the code."""

import os
import re
import subprocess

from invite_service.config import Settings
from tests.house.tree import ROOT

VARIABLES = {f"INVITE_{field.upper()}" for field in Settings.model_fields}


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def pins_of(name: str) -> dict[str, str]:
    """Package and version of every pin in a requirements file."""
    return dict(re.findall(r"^([a-z0-9-]+)(?:\[[^\]]+\])?==(\S+)", text_of(f"requirements/{name}"), re.MULTILINE))


def test_makefile_has_every_target_the_documents_name() -> None:
    documents = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    commands = re.compile(r"(?:`|^    )make ([a-z-]+)", re.MULTILINE)
    named = {target for path in documents for target in commands.findall(path.read_text(encoding="utf-8"))}
    targets = set(re.findall(r"^([a-z-]+):", text_of("Makefile"), re.MULTILINE))
    assert {"dev", "test"} <= named <= targets


def test_ci_runs_the_commands_of_the_readme() -> None:
    lines = text_of(".ci/run").splitlines()
    assert "make check" in lines
    assert "make test" in lines
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_shell_of_the_ci_script_parses() -> None:
    subprocess.run(["bash", "-n", ROOT / ".ci" / "run"], check=True)


def test_containers_set_only_variables_that_exist() -> None:
    for name in ("Dockerfile", "compose.yaml"):
        assert set(re.findall(r"INVITE_[A-Z0-9_]+", text_of(name))) <= VARIABLES, name


def test_every_variable_is_described_for_operators() -> None:
    described = set(re.findall(r"INVITE_[A-Z0-9_]+", text_of("docs/operations.md")))
    assert VARIABLES - described == set()


def test_every_pin_has_a_hash_and_no_lock_names_an_index() -> None:
    for path in (ROOT / "requirements").glob("*.txt"):
        text = path.read_text(encoding="utf-8")
        pins = re.findall(r"^[a-z0-9][^\n]*\\\n    --hash=sha256:[0-9a-f]{64}", text, re.MULTILINE)
        assert len(pins) == len(re.findall(r"^[a-z0-9]", text, re.MULTILINE)) > 0, path.name
        assert not re.search(r"^--|://", text, re.MULTILINE), path.name


def test_every_requirement_is_locked() -> None:
    for path in (ROOT / "requirements").glob("*.in"):
        wanted = set(re.findall(r"^([a-z0-9][a-z0-9-]*)", path.read_text(encoding="utf-8"), re.MULTILINE))
        assert wanted <= set(pins_of(f"{path.stem}.txt")), path.name


def test_what_runs_in_production_is_what_was_tested() -> None:
    assert pins_of("runtime.txt").items() <= pins_of("dev.txt").items()


def test_locks_agree_where_they_share_a_package() -> None:
    versions: dict[str, set[str]] = {}
    for path in (ROOT / "requirements").glob("*.txt"):
        for package, version in pins_of(path.name).items():
            versions.setdefault(package, set()).add(version)
    assert {package: found for package, found in versions.items() if len(found) > 1} == {}
