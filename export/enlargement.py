"""Compute the 3 x 3 convolution of an enlarged map with four ninths of the products.

After a nearest-neighbor enlargement by two, the nine values under the kernel are only four different ones.
Their weights can be added up beforehand: four 2 x 2 convolutions of the small map, one for each of 2 x 2
neighboring pixels, whose results are interleaved (`DepthToSpace`). They are computed as one convolution with
four times the channels. The decoder of a U-Net concatenates a skip connection to the enlarged map; there the
convolution is split into the channels of the two, and the results are added.

Only the order of summation changes: results are equal up to rounding. A transposed convolution would compute
the same, but neither ONNX Runtime nor OpenVINO computes it in int8 here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .constant_scales import remove_unused

if TYPE_CHECKING:
    import onnx

Weights = npt.NDArray[np.float32]


@dataclass(frozen=True)
class _Enlarged:
    """A 3 x 3 convolution of an enlarged map, to which skip connections may be concatenated.

    `channels` is the number of those of the convolution's input that are enlarged; they come first.
    """

    resize: onnx.NodeProto
    concat: onnx.NodeProto | None
    conv: onnx.NodeProto
    channels: int

    @property
    def nodes(self) -> tuple[onnx.NodeProto, ...]:
        return tuple(node for node in (self.resize, self.concat, self.conv) if node is not None)


def merge_enlargements(model: onnx.ModelProto) -> int:
    """Replace each 3 x 3 convolution of an enlarged map; modifies the model.

    Parameters
    ----------
    model : onnx.ModelProto
        With constant scales of enlargement and constant weights, and normalization merged into convolutions.

    Returns
    -------
    int
        How many were replaced.
    """
    import onnx

    graph = onnx.shape_inference.infer_shapes(model).graph
    channels = {
        value.name: value.type.tensor_type.shape.dim[1].dim_value
        for value in (*graph.value_info, *graph.input)
        if len(value.type.tensor_type.shape.dim) == 4
    }
    weights = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    found = list(_find(model.graph, weights, channels))
    nodes = list(model.graph.node)
    for enlarged in found:
        at = nodes.index(enlarged.conv)
        nodes[at : at + 1] = _replacement(model.graph, enlarged, weights)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    remove_unused(model.graph)
    return len(found)


def four_kernels(kernel: Weights) -> Weights:
    """Add up the weights that meet the same value of the small map.

    Parameters
    ----------
    kernel : ndarray of float32, shape (out, in, 3, 3)

    Returns
    -------
    ndarray of float32, shape (4 out, in, 2, 2)
        At the place (i, j) of the small map padded by one, it yields the pixels (2 i - 1, 2 j - 1),
        (2 i - 1, 2 j), (2 i, 2 j - 1) and (2 i, 2 j), counted from 0, of the enlarged result.
    """
    rows = _pairs(kernel.astype(np.float64), axis=2)
    four = [pair for row in rows for pair in _pairs(row, axis=3)]
    return np.concatenate(four).astype(np.float32)


def _pairs(kernel: npt.NDArray[np.float64], axis: int) -> tuple[npt.NDArray[np.float64], ...]:
    """Return the weights of two values of the small map, for an odd and for an even place on an axis."""
    first, middle, last = np.moveaxis(kernel, axis, 0)
    return np.stack([first + middle, last], axis), np.stack([first, middle + last], axis)


def _find(graph: onnx.GraphProto, weights: dict[str, Any], channels: dict[str, int]) -> Iterator[_Enlarged]:
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    outputs = {value.name for value in graph.output}
    for resize in graph.node:
        if not _doubles(resize, weights):
            continue
        reader, concat = _only_reader(resize, readers, outputs), None
        if reader is not None and reader.op_type == "Concat" and reader.input[0] == resize.output[0]:
            reader, concat = _only_reader(reader, readers, outputs), reader
        width = channels.get(resize.output[0], 0)
        if reader is not None and width and _is_plain_conv(reader, weights):
            yield _Enlarged(resize, concat, reader, width)


def _only_reader(
    node: onnx.NodeProto, readers: dict[str, list[onnx.NodeProto]], outputs: set[str]
) -> onnx.NodeProto | None:
    name = node.output[0]
    return readers[name][0] if len(readers.get(name, ())) == 1 and name not in outputs else None


def _doubles(node: onnx.NodeProto, weights: dict[str, Any]) -> bool:
    """Return whether a node copies each value to 2 x 2 pixels."""
    if node.op_type != "Resize" or len(node.input) < 3 or node.input[2] not in weights:
        return False
    settings = _attributes(node)
    return (
        settings.get("mode", b"nearest") == b"nearest"
        and settings.get("coordinate_transformation_mode") == b"asymmetric"
        and settings.get("nearest_mode") == b"floor"
        and weights[node.input[2]].tolist() == [1, 1, 2, 2]
    )


def _is_plain_conv(node: onnx.NodeProto, weights: dict[str, Any]) -> bool:
    """Return whether a node is a 3 x 3 convolution that keeps the size, with constant weights."""
    if node.op_type != "Conv" or any(name not in weights for name in node.input[1:]):
        return False
    settings = _attributes(node)
    return (
        weights[node.input[1]].shape[2:] == (3, 3)
        and settings.get("pads") == [1, 1, 1, 1]
        and settings.get("strides", [1, 1]) == [1, 1]
        and settings.get("dilations", [1, 1]) == [1, 1]
        and settings.get("group", 1) == 1
    )


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    import onnx

    return {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}


def _replacement(
    graph: onnx.GraphProto, enlarged: _Enlarged, weights: dict[str, Any]
) -> list[onnx.NodeProto]:
    """Build the nodes that replace the convolution, and add their weights to the graph."""
    import onnx

    conv, concat = enlarged.conv, enlarged.concat
    kernel, output = weights[conv.input[1]], conv.output[0]
    name = conv.name or output
    bias = list(conv.input[2:])

    def constant(suffix: str, values: npt.NDArray[Any]) -> str:
        graph.initializer.append(onnx.numpy_helper.from_array(values, f"{output}_{suffix}"))
        return f"{output}_{suffix}"

    kernels = constant("kernels", four_kernels(kernel[:, : enlarged.channels]))
    small, whole = [enlarged.resize.input[0], kernels], output
    if concat is None:
        small += [constant("bias4", np.tile(weights[one], 4)) for one in bias]
    else:
        whole = f"{output}_enlarged"
    # The first and the last pixel of the interleaved result lie outside the image.
    crop = (("from", [1, 1]), ("to", [-1, -1]), ("axes", [2, 3]))
    inner = [constant(suffix, np.array(values)) for suffix, values in crop]
    make = onnx.helper.make_node
    nodes = [
        make("Conv", small, [f"{output}_four"], f"{name}_four", kernel_shape=[2, 2], pads=[1, 1, 1, 1]),
        make("DepthToSpace", [f"{output}_four"], [f"{output}_wide"], f"{name}_interleave", blocksize=2),
        make("Slice", [f"{output}_wide", *inner], [whole], f"{name}_crop"),
    ]
    if concat is None:
        return nodes
    skips = list(concat.input[1:])
    if len(skips) > 1:
        nodes.append(make("Concat", skips, [f"{output}_skips"], f"{name}_skips", axis=1))
        skips = [f"{output}_skips"]
    rest = constant("skip_kernel", np.ascontiguousarray(kernel[:, enlarged.channels :]))
    same: dict[str, Any] = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    nodes.append(make("Conv", [*skips, rest, *bias], [f"{output}_skip"], f"{name}_skip", **same))
    nodes.append(make("Add", [f"{output}_skip", whole], [output], f"{name}_sum"))
    return nodes
