"""Describe the machine as this process may use it: cores, memory, NVIDIA GPUs and CUDA libraries."""

from __future__ import annotations

import os
from collections.abc import Iterator
from ctypes.util import find_library
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ...machine.cores import cgroup_folders, usable_cores
from ...machine.hardware import nvidia_gpus, processor

_MEMINFO = Path("/proc/meminfo")

CUDA_LIBRARIES = ("cuda", "cudart", "cublas", "cublasLt", "cudnn", "cufft", "curand", "nvrtc", "nvinfer")
"""The driver's library, those that ONNX Runtime's CUDA provider needs, and TensorRT's."""


@dataclass(frozen=True)
class Machine:
    """The machine as this process may use it.

    Attributes
    ----------
    processor : str
        The model name.
    cores, all_cores : int
        The cores that affinity and container allow, and those of the machine.
    memory, all_memory, free_memory : int or None
        Bytes that the container allows, those of the machine, and those of the machine that are free; None if
        the system does not report them.
    cards : tuple of str
        NVIDIA GPUs with their driver versions.
    """

    processor: str
    cores: int
    all_cores: int
    memory: int | None
    all_memory: int | None
    free_memory: int | None
    cards: tuple[str, ...]


def describe_machine() -> Machine:
    """Collect the machine's description."""
    meminfo = _read_meminfo()
    total = meminfo.get("MemTotal")
    limits = [size for size in (total, _cgroup_limit()) if size is not None]
    return Machine(
        processor=processor(),
        cores=usable_cores(),
        all_cores=os.cpu_count() or 1,
        memory=min(limits, default=None),
        all_memory=total,
        free_memory=meminfo.get("MemAvailable"),
        cards=nvidia_gpus(),
    )


def cuda_libraries() -> dict[str, tuple[str, ...]]:
    """Find the CUDA libraries that the system's loader knows and those that wheels installed.

    Returns
    -------
    dict of str to tuple of str
        Where each library was found: the system's by file name, a wheel's by path; empty if not found.
    """
    folders = list(_wheel_folders())
    return {f"lib{name}": tuple(_locations(name, folders)) for name in CUDA_LIBRARIES}


def _locations(name: str, folders: list[Path]) -> Iterator[str]:
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


def _read_meminfo() -> dict[str, int]:
    """Read Linux's memory figures, in bytes; empty on other systems."""
    try:
        lines = _MEMINFO.read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    fields = (line.replace(":", " ").split() for line in lines)
    return {field[0]: int(field[1]) * 1024 for field in fields if field[2:] == ["kB"]}


def _cgroup_limit() -> int | None:
    """Return the smallest `memory.max` that applies to this process, in bytes; None if there is no limit."""
    limits = [_read_limit(folder / "memory.max") for folder in cgroup_folders()]
    return min((limit for limit in limits if limit is not None), default=None)


def _read_limit(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None  # no such limit, or "max"
