"""Simplify an exported graph: constant scales for the decoder's upsampling.

The exporter computes each upsampled size from the input (Shape, Concat, Resize by sizes). Only the batch size
is dynamic, so the scales are constant; constants remove those nodes and let runtimes plan, fuse and quantize
the upsampling.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnx


def use_constant_scales(model: onnx.ModelProto) -> None:
    """Give `Resize` nodes constant scales where both sizes are known; modifies the model."""
    import onnx

    shapes = _spatial_shapes(onnx.shape_inference.infer_shapes(model).graph)
    for node in model.graph.node:
        if node.op_type != "Resize":
            continue
        before, after = shapes.get(node.input[0]), shapes.get(node.output[0])
        if before is None or after is None:
            continue
        scales = np.array([1, 1, after[0] / before[0], after[1] / before[1]], np.float32)
        name = f"{node.output[0]}_scales"
        model.graph.initializer.append(onnx.numpy_helper.from_array(scales, name))
        del node.input[1:]
        node.input.extend(["", name])
    remove_unused(model.graph)


def _spatial_shapes(graph: onnx.GraphProto) -> dict[str, tuple[int, int]]:
    shapes = {}
    for value in [*graph.value_info, *graph.input, *graph.output]:
        dims = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        if len(dims) == 4 and dims[2] and dims[3]:
            shapes[value.name] = (dims[2], dims[3])
    return shapes


def remove_unused(graph: onnx.GraphProto) -> None:
    """Remove nodes and initializers that no output depends on; modifies the graph."""
    while True:
        used = {name for node in graph.node for name in node.input} | {out.name for out in graph.output}
        unused = [node for node in graph.node if used.isdisjoint(node.output)]
        if not unused:
            break
        for node in unused:
            graph.node.remove(node)
    for initializer in [one for one in graph.initializer if one.name not in used]:
        graph.initializer.remove(initializer)
