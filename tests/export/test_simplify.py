"""An exported float file holds every weight as PyTorch has it, and runs as fast as if they were merged."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import numpy_helper
from torch import Tensor

from cxr.export.half_storage import store_in_half
from cxr.export.quantize import Calibration, Recipe, quantize
from cxr.export.run import ExportSummary
from cxr.export.simplify import merge_normalization
from cxr.infer.runtime.session import Session


@pytest.fixture(scope="module")
def weights(run_folder: Path) -> dict[str, Tensor]:
    state = torch.load(run_folder / "best_unet.pth", weights_only=True)
    return {name: tensor for name, tensor in state.items() if tensor.is_floating_point()}


def kinds(path: Path) -> Counter[str]:
    return Counter(node.op_type for node in onnx.load(path).graph.node)


def after_loading(path: Path, folder: Path) -> Counter[str]:
    """Count the nodes that ONNX Runtime has after its basic optimizations."""
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 4
    ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return kinds(folder / "optimized.onnx")


def test_every_weight_has_its_name_and_its_values_bit_for_bit(
    exported: ExportSummary, weights: dict[str, Tensor]
) -> None:
    stored = {item.name: numpy_helper.to_array(item) for item in onnx.load(exported.path).graph.initializer}
    assert len(weights) > 100
    for name, tensor in weights.items():
        assert np.array_equal(stored[f"network.{name}"], tensor.numpy()), name


def test_weights_that_are_equal_are_not_merged(exported: ExportSummary, weights: dict[str, Tensor]) -> None:
    """The untrained network has many: the statistics of its normalization."""
    distinct = {tensor.numpy().tobytes() for tensor in weights.values()}
    assert len(distinct) < len(weights)
    names = {item.name for item in onnx.load(exported.path).graph.initializer}
    assert {f"network.{name}" for name in weights} <= names


@pytest.mark.parametrize("half", [False, True])
def test_runtime_merges_normalization_when_it_loads_the_file(
    exported: ExportSummary, tmp_path: Path, half: bool
) -> None:
    path = exported.path
    if half:
        path = tmp_path / "half.onnx"
        store_in_half(exported.path, path)
    assert kinds(path)["BatchNormalization"] > 20
    loaded = after_loading(path, tmp_path)
    assert loaded["BatchNormalization"] == 0
    assert loaded["Conv"] == kinds(path)["Conv"]
    assert loaded["Cast"] == 1


def test_no_path_of_this_machine_is_in_the_file(exported: ExportSummary) -> None:
    content = exported.path.read_bytes()
    assert b".py" not in content
    assert b"site-packages" not in content


def test_graph_has_no_node_without_effect(exported: ExportSummary) -> None:
    expected = {"Cast", "Mul", "Add", "Conv", "BatchNormalization", "Relu", "MaxPool", "Resize", "Concat"}
    assert set(kinds(exported.path)) == expected | {"Sigmoid"}


def test_int8_file_has_its_normalization_merged_before_calibration(
    exported: ExportSummary, tmp_path: Path
) -> None:
    images = list(np.random.default_rng(0).integers(0, 256, (2, 64, 64), np.uint8))
    quantize(exported.path, tmp_path / "int8.onnx", images, Recipe(Calibration.MINMAX))
    counts = kinds(tmp_path / "int8.onnx")
    assert counts["BatchNormalization"] == counts["Mul"] - 1 == 0
    assert counts["Conv"] == kinds(exported.path)["Conv"]


def test_merging_changes_no_probability(exported: ExportSummary, tmp_path: Path) -> None:
    onnx.save(merge_normalization(onnx.load(exported.path)), tmp_path / "merged.onnx")
    assert kinds(tmp_path / "merged.onnx")["BatchNormalization"] == 0
    batch = np.random.default_rng(0).integers(0, 256, (2, 1, 64, 64), dtype=np.uint8)
    merged, separate = (Session.open(path) for path in (tmp_path / "merged.onnx", exported.path))
    assert merged.card == separate.card
    np.testing.assert_allclose(merged.run(batch), separate.run(batch), atol=1e-5)
