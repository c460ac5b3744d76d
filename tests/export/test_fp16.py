from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from cxr.export.fp16 import convert_to_fp16
from cxr.export.run import ExportSummary
from cxr.infer.runtime.session import Session


@pytest.fixture(scope="module")
def fp16(exported: ExportSummary, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fp16") / "fp16.onnx"
    convert_to_fp16(exported.path, path)
    return path


def test_weights_are_fp16_and_input_and_output_are_not(exported: ExportSummary, fp16: Path) -> None:
    graph = onnx.load(fp16).graph
    types = Counter(value.data_type for value in graph.initializer if len(value.dims) == 4)
    assert set(types) == {TensorProto.FLOAT16}
    ends = [value.type.tensor_type.elem_type for value in (*graph.input, *graph.output)]
    assert ends == [TensorProto.UINT8, TensorProto.FLOAT]
    assert fp16.stat().st_size < 0.51 * exported.bytes


def test_types_are_cast_only_at_input_and_output(fp16: Path) -> None:
    graph = onnx.load(fp16).graph
    casts = [node for node in graph.node if node.op_type == "Cast"]
    assert [node.input[0] for node in casts][:1] == ["image"]
    assert [node.output[0] for node in casts][1:] == ["probability"]


def test_probabilities_are_close_to_fp32(exported: ExportSummary, fp16: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (3, 1, 64, 64), dtype=np.uint8)
    expected, actual = (Session.open(path).run(noise) for path in (exported.path, fp16))
    assert np.abs(actual - expected).max() < 0.05
    assert np.abs(actual - expected).mean() < 0.002
