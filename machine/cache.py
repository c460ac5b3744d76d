"""Where results that can be made again are kept between runs, and what tells one machine from another."""

from __future__ import annotations

import hashlib
import platform
from pathlib import Path

from .cores import usable_cores
from .hardware import graphics_cards, processor
from .packages import RUNTIMES, versions


def cache_folder(name: str) -> Path:
    """Give (not make) a folder of the user's cache; XDG_CACHE_HOME and its like on other systems move it."""
    from platformdirs import user_cache_path

    return user_cache_path("cxr", appauthor=False) / name


def machine_key() -> str:
    """Give 16 hex digits that change with the processor, the cores granted, the cards and the runtimes."""
    runtimes = [f"{name} {number}" for name, number in versions(RUNTIMES).items()]
    parts = (platform.machine(), processor(), str(usable_cores()), *graphics_cards(), *runtimes)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
