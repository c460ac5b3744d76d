"""Compile kernels with numba: without the GIL, and cached on disk where that is possible."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import parent_process
from typing import Any, TypeVar, cast

import numba
from numba.core.caching import CompileResultCacheImpl, FunctionCache, UserWideCacheLocator, ZipCacheLocator

from ..errors import MachineError

Function = TypeVar("Function", bound=Callable[..., object])

log = logging.getLogger(__name__)

_reported: list[str] = []


def kernel(function: Function) -> Function:
    """Compile a function that Python calls; threads can run it concurrently.

    numba caches machine code under NUMBA_CACHE_DIR, next to the source file, or in the user's cache folder.
    If none of these can be written, or the disk is full, the function is compiled in each process instead.
    The cache is invalidated only by changes of the kernel's own file, so a kernel must not call functions of
    other modules, except the few instructions of `bits`, which do not change.

    Raises
    ------
    MachineError
        If numba's compiler is turned off: uncompiled, a kernel would take hours, or cannot run at all.
    """
    if numba.config.DISABLE_JIT:
        raise MachineError("numba's compiler is turned off; unset NUMBA_DISABLE_JIT in the environment")
    compiled = numba.njit(nogil=True)(function)
    try:
        compiled._cache = _KernelCache(function)  # as its `enable_caching` does
    except Exception as error:  # noqa: BLE001 - whatever it is, the kernel runs without a cache
        _report_once(str(error))
    return cast(Function, compiled)


def helper(function: Function) -> Function:
    """Compile a function that only kernels of the same file call; LLVM inlines it into them."""
    return cast(Function, numba.njit(nogil=True)(function))


class _CacheFiles(CompileResultCacheImpl):  # type: ignore[misc]
    """Chooses the folder of a kernel's cache files; the user's cache folder only if there is one."""

    def __init__(self, function: Callable[..., object]) -> None:
        if not os.path.isabs(os.path.expanduser("~")):  # noqa: PTH111, PTH117 - does not raise
            # Without a home directory, numba would create a folder named "~" in the working directory.
            in_home = (UserWideCacheLocator, ZipCacheLocator)
            locators = CompileResultCacheImpl._locator_classes
            self._locator_classes = [one for one in locators if one not in in_home]
        super().__init__(function)


class _KernelCache(FunctionCache):  # type: ignore[misc]
    """numba's cache on disk; files that cannot be read or written are reported once, and cost only time."""

    _impl_class = _CacheFiles

    def load_overload(self, signature: Any, target_context: Any) -> Any:
        """Return a compiled function from the cache; None if it is not there or damaged."""
        try:
            return super().load_overload(signature, target_context)
        except OSError as error:
            _report_once(str(error))
        except Exception:  # noqa: BLE001 - unpickling a damaged file raises anything
            with suppress(OSError):
                self.flush()
        return None

    def save_overload(self, signature: Any, data: Any) -> None:
        """Write a compiled function to the cache, if that is possible."""
        try:
            super().save_overload(signature, data)
        except Exception as error:  # noqa: BLE001 - whatever it is, the kernel runs without a cache
            _report_once(str(error))


def _report_once(cause: str) -> None:
    """Log one line per run: neither one per kernel, nor again in each worker process."""
    if _reported or parent_process() is not None:
        return
    _reported.append(cause)
    log.warning(
        "%s; kernels are compiled in every process: set NUMBA_CACHE_DIR to a writable folder",
        " ".join(cause.split()),
    )
