"""Run the benchmarks and print one table: `python benchmarks/run.py [--quick] [--only ROW]`."""

import runpy
import sys
from pathlib import Path

# Run as a file, this folder stands first on the path and its modules would be found by their bare names.
sys.path[0] = str(Path(__file__).parents[1])
runpy.run_module("benchmarks.program", run_name="__main__")
