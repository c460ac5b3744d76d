"""The user's cache folder, and a key that identifies the machine in it."""

from __future__ import annotations

import hashlib
import platform
from pathlib import Path

from .cores import usable_cores
from .hardware import nvidia_gpus, processor


def cache_folder(name: str) -> Path:
    """Return the path of a folder in the user's cache, without creating it.

    The location follows XDG_CACHE_HOME and the conventions of other systems.
    """
    from platformdirs import user_cache_path

    return user_cache_path("cxr", appauthor=False) / name


def machine_key() -> str:
    """Return 16 hex digits that change with the processor, the usable cores, the GPUs and the runtimes."""
    from .packages import RUNTIMES, versions  # loads importlib.metadata, which `--help` does not need

    runtimes = [f"{name} {number}" for name, number in versions(RUNTIMES).items()]
    description = (platform.machine(), processor(), str(usable_cores()), *nvidia_gpus(), *runtimes)
    return hashlib.sha256("\n".join(description).encode()).hexdigest()[:16]
