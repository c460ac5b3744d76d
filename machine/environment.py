"""Environment variables with which a library that `cxr` uses cannot work, found before it is imported.

OpenCV aborts the process on a limit that is no number, and rejects larger images than a limit allows, with a
message that blames the file. numba cannot be imported with fewer than one thread.
"""

from __future__ import annotations

import os

from ..errors import MachineError

_OPENCV_LIMITS = {
    "OPENCV_IO_MAX_IMAGE_PIXELS": 1 << 30,
    "OPENCV_IO_MAX_IMAGE_WIDTH": 1 << 20,
    "OPENCV_IO_MAX_IMAGE_HEIGHT": 1 << 20,
}
"""OpenCV's limits and their defaults (modules/imgcodecs/src/loadsave.cpp); `--max-pixels` is ours."""

_THREAD_COUNTS = {"OPENCV_FOR_THREADS_NUM": 0, "NUMBA_NUM_THREADS": 1}
"""Numbers of threads, and the least that each library accepts."""


def environment_faults() -> tuple[str, ...]:
    """Return one line per variable that keeps a library from working: what it is set to, and the remedy."""
    smallest = {**_OPENCV_LIMITS, **_THREAD_COUNTS}
    faults = [
        f"{name}={os.environ[name]}: {_library(name)} needs a whole number of at least {least}; unset {name}"
        for name, least in smallest.items()
        if name in os.environ and not _is_at_least(os.environ[name], least)
    ]
    if os.environ.get("NUMBA_DISABLE_JIT", "0").strip() not in ("", "0"):
        faults.append("numba's compiler is turned off; unset NUMBA_DISABLE_JIT in the environment")
    return tuple(faults)


def check_environment() -> None:
    """Check that every library that `cxr` uses can work with the environment variables.

    Raises
    ------
    MachineError
        Naming the variable, its value and the remedy.
    """
    for fault in environment_faults():
        raise MachineError(fault)


def _is_at_least(text: str, least: int) -> bool:
    return text.strip().isdecimal() and int(text) >= least


def _library(variable: str) -> str:
    return "OpenCV" if variable.startswith("OPENCV") else "numba"
