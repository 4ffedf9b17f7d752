"""Measures which lines and branches of the package the tests run, in each worker (`-p tests.support.measuring`).

A tracer of Python calls takes longer than the tests themselves; here the package is compiled with probes in it. It must
be loaded before the package is: a plugin of pytest's command line is, a conftest.py is not.
"""

import json
import sys
from collections.abc import Generator, Iterator, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest
from slipcover import Slipcover, merge_coverage, print_coverage
from slipcover.importer import SlipcoverLoader
from slipcover.slipcover import add_summaries
from xdist.workermanage import WorkerController

PACKAGE: Final = "invite_service"

SOURCE: Final = Path("src", PACKAGE)

BARS: Final = {("rules", "domain"): 95, (".",): 85}
"""Percent of the lines and branches below these folders of the package that the tests must run."""

NEVER: Final = 2**31 - 1
"""Hits after which a probe is taken out: that swaps the code of functions that may be running meanwhile, for little."""

NOT_TO_BE_RUN: Final = ["@overload", r"\.\.\.$"]

Coverage = dict[str, Any]
"""As slipcover gives it: `files` with their executed and missing lines and branches."""


class _PackageFinder(MetaPathFinder):
    """Compiles the package's own modules with probes, and leaves all others to whoever loads them."""

    def __init__(self, probes: Slipcover) -> None:
        self._probes = probes

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] != PACKAGE:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.origin is not None:
            spec.loader = SlipcoverLoader(self._probes, spec.loader, spec.origin)
        return spec


_probes = Slipcover(branch=True, source=[str(SOURCE)], d_miss_threshold=NEVER, exclude_also=NOT_TO_BE_RUN)
sys.meta_path.insert(0, _PackageFinder(_probes))

_measured = pytest.StashKey[Coverage]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_measured] = {}


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Send the controller what this worker ran, in the one type that all versions of its wire carry."""
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output["coverage"] = json.dumps(_probes.get_coverage())


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: WorkerController) -> None:
    """Add up what the workers ran; one that died says nothing."""
    sent = getattr(node, "workeroutput", {}).get("coverage")
    if sent is not None:
        _add(node.config, json.loads(sent))


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """Fail a run that leaves too much out."""
    result = yield
    if not hasattr(session.config, "workerinput"):
        _add(session.config, _probes.get_coverage())
        session.testsfailed += sum(share < bar for _, share, bar in compare_with_bars(session.config.stash[_measured]))
    return result


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    coverage = config.stash[_measured]
    terminalreporter.section("coverage")
    print_coverage(coverage, outfile=terminalreporter, skip_covered=True)
    for folders, share, bar in compare_with_bars(coverage):
        verdict = "too little" if share < bar else "enough"
        terminalreporter.write_line(
            f"{' and '.join(folders)}: {share:.2f} % of lines and branches, {verdict} (bar {bar})"
        )


def _add(config: pytest.Config, coverage: Coverage) -> None:
    before = config.stash[_measured]
    config.stash[_measured] = merge_coverage(before, coverage) if before else coverage


def compare_with_bars(coverage: Coverage) -> Iterator[tuple[tuple[str, ...], float, int]]:
    """Give for each bar its folders, the percent that was run of them, and the bar itself."""
    for folders, bar in BARS.items():
        below = [SOURCE / folder for folder in folders]
        chosen: Coverage = {
            "files": {
                name: file
                for name, file in coverage["files"].items()
                if any(Path(name).is_relative_to(folder) for folder in below)
            }
        }
        add_summaries(chosen)
        yield folders, chosen["summary"]["percent_covered"], bar
