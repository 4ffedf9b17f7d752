"""How the cycle collector goes about in processes that run for long."""

import gc
from typing import Final

COLLECT_AFTER: Final = 50_000
"""New objects after which the cycle collector looks at the young ones; Python's own choice is 700."""


def collect_seldom() -> None:
    """Have the cycle collector leave alone what was imported, and look seldom at what comes.

    A batch of orders is a hundred thousand objects that live until it is answered and form no cycles: looking at them
    again and again took a third of its time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)
