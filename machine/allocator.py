"""How the C library hands memory out."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's `mallopt`."""
_LARGEST_BLOCK = 1 << 30
_NEVER = 2**31 - 1


def keep_freed_memory() -> None:
    """Keep the memory that this process frees, for its next blocks of the same size.

    By default glibc returns every large block to the system, which clears it again page by page when the next
    one is asked for. Without glibc nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return
    library = ctypes.CDLL(None)
    if hasattr(library, "gnu_get_libc_version"):
        library.mallopt(_MMAP_THRESHOLD, _LARGEST_BLOCK)
        library.mallopt(_TRIM_THRESHOLD, _NEVER)
