"""Compile kernels with numba: without the GIL, and cached on disk."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., object])

log = logging.getLogger(__name__)


def kernel(function: Function) -> Function:
    """Compile a function that Python calls; threads can run it concurrently.

    numba caches machine code under NUMBA_CACHE_DIR, next to the source file, or in the user's cache folder.
    If none of these can be written, numba raises an error at import; here the function is compiled in each
    process instead. The cache is invalidated only by changes of the kernel's own file, so a kernel must not
    call functions of other modules, except the few instructions of `bits`, which do not change.
    """
    try:
        compiled = numba.njit(nogil=True, cache=True)(function)
    except RuntimeError as error:
        log.warning("%s; it is compiled in every process: set NUMBA_CACHE_DIR to a writable folder", error)
        compiled = numba.njit(nogil=True)(function)
    return cast(Function, compiled)


def helper(function: Function) -> Function:
    """Compile a function that only kernels of the same file call; LLVM inlines it into them."""
    return cast(Function, numba.njit(nogil=True)(function))
