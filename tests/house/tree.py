"""The files of this checkout that are ours."""

import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]

NOT_OURS = {".git", ".venv", ".dev", ".demo", ".hypothesis", "__pycache__", "build", "dist", "artefacts"}


def our_files() -> Iterator[Path]:
    """Every file that is or could be committed."""
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in NOT_OURS and not name.endswith(("_cache", ".egg-info"))]
        yield from (Path(folder, name) for name in names)


def our_texts() -> Iterator[tuple[str, str]]:
    """Path below the root and content of every text file."""
    for path in our_files():
        content = path.read_bytes()
        if b"\0" not in content:
            yield str(path.relative_to(ROOT)), content.decode("utf-8", errors="replace")
