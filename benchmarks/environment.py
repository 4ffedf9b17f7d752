"""The yardsticks' own environment, made on demand: what a user would pick instead is no dependency of ours."""

import sys
import venv
from hashlib import sha256
from pathlib import Path

from benchmarks.machine import ROOT, run_to_end

FOLDER = ROOT / "benchmarks" / ".venv"
REQUIREMENTS = ROOT / "requirements" / "bench.txt"


async def yardstick_python() -> Path:
    """Return the environment's Python, after installing what is pinned where that has changed."""
    python, stamp = FOLDER / "bin" / "python", FOLDER / "installed.sha256"
    wanted = sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()
    if not stamp.exists() or stamp.read_text(encoding="ascii") != wanted:
        venv.create(FOLDER, clear=True, with_pip=True)
        await run_to_end([python, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", REQUIREMENTS])
        stamp.write_text(wanted, encoding="ascii")
    return python
