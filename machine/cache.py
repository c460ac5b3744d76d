"""The user's cache folder, and a key that identifies the machine in it."""

from __future__ import annotations

import hashlib
import os
import platform
from pathlib import Path

from .cores import usable_cores
from .hardware import nvidia_gpus, processor

NO_HOME = "no home directory is known (HOME is not set, and this user has no account)"
"""Why there may be no cache folder: in a container, users are often numbers without an account."""


def cache_folder(name: str) -> Path | None:
    """Return the path of a folder in the user's cache, without creating it.

    The location follows XDG_CACHE_HOME and the conventions of other systems. None if there is no home
    directory: whatever is cached must do without, see `NO_HOME`.
    """
    from platformdirs import user_cache_path

    try:
        return user_cache_path("cxr", appauthor=False) / name
    except (RuntimeError, KeyError):
        return None


def writable_cache_folder(name: str) -> Path | None:
    """Create a folder in the user's cache; None if there is no home directory or it cannot be written."""
    folder = cache_folder(name)
    if folder is None:
        return None
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK | os.X_OK) else None


def machine_key() -> str:
    """Return 16 hex digits that change with the processor, the usable cores, the GPUs and the runtimes."""
    from .packages import RUNTIMES, versions  # loads importlib.metadata, which `--help` does not need

    runtimes = [f"{name} {number}" for name, number in versions(RUNTIMES).items()]
    description = (platform.machine(), processor(), str(usable_cores()), *nvidia_gpus(), *runtimes)
    return hashlib.sha256("\n".join(description).encode()).hexdigest()[:16]
