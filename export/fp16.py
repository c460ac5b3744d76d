"""FP16 for GPUs: weights and arithmetic in half precision; input and output types are unchanged."""

from __future__ import annotations

from pathlib import Path

from .simplify import merge_normalization


def convert_to_fp16(source: Path, target: Path) -> None:
    """Write an fp16 model; its input is still uint8 and its output float32.

    ONNX Runtime's converter keeps in float what its kernels need in float (the scales of `Resize`), and
    inserts no `Cast` between layers.

    Parameters
    ----------
    source, target : Path
        The fp32 ONNX file, and where to write.
    """
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    # A variance may be too large or too small for fp16; its product with a weight seldom is.
    merged = merge_normalization(onnx.load(source))
    onnx.save(convert_float_to_float16(merged, keep_io_types=True), target)
