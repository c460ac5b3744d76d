"""What this processor does with bytes: whether sums of products of int8 models fit."""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path


def saturates_bytes() -> bool:
    """Say whether ONNX Runtime's products of unsigned and signed bytes may overflow on this processor.

    On an x86 processor without VNNI they do unless weights have seven bits (onnxruntime, docstring of
    `quantize_static`).
    """
    return platform.machine().lower() in ("x86_64", "amd64") and not has_vnni()


def has_vnni() -> bool:
    """Say whether this x86 processor adds products of bytes without saturating."""
    try:
        return "vnni" in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False  # not Linux: the careful choice costs one bit


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
