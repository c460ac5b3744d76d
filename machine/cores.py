"""The number of cores that this process may use, which may be fewer than the machine has."""

from __future__ import annotations

import math
import os
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")


def usable_cores() -> int:
    """Count the cores that the CPU affinity and the cgroup limit allow this process to use, at least 1."""
    limit = _cgroup_limit()
    allowed = _affinity()
    return max(1, allowed if limit is None else min(allowed, math.ceil(limit)))


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cgroup_folders() -> tuple[Path, ...]:
    """Return the folders of this process's cgroup (version 2) and of its ancestors, up to the root."""
    try:
        lines = _MEMBERSHIP.read_text(encoding="utf-8").splitlines()
    except OSError:
        return ()  # not Linux: there are no cgroups
    group = next((line[3:].strip("/") for line in lines if line.startswith("0::")), "")
    own = _CGROUPS / group
    return tuple(folder for folder in (own, *own.parents) if folder.is_relative_to(_CGROUPS))


def _cgroup_limit() -> float | None:
    """Return the smallest `cpu.max` that applies to this process, in cores; None if there is no limit."""
    limits = [_quota(folder / "cpu.max") for folder in cgroup_folders()]
    return min((limit for limit in limits if limit is not None), default=None)


def _quota(path: Path) -> float | None:
    """Read `cpu.max`, which is "quota period" or "max period"; None if there is no limit."""
    try:
        quota, period = path.read_text(encoding="utf-8").split()
    except (OSError, ValueError):
        return None
    return None if quota == "max" else int(quota) / int(period)
