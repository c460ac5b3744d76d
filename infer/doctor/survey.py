"""What the machine grants to this process (cores, memory, NVIDIA's cards), and the CUDA libraries on it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from ctypes.util import find_library
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ...machine.cores import cgroup_folders, usable_cores
from ...machine.hardware import nvidia_gpus, processor

_MEMORY = Path("/proc/meminfo")

CUDA_LIBRARIES = ("cuda", "cudart", "cublas", "cublasLt", "cudnn", "cufft", "curand", "nvrtc", "nvinfer")
"""The driver's, those that ONNX Runtime's CUDA provider needs, and TensorRT's."""


@dataclass(frozen=True)
class Machine:
    """The machine as this process may use it.

    Attributes
    ----------
    processor : str
        As its maker names it.
    cores, all_cores : int
        Those granted by scheduler and container, and those that the machine has.
    memory, all_memory, free_memory : int or None
        Bytes granted by the container, those that the machine has, and those of them that nothing uses; None
        where the system does not tell.
    cards : tuple of str
        NVIDIA's cards with their drivers.
    """

    processor: str
    cores: int
    all_cores: int
    memory: int | None
    all_memory: int | None
    free_memory: int | None
    cards: tuple[str, ...]


def examine_machine() -> Machine:
    """Look at the machine."""
    told = _memory()
    total = told.get("MemTotal")
    granted = min((size for size in (total, _cgroup_limit()) if size is not None), default=None)
    return Machine(
        processor(),
        usable_cores(),
        os.cpu_count() or 1,
        granted,
        total,
        told.get("MemAvailable"),
        nvidia_gpus(),
    )


def cuda_libraries() -> dict[str, tuple[str, ...]]:
    """Find the CUDA libraries that the system's loader knows and those that wheels brought.

    Returns
    -------
    dict of str to tuple of str
        For each library where it was found: the system's by file name, a wheel's by path; empty for none.
    """
    folders = list(_wheel_folders())
    return {f"lib{name}": tuple(_places(name, folders)) for name in CUDA_LIBRARIES}


def _places(name: str, folders: list[Path]) -> Iterator[str]:
    if found := find_library(name):
        yield found
    for folder in folders:
        for pattern in (f"lib{name}.so*", f"{name}64_*.dll"):
            yield from map(str, sorted(folder.glob(pattern)))


def _wheel_folders() -> Iterator[Path]:
    for package in ("nvidia", "tensorrt_libs"):
        spec = find_spec(package)
        for folder in (spec and spec.submodule_search_locations) or ():
            yield Path(folder)
            for pattern in ("*/lib", "*/bin"):
                yield from sorted(Path(folder).glob(pattern))


def _memory() -> dict[str, int]:
    """Read Linux's figures, in bytes."""
    try:
        lines = _MEMORY.read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}  # not Linux
    fields = (line.replace(":", " ").split() for line in lines)
    return {field[0]: int(field[1]) * 1024 for field in fields if field[2:] == ["kB"]}


def _cgroup_limit() -> int | None:
    """Give the smallest `memory.max` that holds for this process, in bytes."""
    limits = [_limit(folder / "memory.max") for folder in cgroup_folders()]
    return min((limit for limit in limits if limit is not None), default=None)


def _limit(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None  # no such limit, or "max"
