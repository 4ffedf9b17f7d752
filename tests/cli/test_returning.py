"""What becomes of memory that a process frees, asked of the allocator itself, in a process of its own."""

import ctypes
import subprocess
import sys

import pytest

PROBE = """
import ctypes
from invite_service.cli.returning import return_memory

class Counts(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"
    )]

count = ctypes.CDLL(None).mallinfo2
count.restype = Counts
{begin}
bytearray(4_000_000)
mapped = count().hblks
block = bytearray(3_000_000)
print(count().hblks - mapped)
"""
"""Frees one large block, and tells how many blocks the next one is mapped as: one, or none out of the heap."""


def mapped_blocks(begin: str) -> int:
    probe = PROBE.format(begin=begin)
    ended = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    return int(ended.stdout)


@pytest.mark.skipif(  # only glibc learns from what is freed, and only since 2.33 can it be asked what it has mapped
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="glibc 2.33 or later is asked"
)
def test_large_blocks_go_back_however_often_they_are_needed() -> None:
    assert mapped_blocks("return_memory()") == 1
    assert mapped_blocks("") == 0
