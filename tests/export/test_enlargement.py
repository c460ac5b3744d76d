"""An enlargement and the convolution after it become convolutions of the small map, with the same result."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from cxr.export.enlargement import merge_enlargements
from cxr.export.run import ExportSummary
from cxr.export.simplify import merge_normalization
from cxr.infer.runtime.session import Session


def build(
    enlarged: int, skips: list[int], outputs: int, *, seed: int, side: tuple[int, int], **changes: Any
) -> onnx.ModelProto:
    """Enlarge, concatenate, convolve; `changes` are of attributes and scales."""
    rng = np.random.default_rng(seed)
    resize = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    conv: dict[str, Any] = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    resize |= {name: value for name, value in changes.items() if name in resize}
    conv |= {name: value for name, value in changes.items() if name in ("pads", "dilations", "strides")}
    scales = changes.get("scales", [1, 1, 2, 2])
    inner = ["large", *(f"skip{index}" for index in range(len(skips)))]
    width = enlarged + sum(skips)
    kernel = rng.normal(size=(outputs, width, 3, 3)).astype(np.float32)
    bias = rng.normal(size=outputs).astype(np.float32)
    nodes = [helper.make_node("Resize", ["small", "", "scales"], ["large"], **resize)]
    if skips:
        nodes.append(helper.make_node("Concat", inner, ["joined"], axis=1))
    source = "joined" if skips else "large"
    inputs = [source, "kernel", *(["bias"] if seed % 2 else [])]
    nodes.append(helper.make_node("Conv", inputs, ["sum"], "conv", **conv))
    height, length = side
    shapes = [("small", [1, enlarged, height, length])]
    shapes += [
        (f"skip{index}", [1, count, height * scales[2], length * scales[3]])
        for index, count in enumerate(skips)
    ]
    graph = helper.make_graph(
        nodes,
        "enlarge",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, count, None, None))
            for name, count in [*changes.get("also", []), ("sum", outputs)]
        ],
        [
            numpy_helper.from_array(np.array(scales, np.float32), "scales"),
            numpy_helper.from_array(kernel, "kernel"),
            numpy_helper.from_array(bias, "bias"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def run(model: onnx.ModelProto) -> np.ndarray:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(1)
    feeds = {item.name: rng.normal(size=item.shape).astype(np.float32) for item in session.get_inputs()}
    output: np.ndarray = session.run(["sum"], feeds)[0]
    return output


def kinds(model: onnx.ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in model.graph.node)


@settings(max_examples=60, deadline=None)
@given(
    enlarged=st.integers(1, 9),
    skips=st.lists(st.integers(1, 7), max_size=2),
    outputs=st.integers(1, 9),
    side=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    seed=st.integers(0, 2**16),
)
def test_result_is_the_same_up_to_rounding(
    enlarged: int, skips: list[int], outputs: int, side: tuple[int, int], seed: int
) -> None:
    model = build(enlarged, skips, outputs, seed=seed, side=side)
    expected = run(model)
    assert merge_enlargements(model) == 1
    onnx.checker.check_model(model, full_check=True)
    assert kinds(model)["Resize"] == 0
    assert kinds(model)["DepthToSpace"] == 1
    # Relative to the largest sum of absolute products that rounding can act on.
    scale = 9 * (enlarged + sum(skips))
    np.testing.assert_allclose(run(model), expected, rtol=0, atol=1e-6 * scale)


@pytest.mark.parametrize(
    "changes",
    [
        {"mode": "linear", "coordinate_transformation_mode": "half_pixel"},
        {"coordinate_transformation_mode": "half_pixel"},
        {"nearest_mode": "ceil"},
        {"scales": [1, 1, 4, 4]},
        {"pads": [0, 0, 0, 0]},
        {"dilations": [2, 2], "pads": [2, 2, 2, 2]},
        {"strides": [2, 2]},
        {"also": [("large", 3)]},
    ],
)
def test_anything_else_is_left_alone(changes: dict[str, Any]) -> None:
    model = build(3, [2], 4, seed=1, side=(5, 4), **changes)
    before = model.SerializeToString()
    assert merge_enlargements(model) == 0
    assert kinds(model)["Resize"] == 1
    assert kinds(onnx.load_model_from_string(before)) == kinds(model)


def test_unet_keeps_its_probabilities(exported: ExportSummary, tmp_path: Path) -> None:
    model = merge_normalization(onnx.load(exported.path))
    assert merge_enlargements(model) == 5
    onnx.save(model, tmp_path / "fast.onnx")
    batch = np.random.default_rng(0).integers(0, 256, (3, 1, 64, 64), dtype=np.uint8)
    fast, plain = (Session.open(path) for path in (tmp_path / "fast.onnx", exported.path))
    np.testing.assert_allclose(fast.run(batch), plain.run(batch), atol=1e-5)
