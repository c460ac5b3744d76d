"""What this processor does with bytes: whether sums of products of int8 models fit."""

from __future__ import annotations

import platform
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
