"""Builds the package. With COMPILE_RULES=1 the rules on hot paths are compiled, from the same source.

What pyproject.toml says counts; this adds the extensions, which it cannot choose (docs/adr/0029).
"""

import os

from setuptools import Extension, setup

COMPILED = (
    "asked", "circles", "decide", "draw", "histories", "languages", "ledger", "membership", "orders", "sending",
    "simulation", "slots", "states", "suppressions", "trace", "zones",
)  # fmt: skip
"""Modules of rules/ that decide about an order or a message, and what these call."""


def find_extensions() -> list[Extension]:
    """Name what is compiled: nothing, unless it is asked for."""
    if os.environ.get("COMPILE_RULES", "") != "1":
        return []
    # A build that compiles nothing needs no compiler.
    from mypyc.build import mypycify  # noqa: PLC0415

    return mypycify([f"src/invite_service/rules/{module}.py" for module in COMPILED])


setup(ext_modules=find_extensions())
