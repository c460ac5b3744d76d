"""FP16 for GPUs: weights and arithmetic in half precision, the ends of the graph as they were."""

from __future__ import annotations

from pathlib import Path

# Positions and the sigmoid lose most in half precision and cost nothing in float.
KEPT_FLOAT = ["Resize", "Sigmoid"]


def halve(source: Path, target: Path) -> None:
    """Write an fp16 model; its input stays uint8 and its output float32.

    Parameters
    ----------
    source, target : Path
        The fp32 ONNX file, and where to write.
    """
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    model = onnx.load(source)
    onnx.save(convert_float_to_float16(model, keep_io_types=True, op_block_list=KEPT_FLOAT), target)
