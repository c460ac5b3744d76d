"""A float model whose weights are stored in half precision: half the bytes, the same arithmetic.

The weights of each large layer become an fp16 tensor and a `Cast` to float. A runtime folds the cast when it
loads the model, so nothing is slower; a weight changes by at most one part in 2048. Biases and the statistics
of normalization stay in fp32: they are few, and a variance may be too small for fp16.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..models.file.onnx_file import read_card
from .graph import save_with_card

if TYPE_CHECKING:
    import onnx

_SMALL = 256  # values; smaller weights stay as they are
_LARGEST = float(np.finfo(np.float16).max)


def store_in_half(source: Path, target: Path) -> None:
    """Write a copy of an fp32 model with its large weights in fp16; its card stays.

    Parameters
    ----------
    source, target : Path
        The fp32 ONNX file, and where to write.
    """
    import onnx

    model = onnx.load(source)
    casts = [_halve(tensor) for tensor in model.graph.initializer if _is_large(tensor)]
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*casts, *nodes])
    save_with_card(model, read_card(source), target)


def _is_large(tensor: onnx.TensorProto) -> bool:
    import onnx

    if tensor.data_type != onnx.TensorProto.FLOAT or len(tensor.dims) < 2:
        return False
    values = onnx.numpy_helper.to_array(tensor)
    return values.size >= _SMALL and float(np.abs(values).max()) <= _LARGEST


def _halve(tensor: onnx.TensorProto) -> onnx.NodeProto:
    """Turn a tensor into fp16 under a new name, in place; the returned node restores it under the old one."""
    import onnx

    name = tensor.name
    half = onnx.numpy_helper.to_array(tensor).astype(np.float16)
    tensor.CopyFrom(onnx.numpy_helper.from_array(half, f"{name}_fp16"))
    cast: onnx.NodeProto = onnx.helper.make_node(
        "Cast", [tensor.name], [name], name=f"{name}_cast", to=onnx.TensorProto.FLOAT
    )
    return cast
