"""The processor and the GPUs: their names, and whether int8 products saturate."""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

from .cores import usable_cores


def int8_saturates() -> bool:
    """Return whether ONNX Runtime's products of unsigned and signed int8 may saturate on this processor.

    They do on x86 processors without VNNI, unless the weights have only seven bits (onnxruntime, docstring of
    `quantize_static`).
    """
    return platform.machine().lower() in ("x86_64", "amd64") and not has_vnni()


def has_vnni() -> bool:
    """Return whether this x86 processor has VNNI, which adds int8 products without saturating."""
    try:
        return "vnni" in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False  # not Linux: assuming no VNNI costs only one bit


def processor() -> str:
    """Return the processor's model name; empty if the system does not report it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()  # not Linux
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def describe_hardware(*, gpus: bool) -> dict[str, Any]:
    """Describe the machine that a run uses, for its record.

    Parameters
    ----------
    gpus : bool
        Whether the run uses a GPU: asking for the names of GPUs can take more than a second.
    """
    return {
        "processor": processor(),
        "architecture": platform.machine(),
        "system": platform.system(),
        "cores": usable_cores(),
        "gpus": list(nvidia_gpus()) if gpus else [],
    }


def nvidia_gpus() -> tuple[str, ...]:
    """Return the names and driver versions of the NVIDIA GPUs; empty if there are none."""
    if shutil.which("nvidia-smi") is None:
        return ()
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        listing = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return ()  # a driver that does not respond cannot be used
    return tuple(line.strip() for line in listing.stdout.splitlines() if line.strip())
