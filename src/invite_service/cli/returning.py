"""How memory goes back to the system in processes that run for long."""

import ctypes
import sys
from typing import Final

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
"""Parameters of mallopt (malloc.h of glibc)."""

LARGE_BLOCK: Final = 128 * 1024
"""Bytes from which a block is mapped by itself, and given back when it is freed; glibc's choice at its start."""

FREE_END: Final = 256 * 1024
"""Free bytes at the end of the heap that are kept for what comes next."""


def return_memory() -> None:
    """Have glibc give back what large bodies took; any other allocator is left as it is.

    By itself glibc learns from each large block that is freed to take the next of that size from its heap. There small
    blocks settle between the large ones, and none of it can be given back: 10 MiB of an API that takes batches.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, LARGE_BLOCK)
        mallopt(_M_TRIM_THRESHOLD, FREE_END)
