"""How kernels are compiled: without the GIL, and cached on disk, so that nobody pays the compiler twice."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., object])

log = logging.getLogger(__name__)


def kernel(function: Function) -> Function:
    """Compile a function that Python calls; threads may run it side by side.

    numba keeps machine code beside the source, or in the user's cache folder where the source's cannot be
    written, or under NUMBA_CACHE_DIR. Where none of them can be written it would refuse the function at
    import; here it is compiled anew in each process instead. The cache is keyed by the kernel's own file, so
    a kernel calls nothing of another file but the few instructions of `words`.
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
