"""FP16 for GPUs: weights and arithmetic in half precision, the ends of the graph as they were."""

from __future__ import annotations

from pathlib import Path


def halve(source: Path, target: Path) -> None:
    """Write an fp16 model; its input stays uint8 and its output float32.

    ONNX Runtime's own converter does it: it leaves in float what its kernels need there (the scales of
    `Resize`), and puts no `Cast` between layers.

    Parameters
    ----------
    source, target : Path
        The fp32 ONNX file, and where to write.
    """
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    onnx.save(convert_float_to_float16(onnx.load(source), keep_io_types=True), target)
