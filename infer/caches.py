"""Where results that can be made again are kept between runs, and what tells one machine from another."""

from __future__ import annotations

import hashlib
import platform
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from .cores import usable_cores

RUNTIMES = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml", "openvino", "tensorrt")


def cache_folder(name: str) -> Path:
    """Give (not make) a folder of the user's cache; XDG_CACHE_HOME and its like on other systems move it."""
    from platformdirs import user_cache_path

    return user_cache_path("cxr", appauthor=False) / name


def machine_key() -> str:
    """Give 16 hex digits that change with the processor, the cores granted, the cards and the runtimes."""
    parts = (platform.machine(), processor(), str(usable_cores()), *graphics_cards(), *_versions())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def processor() -> str:
    """Name the processor as its maker does, where the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()  # not Linux
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def graphics_cards() -> tuple[str, ...]:
    """Name NVIDIA's cards with their drivers; empty where there are none."""
    if shutil.which("nvidia-smi") is None:
        return ()
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        told = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return ()  # a driver that does not answer drives no card
    return tuple(line.strip() for line in told.stdout.splitlines() if line.strip())


def _versions() -> tuple[str, ...]:
    found = []
    for package in RUNTIMES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return tuple(found)
